"""TV-L1 in PyTorch: OpenCV's result away from the edges, a better one at them, and independent pairs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from kinesics.flow import methods, tvl1
from kinesics.flow.methods import Flow, Gray, tvl1_by_opencv
from kinesics.flow.tvl1 import TVL1Settings, tvl1_flow, warp

HEIGHT, WIDTH = 72, 101


def pair(seed: int, angle: float = 2.0, scale: float = 1.02) -> tuple[Gray, Gray, Flow]:
    """Two pictures, the first turned and enlarged into the second, and the flow between them."""
    noise = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    first = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2).astype(np.float32), None, 0, 255, cv2.NORM_MINMAX)
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), angle, scale)
    second = cv2.warpAffine(first, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    places = np.stack([x, y, np.ones_like(x)], axis=-1)
    flow = (places @ matrix.T - places[..., :2]).astype(np.float32)
    return first.astype(np.uint8), second.clip(0, 255).astype(np.uint8), flow


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes longer than all other steps; one separate test does it."""
    monkeypatch.setattr(tvl1, "compiled_step", lambda device: None)


def estimated(*pairs: tuple[Gray, Gray, Flow], settings: TVL1Settings | None = None) -> Flow:
    first, second = (torch.from_numpy(np.stack([one[place] for one in pairs])) for place in (0, 1))
    return tvl1_flow(first, second, settings).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize(
    "settings",
    [
        TVL1Settings(),
        TVL1Settings(scale_step=0.8),
        TVL1Settings(scales=1, warps=2),
        TVL1Settings(lam=0.05, theta=0.2, tau=0.2, iterations=9),
    ],
)
def test_it_is_opencvs_with_the_same_settings(settings: TVL1Settings) -> None:
    one = pair(0)
    (own,) = estimated(one, settings=settings)
    (opencv,) = tvl1_by_opencv(settings)(one[0][None], one[1][None])
    inside = (slice(12, -12), slice(12, -12))
    assert np.linalg.norm(own - opencv, axis=-1)[inside].mean() < 0.01


def test_the_flow_is_right_up_to_the_edge() -> None:
    one = pair(1)
    distance = np.linalg.norm(estimated(one)[0] - one[2], axis=-1)
    assert distance[8:-8, 8:-8].mean() < 0.15
    assert distance.max() < 2.5  # pixels that move out of the picture have no data and add no flow


def test_a_pair_does_not_depend_on_those_beside_it() -> None:
    pairs = [pair(seed, angle, 1.0) for seed, angle in enumerate((1.0, -2.0, 0.0))]
    together = estimated(*pairs)
    for one, flow in zip(pairs, together, strict=True):
        assert estimated(one)[0] == pytest.approx(flow, abs=1e-4)


def test_still_pixels_have_no_flow() -> None:
    first = pair(2)[0]
    assert np.abs(estimated((first, first, np.zeros(0, np.float32)))).max() < 1e-4
    flat = np.full((32, 40), 7, np.uint8)
    assert not estimated((flat, flat, np.zeros(0, np.float32))).any()


@pytest.mark.parametrize("size", [(16, 16), (17, 90), (9, 12)])
def test_small_pictures_have_flow_too(size: tuple[int, int]) -> None:
    pictures = torch.randint(0, 255, (2, *size), dtype=torch.uint8)
    flow = tvl1_flow(pictures, pictures.flip(0))
    assert flow.shape == (2, 2, *size)
    assert flow.isfinite().all()


def test_warping_fetches_whole_pixels_exactly_and_nothing_from_outside() -> None:
    layers = torch.rand(1, 2, 9, 8)
    flow = torch.zeros(1, 2, 9, 8)
    flow[:, 0], flow[:, 1] = 2, -1
    warped = warp(layers, flow)
    assert torch.allclose(warped[..., 1:, :-2], layers[..., :-1, 2:], atol=1e-5)
    assert not warped[..., -2:].any()
    assert not warped[..., 0, :].any()


def test_a_machine_that_cannot_compile_takes_opencvs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "compiled_step", lambda device: None)
    monkeypatch.setattr(methods, "tvl1_flow", lambda *_: pytest.fail("PyTorch's would take longer than OpenCV's"))
    one = pair(3)
    (flow,) = methods.tvl1()(one[0][None], one[1][None])
    assert np.linalg.norm(flow - one[2], axis=-1)[12:-12, 12:-12].mean() < 0.15


def test_what_fails_to_compile_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(function: object, **_: object) -> object:
        def fail(*_: object) -> None:
            raise RuntimeError("no compiler")

        return fail

    monkeypatch.undo()
    monkeypatch.setattr(torch, "compile", failing)
    tvl1.compiled_step.cache_clear()
    try:
        assert tvl1.compiled_step("cpu") is None
    finally:
        tvl1.compiled_step.cache_clear()


def test_compiled_it_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    one = pair(4)
    plain = estimated(one)
    monkeypatch.undo()
    tvl1.compiled_step.cache_clear()
    if tvl1.compiled_step("cpu") is None:
        pytest.skip("this machine cannot compile")
    assert estimated(one) == pytest.approx(plain, abs=5e-3)
