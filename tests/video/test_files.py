"""Which files in a folder are videos."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest

from kinesics.data.importers.folder import import_folder
from kinesics.data.importers.source import Options
from kinesics.errors import UserError, VideoError
from kinesics.video.files import distinct_stems, find_videos
from kinesics.video.flow_file import FlowInfo, write_flow
from kinesics.video.integrity import decode_whole
from kinesics.video.reader import open_video
from tests.video.numbered_video import numbered_video


def test_flow_files_are_recognised_by_their_content(tmp_path: Path) -> None:
    folder = tmp_path / "nod"
    folder.mkdir()
    flows = np.full((3, 16, 24, 2), 128, np.uint8)
    write_flow(folder / "a.flow.mkv", flows, FlowInfo("a", "tvl1", 8.0, 16, 24, 3))
    (folder / "renamed.mkv").write_bytes((folder / "a.flow.mkv").read_bytes())
    numbered_video(folder / "b.flow.mkv", 6)
    listing = find_videos([tmp_path])
    assert listing.videos == (folder / "b.flow.mkv",)
    assert listing.others == (folder / "a.flow.mkv", folder / "renamed.mkv")
    with pytest.raises(UserError, match=r"renamed\.mkv: a flow file, not a video"):
        find_videos([folder / "renamed.mkv"])
    with pytest.raises(VideoError, match=r"a\.flow\.mkv: holds optical flow, not pictures"):
        open_video(folder / "a.flow.mkv")
    assert open_video(folder / "b.flow.mkv").num_frames == 6
    assert decode_whole(folder / "renamed.mkv").reason == "a flow file, not a video"
    imported = import_folder(tmp_path, Options())
    assert [Path(entry.row.path).name for entry in imported.entries] == ["b.flow.mkv"]
    assert any("2 skipped, a flow file" in problem.message for problem in imported.problems)


def test_thousands_of_files_are_found_quickly(tmp_path: Path) -> None:
    for number in range(5000):
        (tmp_path / f"{number}.mp4").touch()
    start = time.monotonic()
    videos = find_videos([tmp_path]).videos
    assert time.monotonic() - start < 5
    assert [path.name for path in videos] == [f"{number}.mp4" for number in range(5000)]


def test_thousands_of_names_that_collide_are_numbered_quickly() -> None:
    names = ["".join(letters) for letters in itertools.product("aA", "bB", *["cC"] * 11)]
    start = time.monotonic()
    stems = distinct_stems([Path(f"{name}.mp4") for name in names])
    assert time.monotonic() - start < 3
    assert len({stem.casefold() for stem in stems.values()}) == len(names)
