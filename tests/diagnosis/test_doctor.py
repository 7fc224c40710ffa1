"""The doctor: says what is there, and what is broken, and never falls ill itself."""

from __future__ import annotations

import errno
import importlib.metadata
import os
import time
from pathlib import Path

import pytest

from kinesics.diagnosis import doctor, parts
from kinesics.diagnosis.doctor import Finding


@pytest.fixture(scope="module")
def findings() -> dict[str, Finding]:
    started = time.monotonic()
    found = doctor.doctor()
    assert time.monotonic() - started < 60, "seconds, on a machine that does nothing else"
    assert len({finding.name for finding in found}) == len(found), "a line a part"
    return {finding.name: finding for finding in found}


def test_all_needed_packages_are_listed_with_their_versions(findings: dict[str, Finding]) -> None:
    for name in ("torch", "av", "numpy", "lightning-fabric", "opencv-contrib-python-headless", "scikit-learn"):
        assert importlib.metadata.version(name) in findings[name].value
        assert findings[name].state == "ok", findings[name]
    assert "pytest" not in findings, "the developers' packages are not a user's matter"
    assert findings["torchcodec"].state != "missing", "an absent optional part is no fault"


def test_devices_decoders_and_room_are_told(findings: dict[str, Finding]) -> None:
    assert "threads" in findings["cpu"].value
    assert any(name.startswith("cuda") for name in findings)
    for title, _, _ in parts.CODECS:
        assert title in findings
    for name in ("python", "kinesics", "FFmpeg in av", "weights cache", "free disk"):
        assert findings[name].value


@pytest.mark.parametrize(
    ("requirement", "want"),
    [
        ("torch>=2.10", ("torch", ">=2.10", "")),
        ("torchcodec>=0.13; extra == 'fast'", ("torchcodec", ">=0.13", "fast")),
        ('ray[data] (>=2) ; extra == "cluster"', ("ray", ">=2", "cluster")),
        ("rich", ("rich", "", "")),
        ("a-b_c<3,>=1", ("a-b_c", "<3,>=1", "")),
    ],
)
def test_requirements_are_read(requirement: str, want: tuple[str, str, str]) -> None:
    assert doctor.parsed(requirement) == want


@pytest.mark.parametrize(
    ("version", "wanted", "serves"),
    [
        ("2.13.0+cpu", ">=2.10", True),
        ("2.9.1", ">=2.10", False),
        ("2.10", ">=2.10,<2.10.1", True),
        ("3.0.0.dev1", ">=2.10", True),
        ("unreadable!", ">=2.10", True),
        ("1", "", True),
    ],
)
def test_versions_are_compared(version: str, wanted: str, serves: bool) -> None:
    assert doctor.satisfies(version, wanted) is serves


def test_missing_and_old_packages_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["av>=99", "no-such-package>=1", "no-such-part>=1; extra == 'fast'", "pytest>=1; extra == 'dev'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    needed = doctor.packages()
    assert [(f.name, f.state, f.hint) for f in needed] == [
        ("av", "warning", "pip install 'av>=99'"),
        ("no-such-package", "missing", "pip install 'no-such-package>=1'"),
    ]
    (optional,) = doctor.optional_parts()
    assert (optional.name, optional.state) == ("no-such-part", "ok")
    assert "kinesics[fast]" in optional.hint


def broken_package(folder: Path, name: str, code: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(code)
    (folder / name / "decoders.py").write_text("")


@pytest.mark.parametrize(
    ("part", "code", "says"),
    [
        ("torchvision", "raise RuntimeError('operator torchvision::nms does not exist')", "nms does not exist"),
        ("torchcodec", "raise OSError('libavutil.so.59: cannot open shared object file')", "libavutil"),
        ("torchcodec", "import os; os.abort()", "ends the process"),
        ("torchcodec", "print('noise'); import sys; sys.exit(3)", "fails"),
        ("torchcodec", "class Odd(Exception): pass\nraise Odd('odd')", "odd"),
        ("torchvision", "import time; time.sleep(60)", "no answer"),
    ],
)
def test_a_broken_build_becomes_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, code: str, says: str
) -> None:
    broken_package(tmp_path, part, code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    limit = 3.0 if "sleep" in code else 60.0
    (found,) = doctor.examine_apart(part, limit_seconds=limit)
    assert (found.name, found.state) == (part, "warning")
    assert says in found.value
    assert found.hint
    if part == "torchvision" and "raise" in code:
        assert "pip uninstall torchvision" in found.hint


def test_a_part_that_works_is_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_package(tmp_path, "torchcodec", "print('chatter on import')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (found,) = doctor.examine_apart("torchcodec")
    assert (found.name, found.state) == ("torchcodec", "ok")


def test_a_broken_package_takes_the_place_of_its_version() -> None:
    lines = doctor.merged(
        [Finding("torch", "2.13.0"), Finding("av", "18.1.0"), Finding("rich", "not installed", "missing", "pip …")],
        [
            Finding("torch", "imports"),
            Finding("av", "does not import: x", "warning", "y"),
            Finding("rich", "no", "warning"),
        ],
    )
    assert lines == [
        Finding("torch", "2.13.0"),
        Finding("av", "18.1.0 does not import: x", "warning", "y"),
        Finding("rich", "not installed", "missing", "pip …"),
    ]
    assert doctor.merged([], [Finding("cpu", "2 threads")]) == [Finding("cpu", "2 threads")]


def test_absent_codecs_are_told() -> None:
    def codec(name: str, mode: str) -> str:
        if name in ("h264", "vp9"):
            return name
        raise ValueError(name)

    found = {finding.name: finding.state for finding in parts.codecs(codec)}
    assert [name for name, state in found.items() if state == "ok"] == ["H.264 decoder", "VP9 decoder"]


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert doctor.cache({"KINESICS_CACHE": str(tmp_path / "new/deep")}).state == "ok"
    assert not (tmp_path / "new").exists(), "asking leaves nothing behind"
    found = doctor.cache({"KINESICS_CACHE": str(tmp_path / "file")})
    assert found.state == "warning"
    assert os.strerror(errno.ENOTDIR) in found.value


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    assert doctor.disk(tmp_path).state == "ok"
    assert doctor.disk(tmp_path / "gone").state == "warning"
    assert doctor.shared_memory(tmp_path / "gone") == []


def test_little_shared_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MIN_SHM_MIB", 1e12)
    (found,) = doctor.shared_memory(tmp_path)
    assert (found.state, "--shm-size" in found.hint) == ("warning", True)
