"""Optical flow by OpenCV: TV-L1, DIS and Farnebäck.

Flow is (H, W, 2) float32: how far the content of each pixel of the first picture moved, right and down, in pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from kinesics.errors import UserError, unknown

Gray = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]
Estimator = Callable[[Gray, Gray], Flow]


def tvl1() -> Estimator:
    """TV-L1 with OpenCV's own settings: 5 scales, 5 warps. The reference of TSN's and STP's flow; the slowest.

    Source: Zach, Pock, Bischof, DAGM 2007; Sánchez Pérez et al., IPOL 2013.
    """
    made = cv2.optflow.DualTVL1OpticalFlow_create()  # type: ignore[attr-defined]
    return lambda first, second: np.asarray(made.calc(first, second, None), dtype=np.float32)


def dis() -> Estimator:
    """Dense inverse search, medium preset: a hundred times quicker than TV-L1 and nearly as exact.

    Source: Kroeger et al., ECCV 2016.
    """
    made = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    return lambda first, second: np.asarray(made.calc(first, second, None), dtype=np.float32)


def farneback() -> Estimator:
    """Polynomial expansion: 3 levels of half the size, windows of 15, 3 iterations.

    Source: Farnebäck, SCIA 2003.
    """
    return lambda first, second: np.asarray(
        cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 3, 5, 1.2, 0),  # type: ignore[call-overload]
        dtype=np.float32,
    )


METHODS: dict[str, Callable[[], Estimator]] = {"tvl1": tvl1, "dis": dis, "farneback": farneback}


def estimator(method: str) -> Estimator:
    """The method called `method`, ready for pairs of pictures. Raises UserError where there is none."""
    if method not in METHODS:
        raise unknown("flow method", method, METHODS)
    if method == "tvl1" and not hasattr(cv2, "optflow"):
        raise UserError("tvl1 is in OpenCV's contributed modules: pip install opencv-contrib-python-headless")
    return METHODS[method]()
