"""What systems have inside: MLFE's peaks and patches, STP's pyramid, TEFE's temporal kernels, KPSEM's points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kinesics.plots.saliency import INK, TILE_INCHES, Floats, Frames, fitted, heading, overlay, save, scaled

ROWS = 8
"""Time steps that are shown of MLFE's; of more, as many evenly."""
BOX = "#00d0ff"
REGIONS = ("#ff4136", "#ffdc00", "#2ecc40", "#39a0ff", "#ff851b", "#f012be", "#7fdbff", "#b9f500", "#ffffff")
"""Colours of regions, row by row."""


def plot_peaks(
    frames_THW3: Frames,
    cam_Thw: Floats,
    box_T4: Floats,
    stage_Thw: Floats,
    patch_Thw: Floats,
    seconds: Sequence[float],
    stage: str,
    title: str,
    path: Path,
) -> None:
    """Write a PNG, a column a time step: the frame with the patch's box, the class's map whose peak the patch lies at,
    the saliency of the low stage, and that of the patch enlarged.

    box_T4: top, left, bottom and right as shares of the picture.
    """
    shown = np.linspace(0, len(frames_THW3) - 1, min(ROWS, len(frames_THW3))).round().astype(int)
    cam, low, patch = scaled(cam_Thw), scaled(stage_Thw), scaled(patch_Thw)
    height, width = frames_THW3.shape[1:3]
    figure = Figure(
        figsize=(max(4.2, len(shown) * TILE_INCHES + 1.0), (4 * height / width + 0.15) * TILE_INCHES + 0.6),
    )
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    heading(figure, title)
    axes = np.asarray(figure.subplots(4, len(shown), squeeze=False))
    names = ("frame and\npatch", "map of\nthe class", f"saliency\nof {stage}", "saliency of\nthe patch")
    for column, t in enumerate(shown):
        frame, tiles = frames_THW3[t], axes[:, column]
        tiles[0].imshow(frame)
        tiles[1].imshow(overlay(frame, fitted(cam[t], frame)))
        tiles[2].imshow(low[t], cmap="magma", vmin=0, vmax=1, extent=(0, width, height, 0))
        tiles[3].imshow(patch[t], cmap="magma", vmin=0, vmax=1)
        top, left, bottom, right = box_T4[t] * (height, width, height, width)
        for tile in (tiles[0], tiles[2]):
            tile.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=BOX, linewidth=1.6))
        tiles[0].set_title(f"{seconds[t]:.2f} s", fontsize=8, color=INK, pad=3)
        for row, tile in enumerate(tiles):
            bare(tile, names[row] if column == 0 else "")
    save(figure, path)


def plot_points(
    frames_THW3: Frames, found: Mapping[str, Floats], seconds: Sequence[float], title: str, path: Path
) -> None:
    """Write a PNG, a row a channel: crosses where its key points are, and arrows to where they go until the next frame.

    found: adds (R,), places (R, 2), points (R, T, K, 2), shifts (R, T-1, K, 2) and weights (R, T-1, K), see KPSEM's
    view. A region has a colour; its arrows are as strong as its weight.
    """
    shown = np.linspace(0, len(frames_THW3) - 1, min(ROWS, len(frames_THW3))).round().astype(int)
    height, width = frames_THW3.shape[1:3]
    rows = len(found["adds"])
    figure = Figure(figsize=(max(4.2, len(shown) * TILE_INCHES + 1.0), rows * height / width * TILE_INCHES + 0.8))
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    heading(figure, title, "a row a channel, a colour a region; arrows show where a point goes until the next frame")
    axes = np.asarray(figure.subplots(rows, len(shown), squeeze=False))
    for row, (number, channel) in enumerate(found["places"].astype(int)):
        for column, t in enumerate(shown):
            tile = axes[row, column]
            tile.imshow(frames_THW3[t] // 2 + 64)
            crosses_K2 = found["points"][row, t] * (width, height)
            colours = [REGIONS[k % len(REGIONS)] for k in range(len(crosses_K2))]
            tile.scatter(*crosses_K2.T, c=colours, marker="x", s=36, linewidths=1.8)
            if t < found["shifts"].shape[1]:
                weights_K = found["weights"][row, t]
                for start, way, colour, weight in zip(
                    crosses_K2, found["shifts"][row, t] * (width, height), colours, weights_K, strict=True
                ):
                    strength = 0.25 + 0.75 * float(weight / weights_K.max())
                    tile.annotate(
                        "",
                        start + way,
                        start,
                        arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.8, "alpha": strength},
                    )
            tile.set_xlim(0, width - 1)
            tile.set_ylim(height - 1, 0)
            if row == 0:
                tile.set_title(f"{seconds[t]:.2f} s", fontsize=8, color=INK, pad=3)
            name = f"channel {channel},\nset {number + 1}\n{found['adds'][row]:+.2g}"
            bare(tile, name if column == 0 else "")
    save(figure, path)


