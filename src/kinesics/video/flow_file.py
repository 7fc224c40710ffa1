"""Optical flow in a file: limited to a bound, quantised to 8 bits, then stored without loss, with its method.

A Matroska file of FFV1 with one grey picture per frame: the flow to the right in the upper half, the flow down in the
lower half. Every picture is a key frame. 128 is no movement, 1 and 255 are the bound in either direction.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
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
from av.packet import Packet
from av.video.stream import VideoStream
from torch import Tensor

from kinesics.errors import UserError, VideoError
from kinesics.files import atomic_path
from kinesics.sizes import ResizeSetting
from kinesics.video.convert import fit, resized
from kinesics.video.open import FLOW_TAG, open_container

SUFFIX = ".flow.mkv"
FORMAT = 1
STILL, STEPS = 128, 127
"""The value of no movement, and the number of steps from it to the bound."""
NEAR = 4
"""Up to this many packets ahead, reading on is as fast as seeking."""


@dataclass(frozen=True)
class FlowInfo:
    """How a flow file was made. bound: its largest movement, in pixels. warped: the camera's was removed."""

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
            raise UserError(f"flow: expected a bound above 0 pixels, found {self.bound}")


def quantised(flow_HW2: npt.NDArray[np.floating], bound: float) -> npt.NDArray[np.uint8]:
    """(H, W, 2) pixels → (H, W, 2) uint8. Larger movement becomes the bound; NaN becomes no movement."""
    steps = np.nan_to_num(flow_HW2, nan=0.0, posinf=bound, neginf=-bound) * (STEPS / bound)
    return np.asarray(np.rint(steps.clip(-STEPS, STEPS)) + STILL, dtype=np.uint8)


def pixels(values: npt.NDArray[np.uint8], bound: float) -> npt.NDArray[np.float32]:
    """Quantised flow in pixels, the inverse of `quantised`."""
    return (values.astype(np.float32) - STILL) * np.float32(bound / STEPS)


def write_flow(path: Path, flows: Iterable[npt.NDArray[np.uint8]], info: FlowInfo, *, fps: float = 25.0) -> None:
    """Write quantised flows, (H, W, 2) uint8 each, to `path`, whole or not at all.

    Raises:
        UserError: the size or the number of the flows is not what `info` says.
        KinesicsError: the disk is full or the folder cannot be written.
    """
    if not path.name.endswith(SUFFIX):
        raise UserError(f"{path}: expected a name that ends in {SUFFIX}")
    count = 0
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="matroska") as container:
        container.metadata[FLOW_TAG] = json.dumps({"format": FORMAT, **dataclasses.asdict(info)})
        stream = container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = info.width, 2 * info.height, "gray"
        stream.gop_size = 1  # else FFV1 carries its state from frame to frame, and no frame can be decoded alone
        for flow in flows:
            if flow.shape != (info.height, info.width, 2) or flow.dtype != np.uint8:
                raise UserError(
                    f"{path}: flow {count}: expected uint8 ({info.height}, {info.width}, 2), "
                    f"found {flow.dtype} {flow.shape}"
                )
            stacked = np.ascontiguousarray(np.moveaxis(flow, 2, 0).reshape(2 * info.height, info.width))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(stacked, format="gray")))
            count += 1
        if count != info.num_frames:
            raise UserError(f"{path}: expected {info.num_frames} flows, found {count}")
        container.mux(stream.encode(None))


def read_info(path: Path) -> FlowInfo:
    """The description in the header of a flow file. Raises VideoError where the file holds no flow."""
    with opened(path) as container:
        return info_of(container, path)


def read_flow(path: Path, indices: Sequence[int] | None = None) -> npt.NDArray[np.uint8]:
    """(T, 2, H, W) uint8 of the frames at `indices`, in any order, or of all.

    Raises:
        IndexError: an index is out of range.
        VideoError: it is not a flow file, or it is damaged.
    """
    with opened(path) as container:
        info = info_of(container, path)
        return flows_at(container, info, path, range(info.num_frames) if indices is None else indices)


