"""STP: the invariants and counts of its specification."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kinesics.errors import UserError
from kinesics.metrics.cost import cost
from kinesics.models.build import create_model
from kinesics.models.heads.average import AverageHead
from kinesics.models.heads.pyramid import PyramidHead, pyramid

WIDTHS = {"layer5": 6}


def head(num_classes: int = 3, **arguments: int) -> PyramidHead:
    torch.manual_seed(0)
    made = PyramidHead(WIDTHS, num_classes, 0.0, **arguments).eval()
    nn.init.normal_(made.fc.weight)
    nn.init.normal_(made.fc.bias)
    return made


def test_the_pyramid_goes_from_coarse_to_fine() -> None:
    q, h = 0.25, 0.5
    wanted = [[q, q, q, q], [h, h, 0, 0], [0, 0, h, h], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert pyramid(3, 4).tolist() == wanted
    assert pyramid(2, 4).tolist() == wanted[:3]
    assert pyramid(4, 8).sum(dim=1).tolist() == [1.0] * 15


def test_one_folded_layer_is_pyramid_and_classifier() -> None:
    made, x = head(), torch.randn(2, 12, 6, 2, 3)
    parts = x.mean(dim=(3, 4)).reshape(2, 3, 4, 6)
    levels = [parts.mean(2), parts[:, :, :2].mean(2), parts[:, :, 2:].mean(2), *parts.unbind(2)]
    by_hand = made.fc(torch.cat(levels, dim=2)).mean(dim=1)
    assert torch.allclose(made({"layer5": x}), by_hand, atol=1e-5)
    assert torch.allclose(made.fc(made.summary({"layer5": x})), by_hand, atol=1e-5)
    assert made.folded().shape == (3, 24)


def test_one_level_is_tsn_with_as_many_segments() -> None:
    made, average, x = head(levels=1), AverageHead(WIDTHS, 3, 0.0).eval(), torch.randn(2, 12, 6, 2, 2)
    average.load_state_dict(made.state_dict())
    assert torch.allclose(made({"layer5": x}), average({"layer5": x}), atol=1e-5)


def test_the_order_of_parts_matters_and_that_of_segments_does_not() -> None:
    made, x = head(), torch.randn(1, 12, 6, 2, 2)
    segments = x.reshape(1, 3, 4, 6, 2, 2)
    before = made({"layer5": x})
    assert torch.allclose(made({"layer5": segments[:, [2, 0, 1]].flatten(1, 2)}), before, atol=1e-5)
    assert (made({"layer5": segments[:, :, [1, 0, 2, 3]].flatten(1, 2)}) - before).abs().max() > 1e-3


@pytest.mark.parametrize(("num_classes", "wanted"), [(7, 10.320), (51, 10.636), (174, 11.518), (400, 13.138)])
def test_parameters(num_classes: int, wanted: float) -> None:
    found = sum(p.numel() for p in create_model("stp_bninception", num_classes).parameters())
    assert found == 10_270_240 + 7168 * num_classes + num_classes
    assert found / 1e6 == pytest.approx(wanted, abs=5e-4)
    flow = create_model("stp_bninception", num_classes, modality="flow", frames_per_segment=5)
    assert sum(p.numel() for p in flow.parameters()) == found + 21_952


def test_cost_is_that_of_its_frames() -> None:
    stp = cost(create_model("stp_bninception", 10), (1, 12, 3, 224, 224)).macs
    frames = 12 * cost(create_model("tsn_bninception", 10), (1, 1, 3, 224, 224)).macs
    assert stp / frames == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("arguments", [{"levels": 4}, {"parts": 6}, {"parts": 0}, {"levels": 0}])
def test_parts_that_cannot_be_halved_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(UserError, match="expected levels from 1 to 16 and parts that"):
        create_model("stp_bninception", 3, **arguments)
    assert create_model("stp_efficientnet_lite0", 3, parts=8, levels=4).head.folded().shape == (3, 8 * 1280)


def test_a_clip_that_is_no_row_of_segments_is_refused() -> None:
    with pytest.raises(UserError, match="4 parts each, found a clip of 6"):
        head()({"layer5": torch.randn(1, 6, 6, 1, 1)})


def test_it_learns_as_its_pyramid_does() -> None:
    made, x = head(), torch.randn(2, 4, 6, 1, 1)
    F.cross_entropy(made({"layer5": x}), torch.tensor([0, 1])).backward()
    quick = made.fc.weight.grad.clone()
    made.zero_grad()
    F.cross_entropy(made.fc(made.summary({"layer5": x})), torch.tensor([0, 1])).backward()
    assert torch.allclose(quick, made.fc.weight.grad, atol=1e-6)
