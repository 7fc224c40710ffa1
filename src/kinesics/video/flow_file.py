"""Flow in a file: bounded, in 256 steps, without loss beyond that, and with its method beside it.

A Matroska file of FFV1, one grey picture a frame: the flow to the right on top, the flow down below it. Every picture
is a key frame. 128 is no movement, 1 and 255 are the bound either way.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import torch
from av.container import InputContainer
from av.error import FFmpegError
from torch import Tensor

from kinesics.errors import UserError, VideoError
from kinesics.files import atomic_path
from kinesics.video.convert import fit, resized
from kinesics.video.open import FLOW_TAG, open_container

SUFFIX = ".flow.mkv"
FORMAT = 1
STILL, STEPS = 128, 127
"""The value of no movement, and how many steps there are to the bound."""


@dataclass(frozen=True)
class FlowInfo:
    """How a flow file was made. bound: the largest movement it can hold, in pixels. warped: without the camera's."""

    id: str
    method: str
    bound: float
    height: int
    width: int
    num_frames: int
    warped: bool = False
    version: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.bound) and self.bound > 0):
            raise UserError(f"flow needs a bound above 0 pixels, found {self.bound}")


def quantised(flow_HW2: npt.NDArray[np.floating], bound: float) -> npt.NDArray[np.uint8]:
    """(H, W, 2) pixels → (H, W, 2) uint8. What goes beyond the bound stays at it; what is no number does not move."""
    steps = np.nan_to_num(flow_HW2, nan=0.0, posinf=bound, neginf=-bound) * (STEPS / bound)
    return np.asarray(np.rint(steps.clip(-STEPS, STEPS)) + STILL, dtype=np.uint8)


def pixels(values: npt.NDArray[np.uint8], bound: float) -> npt.NDArray[np.float32]:
    """What `quantised` kept, in pixels."""
    return (values.astype(np.float32) - STILL) * np.float32(bound / STEPS)


def write_flow(path: Path, flows: Iterable[npt.NDArray[np.uint8]], info: FlowInfo, *, fps: float = 25.0) -> None:
    """Write quantised flows, (H, W, 2) uint8 each, to `path`, whole or not at all.

    Raises:
        UserError: a flow of another size than `info` says, or another number of them.
        KinesicsError: the disk is full or the folder cannot be written.
    """
    if not path.name.endswith(SUFFIX):
        raise UserError(f"{path}: wanted a name that ends in {SUFFIX}")
    count = 0
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="matroska") as container:
        container.metadata[FLOW_TAG] = json.dumps({"format": FORMAT, **dataclasses.asdict(info)})
        stream = container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = info.width, 2 * info.height, "gray"
        stream.gop_size = 1  # else FFV1 learns from frame to frame, and none can be decoded by itself
        for flow in flows:
            if flow.shape != (info.height, info.width, 2) or flow.dtype != np.uint8:
                raise UserError(
                    f"{path}: flow {count} is {flow.dtype} {flow.shape}, wanted {info.height} × {info.width}"
                )
            stacked = np.ascontiguousarray(np.moveaxis(flow, 2, 0).reshape(2 * info.height, info.width))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(stacked, format="gray")))
            count += 1
        if count != info.num_frames:
            raise UserError(f"{path}: wanted {info.num_frames} flows, found {count}")
        container.mux(stream.encode(None))


def read_info(path: Path) -> FlowInfo:
    """What stands in the head of a flow file. Raises VideoError where it is none."""
    with opened(path) as container:
        return info_of(container, path)


def read_flow(path: Path, indices: Sequence[int] | None = None) -> npt.NDArray[np.uint8]:
    """(T, 2, H, W) uint8 of the frames asked for, in any order, or of all.

    Raises:
        IndexError: a frame that it does not have. VideoError: not a flow file, or a damaged one.
    """
    with opened(path) as container:
        info = info_of(container, path)
        wanted = list(range(info.num_frames)) if indices is None else list(indices)
        for index in wanted:
            if not 0 <= index < info.num_frames:
                raise IndexError(f"{path}: no flow {index}, there are {info.num_frames}, counted from 0")
        flows = dict(decoded(container, info, set(wanted), path))
    return np.stack([flows[index] for index in wanted])


class FlowReader:
    """A VideoReader of flow: frame i is the movement from frame i of the video to the next. Nothing stays open."""

    def __init__(self, path: Path, short_side: int | None = None) -> None:
        self.path = path
        with opened(path) as container:
            self.info = info_of(container, path)
            self.fps = float(container.streams.video[0].average_rate or 25)
        self.num_frames = self.info.num_frames
        self.duration_seconds = self.num_frames / self.fps
        self.height, self.width = fit(self.info.height, self.info.width, short_side)

    def frames_at(self, indices: Tensor) -> Tensor:
        """(T,) int64, in any order → (T, 2, H, W) uint8: to the right and down, 128 for no movement.

        The values are the file's at any size: in its pixels, not in those of the size asked for.
        """
        unique, places = torch.unique(indices, return_inverse=True)
        flows = np.moveaxis(read_flow(self.path, unique.tolist()), 1, 3)
        if flows.shape[1:3] != (self.height, self.width):
            flows = np.stack([resized(np.ascontiguousarray(flow), (self.height, self.width)) for flow in flows])
        return torch.from_numpy(flows).permute(0, 3, 1, 2)[places]

    def seconds_at(self, indices: Tensor) -> Tensor:
        """(T,) int64 → (T,) float64."""
        return indices.double() / self.fps

    def close(self) -> None:
        """Nothing is open."""


def decoded(
    container: Any, info: FlowInfo, wanted: set[int], path: Path
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """The wanted flows by their number, (2, H, W) each; the packets of others are not decoded."""
    stream = container.streams.video[0]
    found = 0
    try:
        for index, packet in enumerate(p for p in container.demux(stream) if p.size):
            if index not in wanted:
                continue
            for frame in packet.decode():
                plane = frame.planes[0]
                lines = np.frombuffer(plane, dtype=np.uint8).reshape(plane.height, plane.line_size)
                yield index, lines[:, : info.width].reshape(2, info.height, info.width).copy()
                found += 1
            if found == len(wanted):
                return
    except (FFmpegError, ValueError) as error:
        raise VideoError(f"{path}: a flow cannot be decoded ({error})") from error
    raise VideoError(f"{path}: {found} of {len(wanted)} flows can be decoded; the file is cut off", "partial")


def opened(path: Path) -> InputContainer:
    """The container of a file. Raises VideoError where it cannot be opened."""
    try:
        return open_container(path)
    except VideoError as error:
        raise VideoError(f"{path}: not a flow file ({str(error).removeprefix(f'{path}: ')})", error.status) from error


def info_of(container: Any, path: Path) -> FlowInfo:
    """The head of an open flow file."""
    try:
        values = json.loads(container.metadata[FLOW_TAG])
        if values.pop("format") != FORMAT:
            raise VideoError(f"{path}: flow in a form of another version of kinesics; extract it again")
        return FlowInfo(**values)
    except (KeyError, ValueError, TypeError) as error:
        raise VideoError(f"{path}: not a flow file; wanted one that `kinesics flow` wrote") from error