def bare(axes: Axes, name: str) -> None:
    """A picture without ticks, its name to the left."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if name:
        axes.set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center", color=INK)


def plot_pyramid(
    frames_THW3: Frames, adds_SL: Floats, levels: int, seconds: Sequence[float], title: str, path: Path
) -> None:
    """Write a PNG: the parts of every segment, and below them the pyramid's cells with what each adds to the score."""
    segments, steps = len(adds_SL), len(frames_THW3)
    parts = steps // segments
    height = frames_THW3.shape[1] / frames_THW3.shape[2]
    figure = Figure(figsize=(max(5.0, steps * TILE_INCHES * 0.9), (height + 0.45 * levels) * TILE_INCHES + 0.8))
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    heading(figure, title, "orange speaks for the label, blue against it; all cells and the bias add up to its score")
    grid = figure.add_gridspec(2, steps, height_ratios=[height, 0.45 * levels])
    for t, frame in enumerate(frames_THW3):
        axes = figure.add_subplot(grid[0, t])
        axes.imshow(frame)
        axes.set_title(f"{seconds[t]:.2f} s", fontsize=8, color=INK, pad=3)
        axes.set_axis_off()
    below = figure.add_subplot(grid[1, :])
    largest = float(np.abs(adds_SL).max()) or 1.0
    for segment, adds in enumerate(adds_SL):
        for level in range(levels):
            for cell in range(2**level):
                value, size = float(adds[2**level - 1 + cell]), parts / 2**level
                at = (segment * parts + cell * size + 0.03, -level - 0.95)
                below.add_patch(
                    Rectangle(at, size - 0.06, 0.9, color="#d9822b" if value > 0 else "#2f6fb2",
                              alpha=0.08 + 0.87 * abs(value) / largest, linewidth=0)
                )  # fmt: skip
                below.text(at[0] + size / 2, at[1] + 0.45, f"{value:+.2f}", ha="center", va="center", fontsize=8)
    below.set_xlim(0, steps)
    below.set_ylim(-levels, 0)
    names = ("whole", "halves", "quarters", *(f"1/{2**level}" for level in range(3, levels)))
    below.set_yticks([-level - 0.5 for level in range(levels)], names[:levels], fontsize=8)
    below.set_xticks([])
    below.tick_params(length=0)
    below.spines[:].set_visible(False)
    save(figure, path)


def plot_kernels(mixes: Mapping[str, Floats], gates: Mapping[str, Floats], title: str, path: Path) -> None:
    """Write a PNG, a row a module: the three mixing weights (C, 3) of its channels, and their gates (T, C).

    Channels are sorted from those that take the last frame to those that take the next.
    """
    figure = Figure(figsize=(8.4, 1.25 * len(mixes) + 0.9), layout="constrained")
    heading(figure, title, "white: 1, black: 0; channels sorted from those that look back to those that look ahead")
    axes = np.asarray(figure.subplots(len(mixes), 2, squeeze=False))
    for (left, right), (name, mix_C3) in zip(axes, mixes.items(), strict=True):
        order = np.argsort(mix_C3[:, 2] - mix_C3[:, 0])
        for at, values, side in ((left, mix_C3[order].T, "weight"), (right, gates[name][:, order], "gate")):
            at.imshow(values, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
            told = f", {float(values.mean()):.2f} on average" if side == "gate" else ""
            at.set_title(f"{name}: {side}s{told}", fontsize=8, loc="left")
            at.set_xticks([])
            at.tick_params(length=0, labelsize=7)
        means = mix_C3.mean(axis=0)
        words = ("last", "this", "next")
        left.set_yticks(range(3), [f"{word} {mean:.2f}" for word, mean in zip(words, means, strict=True)])
        steps = len(gates[name])
        right.set_yticks(range(steps), [f"t {t + 1}" for t in range(steps)], fontsize=6)
    axes[-1, 0].set_xlabel("channels", fontsize=8)
    axes[-1, 1].set_xlabel("channels", fontsize=8)
    save(figure, path)
