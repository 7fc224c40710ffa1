"""A user's own systems, backbones and heads join those of the package; models are listed by pattern."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.models import registry
from kinesics.models.backbones.mobilenetv2 import MobileNetV2
from kinesics.models.build import create_model
from kinesics.models.heads.average import AverageHead
from kinesics.models.registry import list_models, parts_of, register_backbone, register_head, register_system
from kinesics.models.system import System
from kinesics.models.temporal.slot import Site, Slot, Temporal


class Difference(Temporal):
    """Adds a share of the change since the frame before."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(share))

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → the same."""
        x_NTCHW = torch.unflatten(x, 0, (-1, t))
        change = x_NTCHW - torch.cat([x_NTCHW[:, :1], x_NTCHW[:, :-1]], dim=1)
        return (x_NTCHW + self.share * change).flatten(0, 1)


def difference(*, share: float = 0.0) -> Slot:
    """The module in blocks of layer3."""
    return lambda site: Difference(share) if site.stage == "layer3" else Temporal()


@pytest.fixture(autouse=True)
def own_tables() -> Iterator[None]:
    """What a test registers is gone after it."""
    tables: list[dict[str, Any]] = [registry.SYSTEMS, registry.BACKBONES, registry.HEADS]
    before = [dict(table) for table in tables]
    yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)


def test_a_registered_system_has_a_model_on_every_backbone_that_it_runs_on() -> None:
    register_system(System("toy", "Adds differences of frames", difference))
    assert list_models("toy_*") == [name.replace("tsn_", "toy_") for name in list_models("tsn_*")]
    model = create_model("toy_resnet18", 3, share=0.5, dropout=0.0).eval()
    assert model.arguments["share"] == 0.5
    x = torch.randn(1, 4, 3, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(model(x), model(x.flip(1)), atol=1e-5)
    assert any(name.endswith("temporal.share") for name in model.state_dict())
    with pytest.raises(UserError, match=r"unknown argument of toy_resnet18 .* 'shar'; did you mean 'share'"):
        create_model("toy_resnet18", 3, shar=0.5)


def test_a_registered_system_may_name_its_backbones_and_a_registered_head() -> None:
    register_head("mean2", AverageHead)
    register_system(System("toy", "A title", difference, heads=("mean2",), backbones=("resnet18", "mobilenetv2")))
    assert list_models("toy_*") == ["toy_resnet18", "toy_mobilenetv2"]
    assert create_model("toy_resnet18", 3).arguments["head"] == "mean2"
    with pytest.raises(UserError, match="unknown model 'toy_resnet34'; did you mean 'toy_resnet18'"):
        create_model("toy_resnet34", 3)


def test_a_registered_backbone_takes_the_systems_of_frames() -> None:
    class Own(MobileNetV2):
        """Another network."""

    register_backbone("own_net", Own)
    assert {"tsn_own_net", "tsm_own_net", "mlfe_own_net", "kpsem_own_net"} <= set(list_models("*_own_net"))
    assert not {"plain_own_net", "tea_own_net"} & set(list_models())
    model = create_model("tsm_own_net", 3)
    assert isinstance(model.backbone, Own) and model.backbone_name == "own_net"
    assert parts_of("tsm_own_net")[1] == "own_net"


@pytest.mark.parametrize("name", ["tsm", "two_words", "Toy", "", "../x"])
def test_names_that_are_taken_or_not_a_word_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"system '{name}'"):
        register_system(System(name, "A title", difference))


def test_an_unknown_head_of_a_new_system_is_named_and_nothing_is_registered() -> None:
    with pytest.raises(UserError, match="unknown head of system toy 'averag'; did you mean 'average'"):
        register_system(System("toy", "A title", difference, heads=("averag",)))
    with pytest.raises(UserError, match="has no head"):
        register_system(System("toy", "A title", difference, heads=()))
    assert not list_models("toy_*")


def test_models_are_listed_by_pattern_and_by_their_public_weights() -> None:
    assert list_models("*resnet50") == [
        "tsn_resnet50",
        "tsm_resnet50",
        "kpsem_resnet50",
        "mlfe_resnet50",
        "stp_resnet50",
        "tefe_resnet50",
        "mdt_resnet50",
    ]
    assert list_models("plain_*", pretrained="kinetics") == ["plain_r2plus1d18"]
    assert list_models("*resnet50", pretrained="kinetics") == ["tsm_resnet50", "mlfe_resnet50"]
    assert list_models("plain_*", pretrained="imagenet") == ["plain_r3d50", "plain_i3d50"]
    assert list_models("plain_*", pretrained=True) == ["plain_r3d50", "plain_r2plus1d18", "plain_i3d50"]
    assert list_models("plain_*", pretrained=False) == ["plain_mfnet", "plain_c3d", "plain_r2plus1d34"]
    assert list_models("nothing*") == []
    with pytest.raises(UserError, match="unknown public weights 'imagnet'; did you mean 'imagenet'"):
        list_models(pretrained="imagnet")


def test_system_names_appear_only_in_the_systems_own_files() -> None:
    """A new system is one file: no other module of models/ may ask for a system by its name."""
    folder = Path(registry.__file__).parent
    texts = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*.py") if path.parent.name != "systems"}
    for system in registry.SYSTEMS:
        asking = [path.name for path, text in texts.items() if f'== "{system}"' in text or f'"{system}":' in text]
        assert not asking, system


def test_sites_of_a_new_module_say_where_it_is() -> None:
    sites: list[Site] = []

    def remember() -> Slot:
        return lambda site: sites.append(site) or Temporal()  # type: ignore[func-returns-value]

    register_system(System("toy", "A title", remember))
    create_model("toy_resnet18", 3)
    assert [(site.stage, site.index) for site in sites] == [
        (f"layer{stage}", index) for stage in (2, 3, 4, 5) for index in (0, 1)
    ]
