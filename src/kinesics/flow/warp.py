"""Warped flow: what moves once the camera's own movement is taken out.

Source: Wang and Schmid, Action recognition with improved trajectories, ICCV 2013: a homography between two
frames from matched features and from the flow at corners, by RANSAC; here with SIFT in the place of SURF.
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
"""Points that have to follow the homography, by number and as a share of all; else it describes no camera."""


def warped_flow(first: Gray, second: Gray, estimate: Estimator) -> tuple[Flow, list[bool]]:
    """(N, H, W) twice → flow (N, H, W, 2) on the second pictures moved back, and of which pairs a homography held.

    Where none did it is the plain flow. What the camera moved out of the picture counts as unmoved.
    """
    flow = estimate(first, second)
    cameras = [homography(*matches(*pair)) for pair in zip(first, second, flow, strict=True)]
    held = [camera is not None for camera in cameras]
    if any(held):
        known = zip(first, second, cameras, strict=True)
        back = np.stack([moved_back(ours, theirs, camera) for ours, theirs, camera in known if camera is not None])
        flow[held] = estimate(first[held], back)
    return flow, held


def moved_back(first: Gray, second: Gray, camera: Homography) -> Gray:
    """(H, W) the second picture from where the camera stood for the first; what it does not show is the first's."""
    size = first.shape[::-1]
    back = cv2.warpPerspective(second, camera, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    whole = np.full_like(second, 255)
    shown = cv2.warpPerspective(whole, camera, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return np.where(shown > 0, back, first).astype(np.uint8)


def matches(first: Gray, second: Gray, flow: Flow) -> tuple[Points, Points]:
    """(M, 2) points x, y of the first picture and their places in the second: SIFT's matches, and corners with flow."""
    ours: list[Points] = [np.empty((0, 2), np.float32)]
    theirs: list[Points] = [np.empty((0, 2), np.float32)]
    corners = cv2.goodFeaturesToTrack(first, MAX_CORNERS, CORNER_QUALITY, CORNER_DISTANCE)
    if corners is not None:
        points = corners.reshape(-1, 2).astype(np.float32)
        columns, rows = points.round().astype(int).T
        ours.append(points)
        theirs.append(points + flow[rows.clip(0, flow.shape[0] - 1), columns.clip(0, flow.shape[1] - 1)])
    sift = cv2.SIFT_create(MAX_CORNERS)  # type: ignore[attr-defined]
    (keys, words), (other_keys, other_words) = (sift.detectAndCompute(picture, None) for picture in (first, second))
    if words is not None and other_words is not None and len(other_words) > 1:
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(words, other_words, k=2)
        good = [near for near, far in pairs if near.distance < RATIO * far.distance]
        ours.append(np.array([keys[match.queryIdx].pt for match in good], np.float32).reshape(-1, 2))
        theirs.append(np.array([other_keys[match.trainIdx].pt for match in good], np.float32).reshape(-1, 2))
    return np.concatenate(ours), np.concatenate(theirs)


def homography(ours: Points, theirs: Points) -> Homography | None:
    """The 3×3 map from points to points that most of them follow within a pixel, or None where too few do."""
    if len(ours) < MIN_INLIERS:
        return None
    cv2.setRNGSeed(0)  # the same points, the same answer
    found, inliers = cv2.findHomography(ours, theirs, cv2.RANSAC, INLIER_PIXELS)
    if found is None or int(inliers.sum()) < max(MIN_INLIERS, MIN_SHARE * len(ours)):
        return None
    return np.asarray(found, dtype=np.float64)
