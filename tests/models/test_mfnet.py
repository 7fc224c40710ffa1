"""MFNet-3D: published counts and names, its weights' file, its shapes, and its kind of input."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from kinesics.errors import UserError
from kinesics.metrics.cost import cost
from kinesics.models.backbones.mfnet import MFNet
from kinesics.models.build import create_model
from kinesics.models.weights.load import load_weights
from tests.models.volume_names import mfnet


def test_the_authors_file_loads_strictly(tmp_path: Path) -> None:
    random = torch.Generator().manual_seed(0)
    state = {name: torch.rand(shape, generator=random) for name, shape in mfnet().items()}
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, tmp_path / "mfnet.pth")
    model = create_model("plain_mfnet", 400)
    report = load_weights(model, tmp_path / "mfnet.pth")
    assert report.missing == report.unexpected == ()
    assert report.adapted == {}
    assert len(report.matched) == len(state) == len(model.state_dict())
    assert torch.equal(model.backbone.conv4[5].conv_m1.conv.weight, state["conv4.B06.conv_m1.conv.weight"])
    other = create_model("kpsem_mfnet", 5)
    report = load_weights(other, tmp_path / "mfnet.pth")
    assert list(report.adapted) == ["head.fc.bias", "head.fc.weight"]
    assert all(name.startswith("head.") for name in report.missing)
    assert torch.equal(other.backbone.tail.bn.weight, state["tail.bn.weight"])


def test_counts_are_the_published_ones() -> None:
    assert sum(p.numel() for p in MFNet().parameters()) == 7_688_768
    model = create_model("plain_mfnet", 400)
    counted = cost(model, (1, 16, 3, 224, 224))
    assert counted.parameters == 7_996_368
    classified = 8 * 768 * 400  # every time step of the last stage; the paper's network has one, after the mean
    assert (counted.macs - classified + 768 * 400) / 1e9 == pytest.approx(11.0454, abs=1e-4)
    with_norms = cost(model, (1, 16, 3, 224, 224), "conv+fc+bn")
    assert (with_norms.macs - classified + 768 * 400) / 1e9 == pytest.approx(11.1765, abs=1e-4)


def test_convolutions_start_by_the_authors_rule() -> None:
    """Uniform up to √(6 / (fan-in + fan-out)), their `xavier` with a gain of 1; BatchNorms at 1 and 0."""
    torch.manual_seed(0)
    for name, module in MFNet().named_modules():
        if isinstance(module, nn.BatchNorm3d):
            assert module.weight.eq(1).all() and module.bias.eq(0).all(), name
        if isinstance(module, nn.Conv3d):
            width, channels, *kernel = module.weight.shape  # the channels of one fiber, and the width of all
            bound = math.sqrt(6 / ((width + channels) * math.prod(kernel)))
            share = module.weight.detach() / bound
            count = share.numel()
            assert 1 - 20 / count < float(share.abs().max()) <= 1, name
            assert float(share.mean()) == pytest.approx(0, abs=5 * 3**-0.5 / count**0.5), name
            assert float(share.square().mean()) == pytest.approx(1 / 3, abs=5 * 0.3 / count**0.5), name


def test_shapes_of_the_stages() -> None:
    with torch.no_grad():
        found = MFNet().eval().forward_stages(torch.randn(1, 16, 3, 112, 112), ("layer2", "layer3", "layer4", "layer5"))
    assert {name: tuple(x.shape[1:]) for name, x in found.items()} == {
        "layer2": (8, 96, 28, 28),
        "layer3": (8, 192, 14, 14),
        "layer4": (8, 384, 7, 7),
        "layer5": (8, 768, 4, 4),
    }


def test_pixels_as_its_weights_expect_them() -> None:
    norm = MFNet.input_norm
    pixels = torch.tensor([124, 117, 204], dtype=torch.uint8)[:, None, None]
    assert torch.allclose(norm(pixels).flatten(), torch.tensor([0.0, 0.0, 1.67]), atol=1e-5)


def test_imagenet_weights_are_not_known_and_the_line_says_where_its_own_are() -> None:
    with pytest.raises(UserError, match=r"PyTorch-MFNet"):
        create_model("plain_mfnet", 3, weights="imagenet")
