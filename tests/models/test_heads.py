"""The heads' equations."""

from __future__ import annotations

import math

import pytest
import torch

from kinesics.models.build import create_model
from kinesics.models.heads.average import AverageHead
from kinesics.models.heads.ordered import OrderedHead, cosine_moments


def test_average_is_the_mean_of_the_frames_logits() -> None:
    head = AverageHead({"layer5": 6}, 3).eval()
    x = torch.randn(2, 4, 6, 5, 7)
    by_hand = torch.stack([head.fc(x[:, t].mean(dim=(2, 3))) for t in range(4)]).mean(dim=0)
    assert torch.allclose(head({"layer5": x}), by_hand, atol=1e-6)


def test_the_classifier_starts_near_zero() -> None:
    fc = AverageHead({"layer5": 2000}, 50).fc
    assert fc.bias.abs().max() == 0
    assert 0.0009 < fc.weight.std().item() < 0.0011


@pytest.mark.parametrize("t", [1, 2, 3, 8, 25])
def test_a_static_clip_has_its_mean_and_no_other_moment(t: int) -> None:
    moments = cosine_moments(4, t) @ torch.full((t, 1), 3.0)
    assert torch.allclose(moments.flatten(), torch.tensor([3.0, 0, 0, 0]), atol=1e-6)


@pytest.mark.parametrize("t", [4, 9])
def test_reversing_a_clip_turns_the_sign_of_odd_moments(t: int) -> None:
    x = torch.randn(t, 5)
    basis = cosine_moments(4, t)
    sign = torch.tensor([1.0, -1, 1, -1])[:, None]
    assert torch.allclose(basis @ x.flip(0), sign * (basis @ x), atol=1e-6)


def test_all_moments_together_keep_the_clip() -> None:
    basis = cosine_moments(6, 6)
    assert torch.allclose(6 * basis @ basis.T, torch.eye(6), atol=1e-6)


def test_the_moments_are_as_exact_as_the_features() -> None:
    basis = cosine_moments(3, 7, like=torch.zeros(1, dtype=torch.float64))
    by_hand = [[math.sqrt(2) / 7 * math.cos(math.pi * m * (i + 0.5) / 7) for i in range(7)] for m in (1, 2)]
    assert torch.allclose(basis[1:], torch.tensor(by_hand, dtype=torch.float64), atol=1e-15)
    assert cosine_moments(3, 7, like=torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_moments_of_a_movement_hardly_depend_on_the_number_of_frames() -> None:
    def of(t: int) -> torch.Tensor:
        time = (torch.arange(t) + 0.5) / t
        return cosine_moments(4, t) @ torch.sin(2 * time + 0.3)

    assert torch.allclose(of(8), of(64), atol=0.02)
    assert of(8).abs().max() > 0.2


def test_ordered_head_sees_order_over_tsn_and_runs_at_any_length() -> None:
    torch.manual_seed(0)
    head = OrderedHead({"layer5": 7}, 3).eval()
    x = torch.randn(2, 6, 7, 2, 2)
    assert (head({"layer5": x}) - head({"layer5": x.flip(1)})).abs().max() > 1e-5
    model = create_model("tsn_resnet18", 3, head="ordered", moments=3).eval()
    assert model.head.fc.weight.shape == (3, 3 * 512)
    assert model.arguments["moments"] == 3
    for t in (1, 3, 8):
        assert model(torch.randn(1, t, 3, 32, 32)).shape == (1, 3)
