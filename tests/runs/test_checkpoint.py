"""A checkpoint says its format; another one is named, and so is a file that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from kinesics.errors import UserError
from kinesics.runs.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint

STATE: dict[str, Any] = {"progress": {"epoch": 3}, "model": {"w": torch.ones(2)}, "optimizer": {}}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, STATE)
    assert load_checkpoint(tmp_path)["progress"] == {"epoch": 3}
    with pytest.raises(UserError, match="no such file; expected the checkpoint of a training"):
        load_checkpoint(tmp_path / "other")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (STATE, "format unknown, written by kinesics of an earlier version; kinesics .* reads format 1"),
        ({**STATE, "format": 2, "version": "9.0"}, r"format 2, written by kinesics 9\.0; kinesics .* reads format 1"),
        ([1], "not a checkpoint of kinesics"),
        ({"model": {}}, "not a checkpoint of kinesics"),
    ],
)
def test_another_format_is_named(tmp_path: Path, state: Any, message: str) -> None:
    (tmp_path / "last").mkdir()
    torch.save(state, tmp_path / CHECKPOINT)
    with pytest.raises(UserError, match=rf"training\.pt: {message}"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last").mkdir()
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(UserError, match="not a checkpoint of kinesics"):
        load_checkpoint(tmp_path)
