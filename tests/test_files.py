"""Files are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinesics.errors import UserError
from kinesics.files import atomic_path, read_text, remove_unfinished, write_text


def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new", encoding="utf-8")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert read_text(tmp_path / "a.txt", "a text") == "old"
    with pytest.raises(UserError, match="wanted a text"):
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
