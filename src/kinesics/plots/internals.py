"""The internals of systems: MLFE's peaks and patches, STP's pyramid, TEFE's temporal kernels, KPSEM's key points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kinesics.plots.saliency import INK, TILE_INCHES, Floats, Frames, heading, overlay, resized, save, scaled

MAX_STEPS = 8
"""With more time steps, this many are drawn, evenly spaced."""
BOX_COLOR = "#00d0ff"
REGION_COLORS = ("#ff4136", "#ffdc00", "#2ecc40", "#39a0ff", "#ff851b", "#f012be", "#7fdbff", "#b9f500", "#ffffff")
"""The colours of regions, row by row."""


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
    """Write a PNG, one column per time step.

    The rows: the frame with the box of the patch; the map of the class, whose peak is the place of the patch; the
    saliency of the low stage; the saliency of the patch, enlarged.

    box_T4: top, left, bottom and right as shares of the picture.
    """
    steps = drawn_steps(len(frames_THW3))
    cam, stage_saliency, patch = scaled(cam_Thw), scaled(stage_Thw), scaled(patch_Thw)
    height, width = frames_THW3.shape[1:3]
    figure = Figure(
        figsize=(max(4.2, len(steps) * TILE_INCHES + 1.0), (4 * height / width + 0.15) * TILE_INCHES + 0.6),
    )
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    heading(figure, title)
    axes = np.asarray(figure.subplots(4, len(steps), squeeze=False))
    row_names = ("frame and\npatch", "map of\nthe class", f"saliency\nof {stage}", "saliency of\nthe patch")
    for column, t in enumerate(steps):
        frame, tiles = frames_THW3[t], axes[:, column]
        tiles[0].imshow(frame)
        tiles[1].imshow(overlay(frame, resized(cam[t], frame)))
        tiles[2].imshow(stage_saliency[t], cmap="magma", vmin=0, vmax=1, extent=(0, width, height, 0))
        tiles[3].imshow(patch[t], cmap="magma", vmin=0, vmax=1)
        top, left, bottom, right = box_T4[t] * (height, width, height, width)
        for tile in (tiles[0], tiles[2]):
            tile.add_patch(
                Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=BOX_COLOR, linewidth=1.6)
            )
        tiles[0].set_title(f"{seconds[t]:.2f} s", fontsize=8, color=INK, pad=3)
        for row, tile in enumerate(tiles):
            remove_frame(tile, row_names[row] if column == 0 else "")
    save(figure, path)


def plot_points(
    frames_THW3: Frames, arrays: Mapping[str, Floats], seconds: Sequence[float], title: str, path: Path
) -> None:
    """Write a PNG, one row per channel: a cross at each key point, and an arrow to its place in the next frame.

    arrays: adds (R,), places (R, 2), points (R, T, K, 2), shifts (R, T-1, K, 2) and weights (R, T-1, K), of KPSEM's
    visualization. Each region has a colour; the opacity of an arrow is the weight of its region.
    """
    steps = drawn_steps(len(frames_THW3))
    height, width = frames_THW3.shape[1:3]
    rows = len(arrays["adds"])
    figure = Figure(figsize=(max(4.2, len(steps) * TILE_INCHES + 1.0), rows * height / width * TILE_INCHES + 0.8))
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    heading(
        figure,
        title,
        "one row per channel, one colour per region; an arrow shows the shift of a point until the next frame",
    )
    axes = np.asarray(figure.subplots(rows, len(steps), squeeze=False))
    for row, (number, channel) in enumerate(arrays["places"].astype(int)):
        for column, t in enumerate(steps):
            tile = axes[row, column]
            tile.imshow(frames_THW3[t] // 2 + 64)
            crosses_K2 = arrays["points"][row, t] * (width, height)
            colours = [REGION_COLORS[k % len(REGION_COLORS)] for k in range(len(crosses_K2))]
            tile.scatter(*crosses_K2.T, c=colours, marker="x", s=36, linewidths=1.8)
            if t < arrays["shifts"].shape[1]:
                weights_K = arrays["weights"][row, t]
                for start, shift, colour, weight in zip(
                    crosses_K2, arrays["shifts"][row, t] * (width, height), colours, weights_K, strict=True
                ):
                    opacity = 0.25 + 0.75 * float(weight / weights_K.max())
                    tile.annotate(
                        "",
                        start + shift,
                        start,
                        arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.8, "alpha": opacity},
                    )
            tile.set_xlim(0, width - 1)
            tile.set_ylim(height - 1, 0)
            if row == 0:
                tile.set_title(f"{seconds[t]:.2f} s", fontsize=8, color=INK, pad=3)
            name = f"channel {channel},\nset {number + 1}\n{arrays['adds'][row]:+.2g}"
            remove_frame(tile, name if column == 0 else "")
    save(figure, path)


def drawn_steps(num_steps: int) -> list[int]:
    """The time steps that are drawn: all, or MAX_STEPS of them."""
    return [int(t) for t in np.linspace(0, num_steps - 1, min(MAX_STEPS, num_steps)).round()]


def remove_frame(axes: Axes, name: str) -> None:
    """Remove ticks and frame from the axes, and write the name to the left."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if name:
        axes.set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center", color=INK)


