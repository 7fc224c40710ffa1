"""Flow computed on demand is the same as extracted flow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kinesics.data.extract_flow import extract_one
from kinesics.data.manifest import read_manifest
from kinesics.flow.flow_folder import FlowSettings
from kinesics.flow.live import LiveFlow
from kinesics.video.flow_file import FlowReader
from kinesics.video.frame_files import MemoryReader
from kinesics.video.reader import open_video


@pytest.mark.parametrize("warp", [False, True])
@pytest.mark.parametrize("resize", [None, 24, "40x24", "24x40"])
def test_it_is_what_extraction_writes(tiny_set: Path, tmp_path: Path, warp: bool, resize: int | str | None) -> None:
    settings = FlowSettings("dis", bound=8.0, short_side=32, warp=warp)
    item = read_manifest(tiny_set).items()[0]
    extract_one(item, tmp_path / "a.flow.mkv", settings)
    indices = torch.tensor([11, 0, 3, 3, 10])
    file = FlowReader(tmp_path / "a.flow.mkv", resize)
    live = LiveFlow(open_video(item.path, resize=32), settings, resize)
    assert (live.height, live.width, live.num_frames) == (file.height, file.width, file.num_frames)
    assert torch.equal(live.frames_at(indices), file.frames_at(indices))
    assert live.seconds_at(indices).tolist() == pytest.approx(file.seconds_at(indices).tolist(), abs=1e-3)
    live.close()


def test_one_frame_does_not_move() -> None:
    reader = LiveFlow(MemoryReader(torch.zeros(1, 20, 30, 3, dtype=torch.uint8), 25.0), FlowSettings("dis"))
    assert (reader.frames_at(torch.tensor([0, 0])) == 128).all()


def test_frames_in_memory_are_read_at_any_size() -> None:
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (4, 20, 30, 3), dtype=np.uint8))
    plain = MemoryReader(frames, 10.0)
    assert torch.equal(plain.frames_at(torch.tensor([2, 0])), frames[[2, 0]].permute(0, 3, 1, 2))
    assert plain.seconds_at(torch.tensor([3])).tolist() == [0.3]
    assert MemoryReader(frames, 10.0, 10).frames_at(torch.tensor([1])).shape == (1, 3, 10, 15)
