"""Flow of a whole manifest: one file per video, also where some videos fail, and later only the missing ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from kinesics.data.extract_flow import extract_flow, extract_one
from kinesics.data.manifest import Manifest, Row, read_manifest, write_manifest
from kinesics.errors import UserError
from kinesics.flow.flow_folder import FlowFolder, FlowSettings
from kinesics.values import VideoItem
from kinesics.video.flow_file import pixels, read_flow, read_info
from kinesics.video.write import write_video
from tests.listeners import Heard

QUICK = FlowSettings(method="dis", short_side=32)


@pytest.fixture(scope="module")
def broken_set(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good videos, one of them in two rows, and a text file."""
    folder = tmp_path_factory.mktemp("flow")
    rows = [Row(str(tiny_set.parent / row.path), row.labels) for row in read_manifest(tiny_set).rows[:3]]
    rows.append(Row(rows[0].path, rows[0].labels, start_seconds=0.25, end_seconds=0.75))
    (folder / "text.mp4").write_text("no video")
    rows.append(Row("text.mp4", ("left",)))
    write_manifest(Manifest(folder / "set.csv", tuple(rows)), folder / "set.csv")
    return folder / "set.csv"


def test_one_bad_video_stops_nothing_and_a_second_call_does_what_is_left(broken_set: Path, tmp_path: Path) -> None:
    heard = Heard()
    report = extract_flow(broken_set, tmp_path / "flow", **asdict(QUICK), num_workers=2, listener=heard)
    assert [outcome.id for outcome in report.failed] == ["text.mp4"]
    assert "not a video" in report.failed[0].error
    assert heard.progress[0] == (0, 5)
    assert heard.progress[-1] == (5, 5)
    items = read_manifest(broken_set).items()
    numbers = [read_info(FlowFolder(tmp_path / "flow", QUICK).file(item.id)).num_frames for item in items[:4]]
    assert numbers == [12, 12, 12, 6]
    kept = FlowFolder(tmp_path / "flow", QUICK).file(items[0].id)
    before = kept.stat().st_mtime_ns
    FlowFolder(tmp_path / "flow", QUICK).file(items[1].id).unlink()
    again = extract_flow(broken_set, tmp_path / "flow", **asdict(QUICK), num_workers=1)
    assert (again.kept, len(again.done), len(again.failed)) == (3, 2, 1)
    assert kept.stat().st_mtime_ns == before
    assert json.loads((tmp_path / "flow" / "flow.report.json").read_text())["kept"] == 3


def test_flow_of_other_settings_is_not_mixed_in(tmp_path: Path, tiny_set: Path) -> None:
    (tmp_path / "flow.json").write_text(json.dumps({"method": "tvl1", "bound": 20.0, "short_side": 32, "warp": False}))
    with pytest.raises(UserError, match="holds flow of method tvl1; name another folder"):
        extract_flow(tiny_set, tmp_path, **asdict(QUICK))
    (tmp_path / "flow.json").write_text("[]")
    with pytest.raises(UserError, match="not the settings"):
        extract_flow(tiny_set, tmp_path, **asdict(QUICK))


@pytest.mark.parametrize("label", ["left", "right"])
def test_a_square_that_moves_has_flow_its_way(tiny_set: Path, tmp_path: Path, label: str) -> None:
    item = next(item for item in read_manifest(tiny_set).items() if label in item.id)
    path = FlowFolder(tmp_path, QUICK).file(item.id)
    outcome = extract_one(item, path, FlowSettings("farneback", short_side=64))
    flow = pixels(read_flow(path), 20.0)
    assert flow.shape == (12, 2, 64, 64)
    assert outcome.num_frames == 12
    assert np.array_equal(flow[10], flow[11])  # the last frame repeats the flow before it
    mean_right = np.sort(np.abs(flow[3, 0]).ravel())[-100:].mean() * np.sign(flow[3, 0].sum())
    assert (mean_right > 1) if label == "right" else (mean_right < -1)


def test_a_single_frame_does_not_move(tmp_path: Path) -> None:
    write_video(tmp_path / "one.mp4", [np.full((32, 32, 3), 90, np.uint8)])
    path = tmp_path / "one.flow.mkv"
    extract_one(VideoItem("one", tmp_path / "one.mp4"), path, QUICK)
    assert (read_flow(path) == 128).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "tvl2"}, "did you mean 'tvl1'"),
        ({"bound": 0.0}, "bound above 0"),
        ({"bound": float("nan")}, "flow bound is nan; expected a number"),
        ({"short_side": 2}, "16 pixels"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        FlowSettings(**values)  # type: ignore[arg-type]


def test_no_time_to_wait_is_refused(tiny_set: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="stall_seconds is 0; expected a number above 0"):
        extract_flow(tiny_set, tmp_path / "flow", **asdict(QUICK), stall_seconds=0)
    assert not (tmp_path / "flow").exists()
