"""The XML of CVAT: frame numbers become seconds by the video's own times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from kinesics.data.frame_times import FrameTimes
from kinesics.data.importers import cvat, import_clips
from kinesics.data.importers.source import Options
from kinesics.errors import UserError
from kinesics.video.reader import open_video
from tests.data.test_importers_known import notes, tree
from tests.video.numbered_video import numbered_video, numbers

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>7</id><name>day 1</name><size>100</size><source>walk.mp4</source></task></meta>
  <track id="0" label="nod" source="manual">
    <box frame="30" outside="0" keyframe="1"/>
    <box frame="31" outside="0" keyframe="0"/>
    <box frame="75" outside="1" keyframe="1"/>
    <box frame="80" outside="0" keyframe="1"><attribute name="a">b</attribute></box>
  </track>
  <track id="1" label="wave &amp; smile"><points frame="5" outside="0"/><points frame="10" outside="1"/></track>
</annotations>
"""


@pytest.fixture
def rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each video has 100 frames, 25 per second."""
    times = FrameTimes(np.arange(100) / 25, 4.0)
    monkeypatch.setattr(cvat, "frame_times", lambda paths, limits, num_workers: dict.fromkeys(paths, times))


@pytest.mark.usefixtures("rate")
def test_cvat(tmp_path: Path) -> None:
    tree(tmp_path, "walk.mp4", text={"a.xml": CVAT})
    imported = import_clips(tmp_path / "a.xml", "auto", Options())
    clips = [(e.row.labels, e.row.start_seconds, e.row.end_seconds, e.row.line) for e in imported.entries]
    assert clips == [
        (("nod",), 1.2, 3.0, 5),
        (("nod",), 3.2, 3.24, 5),
        (("wave & smile",), 0.2, 0.4, 11),
    ]
    assert {(entry.row.path, entry.row.group) for entry in imported.entries} == {
        (str(tmp_path / "walk.mp4"), "walk.mp4")
    }


@pytest.mark.usefixtures("rate")
def test_cvat_of_a_project_with_two_videos(tmp_path: Path) -> None:
    task = "<task><id>{0}</id><name>t</name><source>v{0}.mp4</source></task>"
    track = '<track id="0" label="nod" task_id="{0}"><box frame="0" outside="0"/><box frame="{0}" outside="1"/></track>'
    meta = f"<meta><project><tasks>{task.format(4)}{task.format(9)}</tasks></project></meta>"
    text = f"<annotations>{meta}{track.format(9)}{track.format(4)}</annotations>"
    tree(tmp_path, "v4.mp4", "v9.mp4", text={"p.xml": text})
    imported = import_clips(tmp_path, "cvat", Options())
    assert sorted((Path(e.row.path).name, e.row.end_seconds) for e in imported.entries) == [
        ("v4.mp4", 0.16),
        ("v9.mp4", 0.36),
    ]


def test_cvat_uses_the_rate_it_is_given_and_names_a_missing_video(tmp_path: Path) -> None:
    tree(tmp_path, text={"a.xml": CVAT.replace("<size>", "<fps>50</fps><size>"), "b.xml": CVAT})
    assert import_clips(tmp_path / "a.xml", "cvat", Options()).entries[0].row.start_seconds == 0.6
    said = notes(import_clips(tmp_path / "a.xml", "cvat", Options()))
    assert f"times by the XML's frame rate of 50, since {tmp_path / 'walk.mp4'} cannot be read: no such file" in said
    messages = notes(import_clips(tmp_path / "b.xml", "cvat", Options()))
    assert (
        f"2 tracks need the times of the frames of {tmp_path / 'walk.mp4'}, which cannot be read: no such" in messages
    )


def test_cvat_names_a_video_that_is_none(tmp_path: Path) -> None:
    tree(tmp_path, text={"a.xml": CVAT})
    (tmp_path / "walk.mp4").write_text("ffconcat version 1.0\nfile other.mkv\n")
    assert "which cannot be read: " in notes(import_clips(tmp_path / "a.xml", "cvat", Options()))


def test_cvat_takes_the_times_of_the_film(tmp_path: Path) -> None:
    """30 frames in the first second, then 10 per second: a mean rate would give other times."""
    stamps = [*(round(i * 1000 / 30) for i in range(30)), *(1000 + 100 * i for i in range(30))]
    numbered_video(tmp_path / "walk.mp4", 60, stamps=stamps, time_base=Fraction(1, 1000))
    text = CVAT.replace('frame="75"', 'frame="33"').replace('frame="80"', 'frame="70"')
    tree(tmp_path, text={"a.xml": text.replace("<size>", "<fps>25</fps><size>")})
    imported = import_clips(tmp_path / "a.xml", "cvat", Options())
    clips = [(e.row.start_seconds, e.row.end_seconds) for e in imported.entries]
    assert clips[0] == pytest.approx((1.0, 1.3), abs=1e-3)
    assert clips[2] == pytest.approx((0.167, 0.333), abs=1e-3)
    assert clips[1][0] > 4.0
    assert "the track 'nod' goes to frame 70; " in notes(imported)
    assert "has 60 frames" in notes(imported)
    reader = open_video(tmp_path / "walk.mp4", start_seconds=clips[0][0], end_seconds=clips[0][1])
    assert numbers(reader.frames_at(torch.arange(reader.num_frames))) == [30, 31, 32]
    reader.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.xml:1: not XML"),
        ("<annotations><meta>", "a.xml:1: not XML"),
        ("<html/>", "a.xml:1: found <html>; expected an XML file exported as 'CVAT for video 1.1'"),
        ("<annotations><image id='0'/></annotations>", "a.xml:1: annotated as single images"),
        ("<annotations><track label='a'/></annotations>", "names no video"),
        (CVAT.replace('frame="30"', 'frame="x"'), "a.xml:6: frame is 'x'; expected a whole number"),
        (CVAT.replace('label="nod"', ""), "a.xml:5: the label is empty"),
    ],
)
@pytest.mark.usefixtures("rate")
def test_malformed_cvat(tmp_path: Path, text: str, message: str) -> None:
    tree(tmp_path, "walk.mp4", text={"a.xml": text})
    with pytest.raises(UserError, match=message):
        import_clips(tmp_path / "a.xml", "cvat", Options())


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([], []),
        ([(3, False)], [(3, 4)]),
        ([(3, False), (9, False), (12, True), (20, False)], [(3, 12), (20, 21)]),
        ([(12, True), (3, False)], [(3, 12)]),
        ([(0, True), (1, True)], []),
    ],
)
def test_spans(shapes: list[tuple[int, bool]], expected: list[tuple[int, int]]) -> None:
    assert list(cvat.spans(shapes)) == expected
