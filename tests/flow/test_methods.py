"""Flow on pictures whose movement is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kinesics.errors import UserError
from kinesics.flow.methods import METHODS, Gray, estimator
from kinesics.flow.warp import homography, matches, warped_flow


def texture(seed: int = 0, size: int = 160) -> Gray:
    noise = np.random.default_rng(seed).integers(0, 255, (size, size), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.asarray(cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX), dtype=np.uint8)


def moved(picture: Gray, right: float, down: float) -> Gray:
    matrix = np.array([[1, 0, right], [0, 1, down]], dtype=np.float64)
    return np.asarray(cv2.warpAffine(picture, matrix, picture.shape[::-1], borderMode=cv2.BORDER_REFLECT))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("right", "down"), [(2.0, -1.0), (0.0, 0.0), (-3.5, 0.5)])
def test_a_shift_is_found(method: str, right: float, down: float) -> None:
    picture = texture()
    flow = estimator(method)(np.stack([picture, picture]), np.stack([picture, moved(picture, right, down)]))
    assert flow.shape == (2, 160, 160, 2)
    assert flow.dtype == np.float32
    assert np.abs(flow[0]).mean() < 0.02
    inside = flow[1, 20:-20, 20:-20]
    assert np.abs(inside - (right, down)).mean() < 0.15


@pytest.mark.parametrize("method", METHODS)
def test_a_pair_has_the_same_flow_whatever_came_before_and_however_many_threads(method: str) -> None:
    first = np.stack([texture(seed, 64) for seed in range(3)])
    second = np.stack([moved(picture, 3.0 - 2 * seed, seed) for seed, picture in enumerate(first)])
    estimate, threads = METHODS[method](), cv2.getNumThreads()
    together = estimate(first, second)
    backwards = [estimate(first[place : place + 1], second[place : place + 1])[0] for place in (2, 1, 0)]
    cv2.setNumThreads(1)
    alone = METHODS[method]()(first[1:2], second[1:2])[0]
    cv2.setNumThreads(threads)
    assert np.stack(backwards[::-1]) == pytest.approx(together, abs=1e-4)
    assert alone == pytest.approx(together[1], abs=1e-4)


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(UserError, match="did you mean 'tvl1'"):
        estimator("tvl")


def test_the_camera_is_taken_out_and_what_moves_by_itself_stays() -> None:
    picture, thing = texture(1), texture(2, 40)
    first, second = picture.copy(), moved(picture, 4, 2)
    first[60:100, 60:100] = thing
    second[60 + 2 : 100 + 2, 60 + 4 + 5 : 100 + 4 + 5] = thing  # the camera's (4, 2), and 5 of its own
    estimate = estimator("dis")
    (plain,) = estimate(first[None], second[None])
    (flow,), held = warped_flow(first[None], second[None], estimate)
    assert held == [True]
    assert np.abs(np.median(plain[10:40, 10:150], axis=(0, 1)) - (4, 2)).max() < 0.3
    assert np.abs(np.median(flow[10:40, 10:150], axis=(0, 1))).max() < 0.3
    assert np.abs(np.median(flow[70:90, 70:90], axis=(0, 1)) - (5, 0)).max() < 0.5


def test_without_a_camera_to_find_the_flow_is_plain() -> None:
    flat = np.full((64, 64), 90, dtype=np.uint8)
    flow, held = warped_flow(flat[None], flat[None], estimator("dis"))
    assert held == [False]
    assert np.abs(flow).max() < 1e-3
    random = np.random.default_rng(0)
    assert (
        homography(random.random((60, 2)).astype(np.float32) * 99, random.random((60, 2)).astype(np.float32) * 99)
        is None
    )


def test_matches_come_with_their_places() -> None:
    picture = texture(3)
    other = moved(picture, 6, 0)
    starts, ends = matches(picture, other, estimator("dis")(picture[None], other[None])[0])
    assert len(starts) == len(ends) > 100
    assert np.median(ends - starts, axis=0) == pytest.approx((6, 0), abs=0.3)
