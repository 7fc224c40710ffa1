"""The temporal shift against its definition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinesics.models.build import create_model
from kinesics.models.temporal.shift import TemporalShift


def by_definition(x: Tensor, t: int, fold: int, *, past_only: bool) -> Tensor:
    """The shift one frame and channel at a time."""
    out = torch.zeros_like(x)
    for frame in range(x.shape[0]):
        clip, time = divmod(frame, t)
        for channel in range(x.shape[1]):
            source = time
            if past_only:
                source -= channel < fold
            elif channel < fold:
                source += 1
            elif channel < 2 * fold:
                source -= 1
            if 0 <= source < t:
                out[frame, channel] = x[clip * t + source, channel]
    return out


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 3),
    t=st.integers(1, 5),
    channels=st.integers(1, 20),
    div=st.integers(2, 9),
    past=st.booleans(),
    packed=st.booleans(),
)
def test_equals_its_definition_and_so_does_its_gradient(
    n: int, t: int, channels: int, div: int, past: bool, packed: bool
) -> None:
    x = torch.randn(n * t, channels, 3, 2)
    if packed:
        x = x.contiguous(memory_format=torch.channels_last)
    kept = x.clone()
    x.requires_grad_()
    shift = TemporalShift("past" if past else "both", div)
    found, wanted = shift(x, t), by_definition(x, t, channels // div, past_only=past)
    assert torch.equal(found, wanted)
    assert torch.equal(x, kept)
    assert found.stride() == torch.empty_like(x).stride()
    weight = torch.randn_like(found)
    (by_shift,) = torch.autograd.grad((found * weight).sum(), x)
    (by_hand,) = torch.autograd.grad((wanted * weight).sum() + 0 * x.sum(), x)  # all may be shifted out: zero
    assert torch.equal(by_shift, by_hand)


def test_a_clip_by_hand() -> None:
    x = torch.arange(24, dtype=torch.float32).reshape(3, 8, 1, 1)  # frame 0: 0–7, frame 1: 8–15, frame 2: 16–23
    assert TemporalShift()(x, 3)[:, :3, 0, 0].tolist() == [[8, 0, 2], [16, 1, 10], [0, 9, 18]]
    assert TemporalShift("past")(x, 3)[:, :3, 0, 0].tolist() == [[0, 1, 2], [0, 9, 10], [8, 17, 18]]


def test_a_second_gradient() -> None:
    x = torch.randn(4, 8, 1, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: TemporalShift()(x, 2) ** 2, (x,))


def test_frames_that_make_no_whole_clips_fail() -> None:
    with pytest.raises(ValueError, match="7 frames cannot be cut into clips of 3"):
        TemporalShift()(torch.zeros(7, 8, 2, 2), 3)


@pytest.mark.parametrize(("direction", "causal"), [("past", True), ("both", False)])
def test_a_stream_never_looks_ahead(direction: str, causal: bool) -> None:
    model = create_model("tsm_resnet18", 3, direction=direction).eval()
    x = torch.randn(1, 5, 3, 32, 32)
    later = x.clone()
    later[:, 3:] = torch.randn(1, 2, 3, 32, 32)
    with torch.no_grad():
        one, other = (model.frame_features(clip)[0, :3] for clip in (x, later))
    assert torch.equal(one, other) == causal
