"""Optical flow of a video, computed when it is needed: for a model of flow, where no flow was extracted."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kinesics.flow.flow_folder import FlowSettings
from kinesics.flow.methods import Flow, Gray, estimator, grey, pairs_at_once
from kinesics.flow.warp import warped_flow
from kinesics.sizes import ResizeSetting
from kinesics.values import VideoReader
from kinesics.video.convert import fit, resized
from kinesics.video.flow_file import STILL, quantised


class LiveFlow:
    """A VideoReader of the flow between the frames of another reader: the same values as `kinesics flow` writes.

    reader: opened at the short side of `settings`. resize: what the flow is resized to, see `FlowReader`.
    """

    def __init__(self, reader: VideoReader, settings: FlowSettings, resize: ResizeSetting | None = None) -> None:
        self.reader, self.settings = reader, settings
        self.num_frames, self.fps, self.duration_seconds = reader.num_frames, reader.fps, reader.duration_seconds
        self.height, self.width = fit(reader.height, reader.width, resize)

    def frames_at(self, indices: Tensor) -> Tensor:
        """(T,) int64, in any order → (T, 2, H, W) uint8: to the right and down, 128 for no movement."""
        last = self.num_frames - 2  # the last frame repeats the flow of the one before it
        if last < 0:
            return torch.full((len(indices), 2, self.height, self.width), STILL, dtype=torch.uint8)
        starts, places = torch.unique(indices.clamp(max=last), return_inverse=True)
        frames, where = torch.unique(torch.cat([starts, starts + 1]), return_inverse=True)
        pictures = grey(self.reader.frames_at(frames).permute(0, 2, 3, 1).numpy())
        first, second = (pictures[part.numpy()] for part in where.chunk(2))
        step = pairs_at_once(*first.shape[1:])
        size, flows = (self.height, self.width), []
        for at in range(0, len(first), step):
            flow_NHW2, _ = flow_between(first[at : at + step], second[at : at + step], self.settings)
            flows += [resized(quantised(flow, self.settings.bound), size) for flow in flow_NHW2]
        return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2)[places]

    def seconds_at(self, indices: Tensor) -> Tensor:
        """(T,) int64 → (T,) float64."""
        return self.reader.seconds_at(indices)

    def close(self) -> None:
        """Close the video."""
        self.reader.close()


def flow_between(first: Gray, second: Gray, settings: FlowSettings, device: str = "cpu") -> tuple[Flow, list[bool]]:
    """(N, H, W) twice → flow (N, H, W, 2), and for each pair of warped flow whether it has a homography."""
    estimate = estimator(settings.method, device)
    return warped_flow(first, second, estimate) if settings.warp else (estimate(first, second), [])
