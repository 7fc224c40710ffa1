"""What every model name promises."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.models.backbones.backbone import STAGES, InputNorm
from kinesics.models.build import create_model, fixes_steps, model_table
from kinesics.models.recognizer import Recognizer
from kinesics.models.registry import BACKBONES, SYSTEMS, list_models
from kinesics.training.optim import NORMS
from tests.models.names import RESNETS, mobilenetv2

MULTIPLES = {"stp": 4, "kpsem": 4}
"""Systems whose clips have so many time steps or a multiple, as segments or at the least."""


MODELS = list_models()
FRAME_BACKBONES = [name for name, backbone in BACKBONES.items() if not backbone.sees_time]

LARGE = ("resnet34", "resnet50", "res2net50", "bninception", "r2plus1d34")
"""Backbones whose code is that of a smaller one, or that one system is enough to try."""
OWN = ("tsm_resnet34", "tsm_resnet50", "tsm_bninception", "stp_bninception", "tea_res2net50")
"""What stands for them in `make test`; `make test-slow` has every system on every backbone."""
EACH = [
    pytest.param(name, marks=pytest.mark.slow) if name.partition("_")[2] in LARGE and name not in OWN else name
    for name in MODELS
]

Settled = Callable[..., Recognizer]


def frames(name: str) -> int:
    """Channels of a time step."""
    return 3 * SYSTEMS[name.partition("_")[0]].frames


def create(name: str, num_classes: int, t: int, **arguments: Any) -> Recognizer:
    """The model for clips of t segments."""
    if fixes_steps(name):
        arguments["num_steps"] = steps(name, t)
    return create_model(name, num_classes, **arguments)


@pytest.fixture(scope="module")
def settled() -> Settled:
    """Models by name in evaluation mode, after one training batch: on fresh statistics deep features all but vanish."""
    made: dict[tuple[str, int], Recognizer] = {}

    def get(name: str, t: int = 4) -> Recognizer:
        key = (name, t if fixes_steps(name) else 4)
        if key not in made:
            torch.manual_seed(0)
            model = create(name, 5, t, dropout=0.0)
            nn.init.normal_(model.head.fc.weight, std=0.1)
            for module in model.modules():
                if isinstance(module, NORMS):
                    module.momentum = 1.0
            with torch.no_grad():
                model.train()(clips(8, steps(name, key[1]), channels=frames(name)))
            made[key] = model.eval()
        return made[key]

    return get


def steps(name: str, t: int) -> int:
    """T for t segments."""
    return t * MULTIPLES.get(name.partition("_")[0], 1)


def close(name: str) -> float:
    """How far apart logits may be that are computed in another order: key points of all but equal cells may change."""
    return 2e-2 if name.startswith("kpsem") else 1e-3


def clips(n: int = 1, t: int = 3, h: int = 40, w: int = 40, channels: int = 3) -> Tensor:
    return torch.randn(n, t, channels, h, w, generator=torch.Generator().manual_seed(n + t))


def test_names_are_systems_times_backbones() -> None:
    assert [row["model"] for row in model_table()] == MODELS
    assert {"tsn_resnet50", "tsm_mobilenetv2", "tsm_efficientnet_lite0", "plain_mfnet", "kpsem_r3d50"} <= set(MODELS)
    assert not {"tsm_mfnet", "plain_resnet50", "kpsem_c3d", "tea_resnet50"} & set(MODELS)
    assert {name.partition("_")[0] for name in MODELS} == set(SYSTEMS)


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize(("n", "t", "h", "w"), [(2, 1, 32, 32), (1, 3, 33, 47), (1, 8, 64, 37)])
def test_any_clip_length_and_size_gives_logits(settled: Settled, name: str, n: int, t: int, h: int, w: int) -> None:
    model = settled(name, t)
    x = clips(n, steps(name, t), h, w, frames(name))
    with torch.no_grad():
        first, second = model(x), model(x)
    assert first.shape == (n, 5)
    assert first.isfinite().all()
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", EACH)
def test_clips_of_a_batch_do_not_mix(settled: Settled, name: str) -> None:
    x = clips(3, steps(name, 4), channels=frames(name))
    with torch.no_grad():
        together = settled(name)(x)
        alone = torch.cat([settled(name)(clip[None]) for clip in x])
    assert together.std(dim=0).min() > 1e-4
    assert torch.allclose(together, alone, atol=close(name))


@pytest.mark.parametrize("backbone", FRAME_BACKBONES)
def test_order_matters_to_tsm_and_not_to_tsn(settled: Settled, backbone: str) -> None:
    x = clips(1, 6)
    with torch.no_grad():
        tsn, reversed_tsn = settled(f"tsn_{backbone}")(x), settled(f"tsn_{backbone}")(x.flip(1))
        tsm, reversed_tsm = settled(f"tsm_{backbone}")(x), settled(f"tsm_{backbone}")(x.flip(1))
    assert torch.allclose(tsn, reversed_tsn, atol=1e-4)
    assert (tsm - reversed_tsm).abs().max() > 1e-2


@pytest.mark.parametrize("name", EACH)
def test_gradient_reaches_every_parameter_and_every_parameter_has_a_stage(name: str) -> None:
    torch.manual_seed(0)
    model = create(name, 3, 3, dropout=0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    learned = set()
    for _ in range(2 if name.startswith("mdt") else 1):  # what its scales of 0 hide learns from the second step on
        optimizer.zero_grad()
        model(clips(2, steps(name, 3), channels=frames(name))).square().sum().backward()
        learned |= {key for key, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        optimizer.step()
    first = f"backbone.{model.backbone.first_conv}.weight"
    assert model.stage_of(first) == 0
    assert next(iter(dict(model.named_parameters()))) == first
    found = set()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        shared = parameter_name.startswith("head.score.") and parameter_name.endswith(".bias")
        if not shared:  # what all classes get alike, no softmax can see
            assert parameter_name in learned, parameter_name
        stage = model.stage_of(parameter_name)
        assert (stage is None) == parameter_name.startswith("head.")
        found.add(stage)
    assert found == {None, *range(len(model.backbone.stages))}


@pytest.mark.parametrize("name", EACH)
def test_arguments_and_state_make_the_same_model_again(settled: Settled, name: str) -> None:
    model = settled(name, 3)
    arguments = json.loads(json.dumps(model.arguments))
    again = create_model(model.name, model.num_classes, modality=model.modality, **arguments)
    again.load_state_dict(copy.deepcopy(model.state_dict()))
    x = clips(1, steps(name, 3), channels=frames(name))
    with torch.no_grad():
        assert torch.equal(again.eval()(x), model(x))


@pytest.mark.parametrize("name", EACH)
def test_bfloat16_autocast_is_finite_in_training(name: str) -> None:
    model = create(name, 3, 2)
    small = name in ("tsm_resnet18", "tsm_efficientnet_lite0")  # the backward pass is slow on a CPU
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(small):
        logits = model(clips(2, steps(name, 2), channels=frames(name)))
    assert logits.isfinite().all()
    if small:
        logits.float().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", EACH)
def test_channels_last_gives_the_same_and_stays(settled: Settled, name: str) -> None:
    model = settled(name, 3)
    x = clips(2, steps(name, 3), 64, 64, frames(name))  # the layout of one small clip, PyTorch may not keep
    packed = copy.deepcopy(model).channels_last()
    with torch.no_grad():
        layer4 = packed.backbone.forward_stages(x, ["layer4"])["layer4"].flatten(0, 1)
        assert layer4.is_contiguous(memory_format=torch.channels_last) or tall(packed.backbone)
        expected = model(x)
        assert torch.allclose(packed(x), expected, atol=close(name) * float(expected.std().clamp_min(1)))


def tall(backbone: nn.Module) -> bool:
    """Whether a backbone has kernels of T×1×1, after which PyTorch itself does not keep channels last."""
    kernels = [module.kernel_size for module in backbone.modules() if isinstance(module, nn.Conv3d)]
    return any(kernel[0] > 1 and kernel[1:] == (1, 1) for kernel in kernels)


@pytest.mark.parametrize("name", BACKBONES)
def test_stages_have_their_strides_and_widths(settled: Settled, name: str) -> None:
    model = settled(f"{'plain' if BACKBONES[name].sees_time else 'tsm'}_{name}")
    backbone = model.backbone
    with torch.no_grad():
        features = backbone.forward_stages(clips(2, 3, 64, 96), STAGES)
        assert list(backbone.forward_stages(clips(2, 3, 64, 96), ["layer3"])) == ["layer3"]
    for stage, stride, time_stride in zip(STAGES, backbone.strides, backbone.time_strides, strict=True):
        size = (64 // stride, 96 // stride) if stage in backbone.mapped else (1, 1)
        assert features[stage].shape == (2, -(-3 // time_stride), backbone.widths[stage], *size)
    assert backbone.widths["layer5"] == backbone.num_features
    num_steps = -(-3 // backbone.time_strides[-1])
    assert model.frame_features(clips(2, 3)).shape == (2, num_steps, backbone.num_features)
    with pytest.raises(KeyError, match="layer6"):
        backbone.forward_stages(clips(), ["layer6"])


@pytest.mark.parametrize("name", EACH)
def test_the_answer_is_computed_from_the_features_that_are_given(settled: Settled, name: str) -> None:
    model = settled(name)
    features = model.backbone.forward_stages(clips(1, steps(name, 4), channels=frames(name)), STAGES)
    gradients = torch.autograd.grad(model.head(features)[0, 0], [features[stage] for stage in STAGES])
    assert all(gradient.abs().max() > 0 for gradient in gradients)


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith(("tsn_", "tsm_"))])
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    model = create_model(name, 1000)
    assert sum(p.numel() for p in model.parameters()) == model.backbone.published_parameters


def test_tsm_resnet50_at_400_classes() -> None:
    assert sum(p.numel() for p in create_model("tsm_resnet50", 400).parameters()) == 24_327_632


@pytest.mark.parametrize("name", [name for name in MODELS if name.partition("_")[2] in (*RESNETS, "mobilenetv2")])
def test_backbones_have_torchvisions_names_and_shapes(name: str) -> None:
    backbone = name.partition("_")[2]
    expected = RESNETS[backbone] if backbone in RESNETS else mobilenetv2()
    expected = {name: shape for name, shape in expected.items() if not name.startswith(("fc.", "classifier."))}
    state = create_model(name, 2).backbone.state_dict()
    assert {name: tuple(x.shape) for name, x in state.items() if "temporal" not in name} == expected


def test_the_table_of_names_is_torchvisions_count() -> None:
    assert {name: len(shapes) for name, shapes in RESNETS.items()} == {
        "resnet18": 122,
        "resnet34": 218,
        "resnet50": 320,
    }
    assert len(mobilenetv2()) == 314


@pytest.mark.parametrize(
    ("modality", "frames", "channels"), [("rgb", 1, 3), ("rgb", 5, 15), ("flow", 1, 2), ("flow", 5, 10)]
)
def test_channels_follow_modality_and_frames(modality: str, frames: int, channels: int) -> None:
    model = create_model("tsm_resnet18", 4, modality=modality, frames_per_segment=frames)
    assert model(clips(1, 2, channels=channels)).shape == (1, 4)
    assert len(model.mean) == len(model.std) == channels // frames
    pixels = torch.full((1, 2, channels, 4, 4), 128, dtype=torch.uint8)
    assert model.input_norm(pixels).shape == pixels.shape


def test_normalising_pixels() -> None:
    norm = InputNorm(mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 0.25))
    pixels = torch.tensor([0, 255, 255, 255, 0, 0], dtype=torch.uint8)[:, None, None]  # two frames of three channels
    assert torch.allclose(norm(pixels).flatten(), torch.tensor([0.0, 1.0, 0.0, 1.0, -1.0, -4.0]), atol=1e-6)
    bgr = InputNorm(mean=(0.0, 0.0, 0.0), std=(1 / 255,) * 3, order="bgr")
    assert torch.allclose(
        bgr(torch.tensor([1, 2, 3], dtype=torch.uint8)[:, None, None]).flatten(), torch.tensor([3.0, 2, 1])
    )
    with pytest.raises(ValueError, match="3 channels"):
        norm(torch.zeros(4, 2, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "tsm_resnet5"}, "did you mean 'tsm_resnet50'"),
        ({"modality": "rgbb"}, "did you mean 'rgb'"),
        ({"head": "averag"}, "did you mean 'average'"),
        ({"directoin": "past"}, "did you mean 'direction'"),
        ({"direction": "pas"}, "argument direction is .*; expected both or past"),
        ({"moments": 4}, "unknown argument .*'moments'"),
        ({"head": "ordered", "moments": 0}, "at least one moment"),
        ({"fold_div": 1}, "fold_div"),
        ({"num_classes": 0}, "num_classes is 0; expected a whole number from 1"),
        ({"dropout": 1.5}, "dropout"),
        ({"weights": "no/such/file.pth"}, "no such file"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        create_model(**{"name": "tsm_resnet18", "num_classes": 3, **arguments})
