"""Warped flow: the movement that is left when the camera's movement is removed.

Source: Wang and Schmid, Action recognition with improved trajectories, ICCV 2013: a homography between two
frames from matched features and from the flow at corners, by RANSAC; here with SIFT instead of SURF.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from kinesics.flow.methods import Estimator, Flow, Gray

Points = npt.NDArray[np.float32]
Homography = npt.NDArray[np.float64]
MAX_CORNERS = 500
CORNER_QUALITY, CORNER_DISTANCE = 0.001, 5
RATIO = 0.8
"""A match counts where it is this much nearer than the second best (Lowe 2004)."""
INLIER_PIXELS = 1.0
MIN_INLIERS, MIN_SHARE = 25, 0.5
"""At least this many points, and this share of all, must follow the homography; else it is not used."""


def warped_flow(first: Gray, second: Gray, estimate: Estimator) -> tuple[Flow, list[bool]]:
    """(N, H, W) twice → flow (N, H, W, 2) to the second pictures moved back, and which pairs have a homography.

    A pair without one keeps the plain flow. What the camera moved out of the picture counts as not moving.
    """
    flow = estimate(first, second)
    cameras = [homography(*matches(*pair)) for pair in zip(first, second, flow, strict=True)]
    has_camera = [camera is not None for camera in cameras]
    if any(has_camera):
        triples = zip(first, second, cameras, strict=True)
        back = np.stack([moved_back(one, two, camera) for one, two, camera in triples if camera is not None])
        flow[has_camera] = estimate(first[has_camera], back)
    return flow, has_camera


def moved_back(first: Gray, second: Gray, camera: Homography) -> Gray:
    """(H, W) the second picture as the camera of the first sees it; pixels outside it are those of the first."""
    size = first.shape[::-1]
    back = cv2.warpPerspective(second, camera, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    whole = np.full_like(second, 255)
    covered = cv2.warpPerspective(whole, camera, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return np.where(covered > 0, back, first).astype(np.uint8)


def matches(first: Gray, second: Gray, flow: Flow) -> tuple[Points, Points]:
    """(M, 2) points x, y of the first picture and their places in the second: SIFT's matches, and corners with flow."""
    starts: list[Points] = [np.empty((0, 2), np.float32)]
    ends: list[Points] = [np.empty((0, 2), np.float32)]
    corners = cv2.goodFeaturesToTrack(first, MAX_CORNERS, CORNER_QUALITY, CORNER_DISTANCE)
    if corners is not None:
        points = corners.reshape(-1, 2).astype(np.float32)
        columns, rows = points.round().astype(int).T
        starts.append(points)
        ends.append(points + flow[rows.clip(0, flow.shape[0] - 1), columns.clip(0, flow.shape[1] - 1)])
    sift = cv2.SIFT_create(MAX_CORNERS)  # type: ignore[attr-defined]
    (keys, words), (other_keys, other_words) = (sift.detectAndCompute(picture, None) for picture in (first, second))
    if words is not None and other_words is not None and len(other_words) > 1:
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(words, other_words, k=2)
        good = [near for near, far in pairs if near.distance < RATIO * far.distance]
        starts.append(np.array([keys[match.queryIdx].pt for match in good], np.float32).reshape(-1, 2))
        ends.append(np.array([other_keys[match.trainIdx].pt for match in good], np.float32).reshape(-1, 2))
    return np.concatenate(starts), np.concatenate(ends)


def homography(starts: Points, ends: Points) -> Homography | None:
    """The 3×3 map from `starts` to `ends` that most points follow within a pixel, or None where too few do."""
    if len(starts) < MIN_INLIERS:
        return None
    cv2.setRNGSeed(0)  # the same points give the same result
    camera, inliers = cv2.findHomography(starts, ends, cv2.RANSAC, INLIER_PIXELS)
    if camera is None or int(inliers.sum()) < max(MIN_INLIERS, MIN_SHARE * len(starts)):
        return None
    return np.asarray(camera, dtype=np.float64)
