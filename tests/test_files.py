"""Files are written whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kinesics.errors import KinesicsError, UserError
from kinesics.files import atomic_path, read_json, read_text, remove_unfinished, to_json, write_json, write_text


def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new", encoding="utf-8")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert read_text(tmp_path / "a.txt", "a text") == "old"
    with pytest.raises(UserError, match="no such file; expected a text"):
        read_text(tmp_path / "b.txt", "a text")


def test_what_a_killed_process_began_is_removed_and_nothing_else(tmp_path: Path) -> None:
    wanted = tmp_path / "a[1].flow.mkv"
    with atomic_path(wanted) as temporary:
        temporary.write_text("x", encoding="utf-8")
        begun = temporary.with_name(temporary.name)
    begun.write_text("half", encoding="utf-8")
    others = [tmp_path / "a[1].flow.mkv", tmp_path / ".a[1].flow.mkv", tmp_path / ".b.flow.12345678.mkv"]
    for other in others[1:]:
        other.write_text("x", encoding="utf-8")
    remove_unfinished(wanted)
    assert sorted(tmp_path.iterdir()) == sorted(others)


@pytest.mark.parametrize("writer", ["torch", "safetensors", "bytes"])
def test_a_full_disk_is_named_whoever_writes(tmp_path: Path, writer: str) -> None:
    """A limit on the size of files stands for the full disk: libraries tell of both in the same way."""
    many = torch.zeros(500_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        refused = pytest.raises(KinesicsError, match=r"cannot write .*model\.bin: File too large")
        with refused, atomic_path(tmp_path / "model.bin") as temporary:
            if writer == "torch":
                torch.save(many, temporary)
            elif writer == "safetensors":
                save_file({"many": many}, temporary)
            else:
                temporary.write_bytes(many.numpy().tobytes())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="another"), atomic_path(tmp_path / "model.bin"):
        raise RuntimeError("another")


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_a_file_has_the_permissions_of_any_new_file(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "a.bin") as temporary:
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))  # as some libraries write theirs
    finally:
        os.umask(before)
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o666 & ~umask


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    names: tuple[str, ...]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        ({"a": [float("inf"), (-float("inf"), 1.5)]}, {"a": [None, [None, 1.5]]}),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), None),
        ({"a": np.array([1.0, np.nan])}, {"a": [1.0, None]}),
        (np.bool_(True), True),
        (Path("a/b"), "a/b"),
        (Point(float("nan"), ("ü",)), {"x": None, "names": ["ü"]}),
        ({1: True}, {"1": True}),
        ("clip\udcff.mp4", "clip\udcff.mp4"),
    ],
)
def test_json_has_no_bare_nan(tmp_path: Path, value: object, expected: object) -> None:
    text = to_json(value)
    assert json.loads(text, parse_constant=lambda word: pytest.fail(word)) == expected
    write_json(tmp_path / "a.json", {"value": value})
    assert read_json(tmp_path / "a.json", "a value") == {"value": expected}


@pytest.mark.parametrize(
    ("text", "message"), [("[1]", "not a JSON object"), ("{", "not JSON"), ("[" * 99_999, "not JSON")]
)
def test_json_of_another_kind_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=rf"a\.json: {message}.*; expected a record"):
        read_json(tmp_path / "a.json", "a record")
