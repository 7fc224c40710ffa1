"""Heat maps over frames: one frame, and a sheet of a clip's frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kinesics.files import atomic_path

Frames = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

COLUMNS = 8
"""Time steps beside each other; more stand in bands below."""
TILE_INCHES = 1.35
STRONGEST = 0.78
"""How much of a pixel the colour of the greatest heat covers."""
INK = "#1b2a3a"
_MAP = (matplotlib.colormaps["turbo"](np.linspace(0.3, 0.98, 256))[:, :3] * 255).astype(np.uint8)


def scaled(maps: npt.NDArray[np.floating]) -> Floats:
    """Any shape, 0 and up → 0 to 1: as a share of the largest value of all, so that maps of one clip stay comparable.

    The largest is the 99.9th percentile, since single pixels of fine maps stand out by far. All zero stays so.
    """
    top = float(np.percentile(maps, 99.9)) or float(maps.max(initial=0.0))
    return np.asarray(np.clip(maps / top, 0, 1) if top > 0 else np.zeros_like(maps), dtype=np.float32)


def overlay(frame_HW3: Frames, heat_HW: Floats) -> Frames:
    """A frame with heat, 0 to 1 and of the same size, laid over it: no heat leaves the frame as it is."""
    share = (STRONGEST * np.sqrt(heat_HW.clip(0, 1)))[..., None]
    colors = _MAP[(heat_HW.clip(0, 1) * 255).astype(np.uint8)]
    return np.asarray(np.rint(frame_HW3 * (1 - share) + colors * share), dtype=np.uint8)


def fitted(heat_hw: Floats, frame_HW3: Frames) -> Floats:
    """Heat at the size of a frame."""
    return np.asarray(cv2.resize(heat_hw, frame_HW3.shape[1::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def plot_saliency(
    frames_THW3: Frames, heat_Thw: Floats, seconds: Sequence[float], title: str, path: Path, *, note: str = ""
) -> None:
    """Write a PNG: the frames, the same with their heat (0 to 1), and bars of how much of the clip's heat each has."""
    count = len(frames_THW3)
    columns, bands = min(count, COLUMNS), -(-count // COLUMNS)
    shares = heat_Thw.mean(axis=(1, 2))
    shares = shares / shares.sum() if shares.sum() > 0 else shares
    aspect = frames_THW3.shape[1] / frames_THW3.shape[2]
    figure = Figure(
        figsize=(max(4.2, columns * TILE_INCHES), bands * (2 * aspect + 0.55) * TILE_INCHES + 0.75),
    )
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    heading(figure, title, note)
    ratios = [aspect, aspect, 0.16] * bands
    axes = np.asarray(figure.subplots(3 * bands, columns, squeeze=False, height_ratios=ratios))
    for each in axes.flat:
        each.set_axis_off()
    for t, frame in enumerate(frames_THW3):
        top, middle, foot = axes[3 * (t // COLUMNS) : 3 * (t // COLUMNS) + 3, t % COLUMNS]
        top.imshow(frame)
        top.set_title(f"{seconds[t]:.2f} s", fontsize=8, color=INK, pad=3)
        middle.imshow(overlay(frame, fitted(heat_Thw[t], frame)))
        bar(foot, float(shares[t]), float(shares.max()))
    save(figure, path)


def bar(axes: Axes, share: float, largest: float) -> None:
    """A bar as long as a share is beside the largest, and its per cents."""
    axes.barh([0], [1], color="#e6ebf0", height=0.8)
    axes.barh([0], [share / largest if largest > 0 else 0], color="#d9822b", height=0.8)
    axes.text(0.5, 0, f"{share:.0%}", ha="center", va="center", fontsize=7, color=INK)
    axes.set_xlim(0, 1)


def heading(figure: Figure, title: str, note: str = "") -> None:
    """The title of a picture, and a note below it."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=INK, fontweight="bold")
    if note:
        figure.supxlabel(note, x=0.01, ha="left", fontsize=7.5, color="#5a6b7b")


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, facecolor="white")
