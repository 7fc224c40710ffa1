"""Decoding in processes that can be killed: one file's crash or hang never stops the work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinesics.data.manifest import Row
from kinesics.data.verify import verify
from kinesics.errors import KinesicsError
from kinesics.video.integrity import decode_whole
from kinesics.video.write import write_video
from kinesics.workers.limits import Limits
from tests.listeners import Heard

DECODER = """
import os, signal, time
from kinesics.video.integrity import Check

def decode(path, *, start_seconds=None, end_seconds=None, fps=None, max_pixels=None, alive=None):
    with open(path.parent / "decoded", "a") as file:
        file.write(f"{os.getpid()} {path.name}\\n")
    what = path.read_text()
    print("a library that prints")
    if what == "hang":
        while True:
            pass
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "sleep":
        time.sleep(600)
    if what == "long":  # 4 s for 1000 frames
        until = time.process_time() + 4
        while time.process_time() < until:
            alive(1)
    if what == "exit":
        os._exit(3)
    if what == "raise":
        raise RuntimeError("no such\\ncodec")
    if what == "memory":
        hog = [bytearray(2**26) for _ in range(64)]
    if what == "slow":
        time.sleep(0.4)
    return Check("ok", "", max_pixels or 1, 25.0, 2, 2, 0.04, what)
