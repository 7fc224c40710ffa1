"""Optical flow by name: TV-L1 in PyTorch, and OpenCV's TV-L1, DIS and Farnebäck.

Flow is (N, H, W, 2) float32 for N pairs of pictures: how far the content of each pixel of the first picture moved,
right and down, in pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch

from kinesics.errors import UserError, unknown
from kinesics.flow.tvl1 import TVL1Settings, compiled_step, tvl1_flow

Gray = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]
Estimator = Callable[[Gray, Gray], Flow]
"""(N, H, W) twice → (N, H, W, 2)."""
CACHE_PIXELS, GPU_PIXELS = 400_000, 12_000_000
"""Pixels of the pairs in one call: as many as fit a CPU's cache (four pairs of 256 × 340), or keep a GPU busy."""


def tvl1(device: str = "cpu") -> Estimator:
    """TV-L1 of many pairs at once, on a CPU or a GPU; see `flow.tvl1`.

    Where a CPU's machine cannot compile, it is OpenCV's with the same settings: the result is the same.
    """
    if device == "cpu" and compiled_step(device) is None:
        return tvl1_by_opencv(TVL1Settings())

    def estimate(first: Gray, second: Gray) -> Flow:
        flow = tvl1_flow(torch.as_tensor(first, device=device), torch.as_tensor(second, device=device))
        return np.ascontiguousarray(flow.permute(0, 2, 3, 1).cpu().numpy())

    return estimate


def tvl1_by_opencv(settings: TVL1Settings | None = None) -> Estimator:
    """OpenCV's TV-L1 with its own settings, as in TSN and STP, or with the given ones."""
    check_contributed()
    solver = cv2.optflow.DualTVL1OpticalFlow_create()  # type: ignore[attr-defined]
    if settings:
        solver.setTau(settings.tau)
        solver.setLambda(settings.lam)
        solver.setTheta(settings.theta)
        solver.setScalesNumber(settings.scales)
        solver.setScaleStep(settings.scale_step)
        solver.setWarpingsNumber(settings.warps)
        solver.setInnerIterations(settings.iterations)
        solver.setOuterIterations(1)
        solver.setMedianFiltering(1)  # a window of one pixel: no filter
        solver.setEpsilon(0)
    return pair_by_pair(lambda first, second: solver.calc(first, second, None))


def dis() -> Estimator:
    """Dense inverse search, medium preset: the fastest, and nearly as exact.

    It runs in one thread, and each pair gets a new object: OpenCV's result depends on the number of threads and on the
    pair before.

    Source: Kroeger et al., ECCV 2016.
    """

    def flow_of(first: Gray, second: Gray) -> Any:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            solver = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
            return solver.calc(first, second, None)
        finally:
            cv2.setNumThreads(threads)

    return pair_by_pair(flow_of)


def farneback() -> Estimator:
    """Polynomial expansion: 3 levels, each half the size of the one before, windows of 15, 3 iterations.

    Source: Farnebäck, SCIA 2003.
    """
    return pair_by_pair(
        lambda first, second: cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
    )


def pair_by_pair(flow_of: Callable[[Gray, Gray], Any]) -> Estimator:
    """An estimator from a function of two pictures."""
    return lambda first, second: np.stack(
        [np.asarray(flow_of(*pair), dtype=np.float32) for pair in zip(first, second, strict=True)]
    )


def pairs_at_once(height: int, width: int, device: str = "cpu") -> int:
    """How many pairs of pictures of this size an estimator should get in one call."""
    return max(1, (CACHE_PIXELS if device == "cpu" else GPU_PIXELS) // (height * width))


def grey(frames_THWC: npt.NDArray[np.uint8]) -> Gray:
    """(T, H, W, 3) RGB → (T, H, W)."""
    return np.stack([cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in frames_THWC]).astype(
        np.uint8, copy=False
    )


def check_contributed() -> None:
    """Raises UserError where this OpenCV was built without TV-L1."""
    if not hasattr(cv2, "optflow"):
        raise UserError(
            "TV-L1 is in OpenCV's contributed modules, which are missing: pip install opencv-contrib-python-headless"
        )


Method = Literal["tvl1", "tvl1_opencv", "dis", "farneback"]
METHODS: dict[str, Callable[[], Estimator]] = {
    "tvl1": tvl1,
    "tvl1_opencv": tvl1_by_opencv,
    "dis": dis,
    "farneback": farneback,
}


@functools.cache
def estimator(method: str, device: str = "cpu") -> Estimator:
    """The method `method`, ready for pairs of pictures; made once per process, since tvl1 is compiled first.

    device: where tvl1 computes; the other methods only run on a CPU.

    Raises:
        UserError: the method is unknown.
    """
    if method not in METHODS:
        raise unknown("flow method", method, METHODS)
    return tvl1(device) if method == "tvl1" else METHODS[method]()
