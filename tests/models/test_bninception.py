"""BN-Inception: published counts, names, sizes, and where the shift stands."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kinesics.metrics.cost import cost
from kinesics.models.backbones.bninception import BNInception, halved
from kinesics.models.build import create_model


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


def test_every_block_but_the_first_is_shifted() -> None:
    model = create_model("tsm_bninception", 3)
    assert set(model.backbone.temporal) == {"3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"}
    assert [model.stage_of(f"backbone.temporal.{block}.x") for block in ("3b", "4a", "4e")] == [2, 3, 4]


def test_a_stage_of_every_parameter() -> None:
    backbone = BNInception()
    assert {backbone.stage_of(name) for name, _ in backbone.named_parameters()} == {0, 1, 2, 3, 4}
    assert (backbone.stage_of("conv2_3x3_reduce_bn.weight"), backbone.stage_of("inception_4d_1x1.weight")) == (1, 3)


def test_what_a_block_of_stride_two_pools_is_not_shifted() -> None:
    seen = []

    class Zero(nn.Module):
        def forward(self, x: Tensor, t: int) -> Tensor:
            seen.append(t)
            return torch.zeros_like(x)

    torch.manual_seed(0)
    backbone = BNInception(slot=lambda site: Zero())
    x = torch.rand(1, 320, 8, 8)
    y = backbone._block("3c", x, 1)
    assert torch.equal(y[:, -320:], halved(x))
    assert seen == [1]