"""
CHECK = "decoder_of_the_test:decode"


@pytest.fixture
def decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a decoder that does what the file says; `decoded` lists its calls."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/decoder_of_the_test.py").write_text(DECODER)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    return tmp_path


def files(folder: Path, *contents: str) -> list[Row]:
    """Rows of files with these contents."""
    rows = []
    for index, content in enumerate(contents):
        path = folder / f"{index}.mp4"
        path.write_text(content)
        rows.append(Row(str(path), ("a",)))
    return rows


def decoded(folder: Path) -> list[str]:
    """Names of the files that the decoder was called for."""
    path = folder / "decoded"
    return sorted(line.split()[1] for line in path.read_text().splitlines()) if path.exists() else []


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs limits of memory and processor time")
def test_what_a_file_does_to_its_process_concerns_no_other(decoder: Path) -> None:
    contents = ["one", "hang", "crash", "two", "exit", "raise", "memory", "three", "killed", "sleep", "long", "four"]
    heard = Heard()
    results = verify(
        files(decoder, *contents),
        limits=Limits(timeout_seconds=2.0, stall_seconds=12.0, memory_gib=0.5, max_pixels=7),
        workers=2,
        listener=heard,
        check=CHECK,
    )
    by_content = {content: (check.status, check.reason) for content, check in zip(contents, results, strict=True)}
    assert by_content == {
        **dict.fromkeys(["one", "two", "three", "four", "long"], ("ok", "")),
        "hang": ("timeout", "took more than 2 s of processor time (timeout_seconds)"),
        "sleep": ("timeout", "no sign of life for 12 s (stall_seconds)"),
        "crash": ("error", "crashed its process (SIGSEGV)"),
        "killed": ("error", "crashed its process (SIGKILL) (is the machine out of memory?)"),
        "exit": ("error", "crashed its process (exit code 3)"),
        "raise": ("error", "RuntimeError: codec"),
        "memory": ("error", "needs more than 0.5 GiB of memory (memory_gib)"),
    }
    assert results[0].digest == "one"
    assert results[0].num_frames == 7
    assert heard.progress == [(i, 12) for i in range(13)]
    assert len(decoded(decoder)) == 12


def test_each_decoded_frame_is_a_sign_of_life(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [np.full((16, 16, 3), number, np.uint8) for number in range(7)])
    (tmp_path / "frames").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"frames/{number}.png"), np.zeros((16, 16, 3), np.uint8))
    for path, fps, num_frames in ((tmp_path / "a.mp4", None, 7), (tmp_path / "frames", 25.0, 3)):
        signs: list[int] = []
        assert decode_whole(path, fps=fps, alive=signs.append).status == "ok"
        assert sum(signs) == num_frames


def test_nothing_to_do_starts_nothing(decoder: Path) -> None:
    assert verify([], check=CHECK) == []


def test_a_decoder_that_is_not_there_is_named() -> None:
    with pytest.raises(KinesicsError, match=r"'no_such_module:decode': No module named 'no_such_module'"):
        verify([Row("/a.mp4", ("a",))], check="no_such_module:decode")


def test_the_journal_spares_what_has_not_changed(decoder: Path) -> None:
    rows = files(decoder, "one", "crash", "two")
    journal = decoder / "set.journal.jsonl"
    first = verify(rows, journal=journal, check=CHECK, workers=1)
    with journal.open("a") as file:
        file.write('{"key": "torn')
    assert verify(rows, journal=journal, check=CHECK, workers=1) == first
    assert decoded(decoder) == ["0.mp4", "1.mp4", "2.mp4"]
    Path(rows[0].path).write_text("changed")
    again = verify(rows, journal=journal, check=CHECK, workers=1)
    assert again[0].digest == "changed"
    assert again[1:] == first[1:]
    assert decoded(decoder) == ["0.mp4", "0.mp4", "1.mp4", "2.mp4"]
    # with other limits, what failed is tried again and what succeeded is not
    verify(rows, journal=journal, check=CHECK, workers=1, limits=Limits(timeout_seconds=90))
    assert decoded(decoder) == ["0.mp4", "0.mp4", "1.mp4", "1.mp4", "2.mp4"]
    assert all(json.loads(line)["key"] for line in journal.read_text().splitlines() if "torn" not in line)


def test_a_journal_that_cannot_be_written_is_an_error(decoder: Path) -> None:
    (decoder / "j").mkdir()
    with pytest.raises(KinesicsError, match="cannot write"):
        verify(files(decoder, "one"), journal=decoder / "j", check=CHECK)


SCRIPT = """
import signal
import sys
from pathlib import Path
from kinesics.data.manifest import Row
from kinesics.data.verify import verify
rows = [Row(str(p), ("a",)) for p in sorted(Path(sys.argv[1]).glob("*.mp4"))]
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where the tests run in the background
verify(rows, journal=Path(sys.argv[1], "j.jsonl"), workers=2, check="decoder_of_the_test:decode")
"""


def start_script(folder: Path) -> subprocess.Popen[bytes]:
    """A process of its own that verifies the folder; returns when it has decoded a few files.

    The script has no `if __name__ == "__main__"` guard, as users' have none.
    """
    script = folder / "script.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join([str(folder / "code"), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while len(decoded(folder)) < 4 and time.monotonic() < until:
        time.sleep(0.05)
    return process


def decoder_ids(folder: Path) -> set[int]:
    """The processes that decoded."""
    return {int(line.split()[0]) for line in (folder / "decoded").read_text().splitlines()}


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
def test_an_interrupt_leaves_no_process_and_the_next_call_goes_on(decoder: Path) -> None:
    rows = files(decoder, *["slow"] * 9, "hang")
    process = start_script(decoder)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.wait(timeout=20) != 0
    assert all(gone(pid) for pid in decoder_ids(decoder))
    finished = len((decoder / "j.jsonl").read_text().splitlines())
    assert 0 < finished < 9
    before = len(decoded(decoder))
    Path(rows[9].path).write_text("fine")
    results = verify(rows, journal=decoder / "j.jsonl", check=CHECK)
    assert {check.status for check in results} == {"ok"}
    assert len(decoded(decoder)) - before == 10 - finished


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
def test_decoders_end_when_their_parent_is_killed(decoder: Path) -> None:
    files(decoder, *["slow"] * 30)
    process = start_script(decoder)
    process.kill()
    process.wait(timeout=20)
    until = time.monotonic() + 20
    while time.monotonic() < until and not all(gone(pid) for pid in decoder_ids(decoder)):
        time.sleep(0.1)
    assert all(gone(pid) for pid in decoder_ids(decoder))
