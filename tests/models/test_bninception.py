"""BN-Inception: published counts, names, sizes, and where the shift is, as in the official network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.metrics.cost import cost
from kinesics.models.backbones.bninception import BNInception, halved
from kinesics.models.build import create_model
from kinesics.models.temporal.slot import Site
from kinesics.models.weights.load import load_weights


def settled(in_channels: int = 3) -> BNInception:
    """He initialisation, and statistics of a batch: a fresh one gives the same for any input."""
    torch.manual_seed(0)
    backbone = BNInception(in_channels)
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        backbone.train().forward_stages(torch.randn(2, 4, in_channels, 64, 64))
    return backbone.eval()


def test_parameters_are_the_published_network_s() -> None:
    assert sum(p.numel() for p in BNInception().parameters()) == 10_270_240
    assert sum(p.numel() for p in BNInception(10).parameters()) == 10_292_192
    names = set(dict(BNInception().named_parameters()))
    assert {
        "conv1_7x7_s2.weight",
        "conv1_7x7_s2.bias",
        "conv1_7x7_s2_bn.weight",
        "conv2_3x3_reduce.weight",
        "inception_3a_1x1.bias",
        "inception_3c_double_3x3_2_bn.bias",
        "inception_4e_3x3_reduce.weight",
        "inception_5b_pool_proj_bn.weight",
    } <= names
    assert not {"inception_3c_1x1.weight", "inception_4e_pool_proj.weight"} & names


@pytest.mark.parametrize(("channels", "giga"), [(3, 2.0316), (10, 2.3070)])
def test_macs_of_a_frame(channels: int, giga: float) -> None:
    if channels == 3:
        model = create_model("tsn_bninception", 10)
    else:
        model = create_model("tsn_bninception", 10, modality="flow", frames_per_segment=5)
    assert cost(model, (1, 1, channels, 224, 224)).macs / 1e9 == pytest.approx(giga, abs=5e-5)


def test_stages_are_where_local_features_are_cut_from() -> None:
    with torch.no_grad():
        found = settled().forward_stages(torch.randn(1, 1, 3, 224, 224), ("layer2", "layer3", "layer4", "layer5"))
    assert {name: tuple(x.shape[2:]) for name, x in found.items()} == {
        "layer2": (192, 56, 56),
        "layer3": (320, 28, 28),
        "layer4": (608, 14, 14),
        "layer5": (1024, 7, 7),
    }


@pytest.mark.parametrize("size", [32, 33, 47, 65, 100, 131, 225, 399])
def test_any_size_runs(size: int) -> None:
    with torch.no_grad():
        x = settled().forward_stages(torch.randn(1, 1, 3, size, 40))["layer5"]
    assert x.isfinite().all()
    assert x.shape[-2:] == (-(-size // 32), 2)


@pytest.mark.parametrize("size", [4, 14, 56])
def test_pooling_of_even_sizes_is_the_published_one(size: int) -> None:
    x = torch.randn(1, 2, size, size)
    assert torch.equal(halved(x), nn.MaxPool2d(3, 2, ceil_mode=True)(x))
    assert halved(x[..., 1:]).shape[-2:] == (size // 2, size // 2)


def official(state: dict[str, Tensor], frames: Tensor, t: int | None) -> Tensor:
    """(N*T, 3, H, W) → (N*T, 1024, H/32, W/32): the published network written out layer by layer, for even sizes.

    With t, what each entry of TSM's mask of twelve begins with is shifted, but the picture: the place `block` of
    archs/bn_inception.py in its authors' repository.
    """

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        y = F.conv2d(x, weight, state[f"{name}.bias"], stride, weight.shape[-1] // 2)
        norm = [state[f"{name}_bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.relu(F.batch_norm(y, *norm))

    def shift(x: Tensor) -> Tensor:
        if t is None:
            return x
        x_NTCHW, fold = x.unflatten(0, (-1, t)), x.shape[1] // 8
        out = torch.zeros_like(x_NTCHW)
        out[:, :-1, :fold] = x_NTCHW[:, 1:, :fold]
        out[:, 1:, fold : 2 * fold] = x_NTCHW[:, :-1, fold : 2 * fold]
        out[:, :, 2 * fold :] = x_NTCHW[:, :, 2 * fold :]
        return out.flatten(0, 1)

    x = F.max_pool2d(conv("conv1_7x7_s2", frames, 2), 3, 2, ceil_mode=True)
    x = conv("conv2_3x3", conv("conv2_3x3_reduce", shift(x)))
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    for block in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        name, stride, x = f"inception_{block}", 2 if block in ("3c", "4e") else 1, shift(x)
        three = conv(f"{name}_3x3", conv(f"{name}_3x3_reduce", x), stride)
        double = conv(f"{name}_double_3x3_1", conv(f"{name}_double_3x3_reduce", x))
        double = conv(f"{name}_double_3x3_2", double, stride)
        if stride == 2:
            x = torch.cat([three, double, F.max_pool2d(x, 3, 2, ceil_mode=True)], 1)
            continue
        pooled = F.max_pool2d(x, 3, 1, 1) if block == "5b" else F.avg_pool2d(x, 3, 1, 1, count_include_pad=True)
        x = torch.cat([conv(f"{name}_1x1", x), three, double, conv(f"{name}_pool_proj", pooled)], 1)
    return x


@pytest.mark.parametrize("name", ["tsm_bninception", "mlfe_bninception", "tsn_bninception", "stp_bninception"])
def test_an_official_checkpoint_gives_what_it_gives_in_the_official_network(name: str, tmp_path: Path) -> None:
    state = settled().state_dict()
    named = {f"module.base_model.{layer}": tensor for layer, tensor in state.items()}
    named |= {"module.new_fc.weight": torch.rand(3, 1024), "module.new_fc.bias": torch.rand(3)}
    torch.save({"state_dict": named}, tmp_path / "official.pth.tar")
    model = create_model(name, 3).eval()
    report = load_weights(model, tmp_path / "official.pth.tar")
    assert report.kind == "TSN/TSM repository"
    assert not [layer for layer in (*report.missing, *report.unexpected, *report.adapted) if "head." not in layer]
    clips = torch.randn(2, 4, 3, 64, 64)
    with torch.no_grad():
        found = model.backbone.forward_stages(clips)["layer5"]
        shifts = name.startswith(("tsm", "mlfe"))
        expected = official(state, clips.flatten(0, 1), 4 if shifts else None)
        without = official(state, clips.flatten(0, 1), None if shifts else 4)
    assert torch.equal(found.flatten(0, 1), expected)
    assert not torch.allclose(expected, without, atol=1e-2)


def test_conv2_and_every_block_are_shifted() -> None:
    model = create_model("tsm_bninception", 3)
    assert list(model.backbone.temporal) == ["conv2", "3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
    assert [model.stage_of(f"backbone.temporal.{block}.x") for block in ("conv2", "3b", "4a", "4e")] == [1, 2, 3, 4]
    assert not [name for name in model.state_dict() if "temporal" in name]


def test_a_stage_of_every_parameter() -> None:
    backbone = BNInception()
    assert {backbone.stage_of(name) for name, _ in backbone.named_parameters()} == {0, 1, 2, 3, 4}
    assert (backbone.stage_of("conv2_3x3_reduce_bn.weight"), backbone.stage_of("inception_4d_1x1.weight")) == (1, 3)


def test_all_branches_of_a_block_see_what_the_slot_gives() -> None:
    sites = []

    class Zero(nn.Module):
        def forward(self, x: Tensor, t: int) -> Tensor:
            return torch.zeros_like(x)

    def zero(site: Site) -> Zero:
        sites.append(site)
        return Zero()

    torch.manual_seed(0)
    backbone = BNInception(slot=zero)
    x = torch.rand(1, 320, 8, 8)
    for block, channels in (("3c", 320), ("4e", 608)):
        assert not backbone._block(block, torch.rand(1, channels, 8, 8), 1)[:, -channels:].any()
    assert torch.equal(backbone._block("3c", x, 1), backbone._block("3c", -x, 1))
    assert sites[0] == Site("layer2", 0, 64, 64)
    assert [(site.stage, site.index, site.slots) for site in sites if site.stage != "layer4"] == [
        ("layer2", 0, 1),
        *(("layer3", index, 2) for index in range(2)),
        *(("layer5", index, 3) for index in range(3)),
    ]