class FlowReader:
    """A VideoReader of flow: frame i is the movement from frame i of the video to the next.

    The file is opened once, and again in another process.
    """

    def __init__(self, path: Path, resize: ResizeSetting | None = None) -> None:
        self.path = path
        container = self._open()
        self.info = info_of(container, path)
        self.fps = float(container.streams.video[0].average_rate or 25)
        self.num_frames = self.info.num_frames
        self.duration_seconds = self.num_frames / self.fps
        self.height, self.width = fit(self.info.height, self.info.width, resize)

    def frames_at(self, indices: Tensor) -> Tensor:
        """(T,) int64, in any order → (T, 2, H, W) uint8: to the right and down, 128 for no movement.

        The values are those of the file at any `resize`: in pixels of the file's size, not of the size given.
        """
        unique, places = torch.unique(indices, return_inverse=True)
        flows = np.moveaxis(flows_at(self._open(), self.info, self.path, unique.tolist()), 1, 3)
        if flows.shape[1:3] != (self.height, self.width):
            flows = np.stack([resized(np.ascontiguousarray(flow), (self.height, self.width)) for flow in flows])
        return torch.from_numpy(flows).permute(0, 3, 1, 2)[places]

    def seconds_at(self, indices: Tensor) -> Tensor:
        """(T,) int64 → (T,) float64."""
        return indices.double() / self.fps

    def close(self) -> None:
        """Close the file. A later call opens it again."""
        if self._container is not None and self._process == os.getpid():
            self._container.close()
        self._container = None

    _container: InputContainer | None = None
    _process = 0

    def _open(self) -> InputContainer:
        if self._container is None or self._process != os.getpid():
            self._container, self._process = opened(self.path), os.getpid()
        return self._container

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_container": None}


def flows_at(container: InputContainer, info: FlowInfo, path: Path, indices: Sequence[int]) -> npt.NDArray[np.uint8]:
    """(T, 2, H, W) uint8 of the frames at `indices`. Raises IndexError or VideoError as `read_flow` does."""
    for index in indices:
        if not 0 <= index < info.num_frames:
            raise IndexError(f"{path}: no flow {index}, there are {info.num_frames}, counted from 0")
    flows = dict(decoded(container, info, set(indices), path))
    return np.stack([flows[index] for index in indices])


def decoded(
    container: InputContainer, info: FlowInfo, indices: set[int], path: Path
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """The flows at `indices` by their number, (2, H, W) each; other packets are not decoded, most are not read."""
    num_decoded = 0
    try:
        for index, packet in packets_of(container, sorted(indices)):
            for frame in packet.decode():
                plane = frame.planes[0]
                lines = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, plane.line_size)
                yield index, lines[:, : info.width].reshape(2, info.height, info.width).copy()
                num_decoded += 1
    except (FFmpegError, ValueError) as error:
        raise VideoError(f"{path}: a flow cannot be decoded ({error})") from error
    if num_decoded < len(indices):
        text = f"{path}: {num_decoded} of {len(indices)} flows can be decoded; the file is damaged"
        raise VideoError(text, "partial")


def packets_of(container: InputContainer, indices: Sequence[int]) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """The packets with the numbers `indices`, which rise; seeking skips the packets between them.

    Every packet is a key frame and all last equally long, so a packet's time gives its number.
    """
    stream = container.streams.video[0]
    ticks = 1 / (Fraction(stream.average_rate or 25) * Fraction(stream.time_base or 1))
    place = None
    packets: Iterator[Packet[VideoStream]] = iter(())
    for index in indices:
        if place is None or not place < index <= place + NEAR:
            container.seek(round(index * ticks), stream=stream, backward=True)
            packets = (packet for packet in container.demux(stream) if packet.size)
        for packet in packets:
            place = round((packet.pts or 0) / ticks)
            if place >= index:
                break
        if place != index:
            return  # a missing packet: the file is damaged
        yield index, packet


def opened(path: Path) -> InputContainer:
    """The container of a file. Raises VideoError where it cannot be opened."""
    try:
        return open_container(path)
    except VideoError as error:
        raise VideoError(f"{path}: not a flow file ({str(error).removeprefix(f'{path}: ')})", error.status) from error


def info_of(container: Any, path: Path) -> FlowInfo:
    """The description in the header of an open flow file."""
    try:
        values = json.loads(container.metadata[FLOW_TAG])
        if values.pop("format") != FORMAT:
            raise VideoError(f"{path}: its format is from another version of kinesics; extract the flow again")
        return FlowInfo(**values)
    except (KeyError, ValueError, TypeError) as error:
        raise VideoError(f"{path}: not a flow file; expected one that `kinesics flow` wrote") from error