def plot_pyramid(
    frames_THW3: Frames, adds_SL: Floats, levels: int, seconds: Sequence[float], title: str, path: Path
) -> None:
    """Write a PNG: the frames of each segment, and below them the pyramid's cells with what each adds to the score."""
    num_segments, num_steps = len(adds_SL), len(frames_THW3)
    segment_steps = num_steps // num_segments
    height = frames_THW3.shape[1] / frames_THW3.shape[2]
    figure = Figure(figsize=(max(5.0, num_steps * TILE_INCHES * 0.9), (height + 0.45 * levels) * TILE_INCHES + 0.8))
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    heading(
        figure,
        title,
        "orange adds to the score of the label, blue reduces it; all cells and the bias add up to the score",
    )
    grid = figure.add_gridspec(2, num_steps, height_ratios=[height, 0.45 * levels])
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
                value, size = float(adds[2**level - 1 + cell]), segment_steps / 2**level
                corner = (segment * segment_steps + cell * size + 0.03, -level - 0.95)
                below.add_patch(
                    Rectangle(corner, size - 0.06, 0.9, color="#d9822b" if value > 0 else "#2f6fb2",
                              alpha=0.08 + 0.87 * abs(value) / largest, linewidth=0)
                )  # fmt: skip
                below.text(
                    corner[0] + size / 2, corner[1] + 0.45, f"{value:+.2f}", ha="center", va="center", fontsize=8
                )
    below.set_xlim(0, num_steps)
    below.set_ylim(-levels, 0)
    names = ("whole", "halves", "quarters", *(f"1/{2**level}" for level in range(3, levels)))
    below.set_yticks([-level - 0.5 for level in range(levels)], names[:levels], fontsize=8)
    below.set_xticks([])
    below.tick_params(length=0)
    below.spines[:].set_visible(False)
    save(figure, path)


def plot_kernels(mixes: Mapping[str, Floats], gates: Mapping[str, Floats], title: str, path: Path) -> None:
    """Write a PNG, one row per module: the three mixing weights (C, 3) of its channels, and their gates (T, C).

    Channels are sorted from those that use the last frame to those that use the next frame.
    """
    figure = Figure(figsize=(8.4, 1.25 * len(mixes) + 0.9), layout="constrained")
    heading(
        figure,
        title,
        "white: 1, black: 0; channels are sorted from those that use the last frame to those that use the next frame",
    )
    grid = np.asarray(figure.subplots(len(mixes), 2, squeeze=False))
    for (left, right), (name, mix_C3) in zip(grid, mixes.items(), strict=True):
        order = np.argsort(mix_C3[:, 2] - mix_C3[:, 0])
        for axes, values, kind in ((left, mix_C3[order].T, "weights"), (right, gates[name][:, order], "gates")):
            axes.imshow(values, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
            mean_text = f", {float(values.mean()):.2f} on average" if kind == "gates" else ""
            axes.set_title(f"{name}: {kind}{mean_text}", fontsize=8, loc="left")
            axes.set_xticks([])
            axes.tick_params(length=0, labelsize=7)
        means = mix_C3.mean(axis=0)
        frame_names = ("last", "this", "next")
        left.set_yticks(range(3), [f"{frame} {mean:.2f}" for frame, mean in zip(frame_names, means, strict=True)])
        num_steps = len(gates[name])
        right.set_yticks(range(num_steps), [f"t {t + 1}" for t in range(num_steps)], fontsize=6)
    grid[-1, 0].set_xlabel("channels", fontsize=8)
    grid[-1, 1].set_xlabel("channels", fontsize=8)
    save(figure, path)
