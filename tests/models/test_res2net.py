"""Res2Net-50: the public network's names, counts and block, and the places of its slot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.metrics.cost import cost
from kinesics.models.backbones.res2net import Res2Block, Res2Net50
from kinesics.models.build import create_model
from kinesics.models.registry import list_models
from kinesics.models.temporal.slot import Temporal, still
from kinesics.models.weights.load import load_weights
from kinesics.models.weights.sources import IMAGENET
from tests.models.names import RESNETS, filled
from tests.models.names import res2net50 as public


@pytest.mark.parametrize("system", ["tsn", "tsm", "mlfe", "stp", "tea"])
def test_names_and_shapes_are_the_public_repository_s(system: str) -> None:
    state = create_model(f"{system}_res2net50", 2).backbone.state_dict()
    expected = {name: shape for name, shape in public().items() if not name.startswith("fc.")}
    assert {name: tuple(x.shape) for name, x in state.items() if ".temporal" not in name} == expected


def test_counts_are_the_published_ones() -> None:
    found = cost(create_model("tsn_res2net50", 1000), (1, 1, 3, 224, 224))
    assert found.parameters == 25_699_120  # published: 25.70 M
    assert found.macs == 4_255_166_464  # published: 4.2 G


def test_which_systems_stand_in_it() -> None:
    assert {"tsn_res2net50", "tsm_res2net50", "mlfe_res2net50", "stp_res2net50", "tea_res2net50"} <= set(list_models())
    assert not {"tefe_res2net50", "mdt_res2net50"} & set(list_models())


@pytest.mark.parametrize("name", ["tsn_res2net50", "tea_res2net50"])
def test_the_public_file_loads_whole(name: str, tmp_path: Path) -> None:
    state = filled(public())
    torch.save(state, tmp_path / "res2net50.pth")
    model = create_model(name, 1000)
    report = load_weights(model, tmp_path / "res2net50.pth")
    assert not report.unexpected
    assert not report.adapted
    assert all(".temporal." in missing for missing in report.missing)
    assert bool(report.missing) == name.startswith("tea")
    assert torch.equal(model.backbone.get_parameter("layer3.5.convs.2.weight"), state["layer3.5.convs.2.weight"])
    assert torch.equal(model.head.fc.weight, state["fc.weight"])
    assert IMAGENET["res2net50"].name == "res2net50_26w_4s-06e79181.pth"


def test_resnet_s_file_is_refused(tmp_path: Path) -> None:
    torch.save(filled(RESNETS["resnet50"]), tmp_path / "resnet50.pth")
    with pytest.raises(UserError, match=r"resnet50\.pth: backbone\.layer1\.0\.bn1\.bias is 64, expected 104"):
        load_weights(create_model("tea_res2net50", 5), tmp_path / "resnet50.pth")


def made(index: int, stride: int, slot: type[Temporal] | None = None, channels: int = 256) -> Res2Block:
    """A block of layer2 in evaluation mode, its BatchNorms not all alike."""
    torch.manual_seed(index)
    site = Res2Block.site("layer2", index, 3, channels, 64)
    block = Res2Block(site, stride, still if slot is None else lambda site: slot())
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.5, 1.5)
    return block.eval()


@pytest.mark.parametrize(("index", "stride", "channels"), [(0, 1, 64), (0, 2, 256), (1, 1, 256)])
def test_a_block_is_its_groups_one_after_the_other(index: int, stride: int, channels: int) -> None:
    block = made(index, stride, channels=channels)
    x = torch.randn(2, channels, 9, 7)
    with torch.no_grad():
        hidden = F.relu(block.bn1(F.conv2d(x, block.conv1.weight)))
        outputs: list[Tensor] = []
        for number in range(3):
            taken = hidden[:, 26 * number : 26 * (number + 1)]
            if index > 0 and number > 0:
                taken = taken + outputs[number - 1]
            weight = block.get_parameter(f"convs.{number}.weight")
            outputs.append(F.relu(block.bns[number](F.conv2d(taken, weight, stride=stride, padding=1))))
        last = hidden[:, 78:]
        if index == 0:  # a mean over nine pixels, those outside counted as 0
            last = F.conv2d(last, torch.full((26, 1, 3, 3), 1 / 9), stride=stride, padding=1, groups=26)
        y = block.bn3(F.conv2d(torch.cat([*outputs, last], dim=1), block.conv3.weight))
        kept = x if block.downsample is None else block.downsample(x)
        assert (block.downsample is None) == (index > 0)
        assert torch.allclose(block(x, 1), F.relu(y + kept), atol=1e-4)


class Recorder(Temporal):
    """Changes nothing, and writes down where it was asked and for what."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[int, ...], int]] = []

    def forward(self, x: Tensor, t: int) -> Tensor:
        self.seen.append(("forward", tuple(x.shape[1:]), t))
        return x

    def inner(self, x: Tensor, t: int) -> Tensor:
        self.seen.append(("inner", tuple(x.shape[1:]), t))
        return x

    def group(self, x: Tensor, t: int, index: int) -> Tensor:
        self.seen.append((f"group {index}", tuple(x.shape[1:]), t))
        return x

    def hidden(self, x: Tensor, t: int) -> Tensor:
        self.seen.append(("hidden", tuple(x.shape[1:]), t))
        return x


def test_the_slot_acts_at_its_places_and_leaves_them_as_they_are_by_default() -> None:
    block, plain = made(0, 2, Recorder), made(0, 2)
    plain.load_state_dict(block.state_dict())
    x = torch.randn(6, 256, 8, 8)
    with torch.no_grad():
        assert torch.equal(block(x, 3), plain(x, 3))
    assert isinstance(block.temporal, Recorder)
    assert block.temporal.seen == [
        ("forward", (256, 8, 8), 3),
        ("inner", (104, 8, 8), 3),
        *((f"group {index}", (26, 8, 8), 3) for index in range(4)),
        ("hidden", (104, 4, 4), 3),
    ]


def test_every_block_tells_its_slot_where_it_is() -> None:
    sites = []
    Res2Net50(slot=lambda site: sites.append(site) or Temporal())  # type: ignore[func-returns-value]
    assert [(site.stage, site.index) for site in sites[:4]] == [
        ("layer2", 0),
        ("layer2", 1),
        ("layer2", 2),
        ("layer3", 0),
    ]
    assert [site.width for site in sites if site.index == 0] == [104, 208, 416, 832]
    assert {(site.groups, site.inner, site.spatial) for site in sites} == {(4, True, 0)}
