"""Which rows are of the same video: by content, by name, and where a content is there twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinesics.errors import UserError
from kinesics.metrics.accuracy import pool
from kinesics.metrics.matching import common_clips, rows_like
from kinesics.values import Scores


def scores(ids: str, digests: str, labels: str = "") -> Scores:
    """A video for each letter; its logits say which row it was."""
    targets = np.array([[label == "x", label == "y"] for label in labels or "x" * len(ids)])
    logits = np.stack([np.arange(len(ids)), np.zeros(len(ids))], axis=1).astype(np.float32)
    return Scores(tuple(ids), logits, targets, ("x", "y"), digests=tuple(digests))


@pytest.mark.parametrize(
    ("first", "other", "rows"),
    [
        (("abc", "123"), ("pqr", "312"), [1, 2, 0]),  # by content, whatever the names
        (("abc", "123"), ("cab", "312"), [1, 2, 0]),
        (("abc", ""), ("cab", "312"), [1, 2, 0]),  # by name where one has no digests
        (("abc", "113"), ("bac", "113"), [1, 0, 2]),  # the same content twice: by name
        (("abc", "113"), ("qpr", "113"), [1, 0, 2]),  # and without a common name in the order of the names
        (("abc", "113"), ("bqr", "113"), [0, 1, 2]),
    ],
)
def test_rows_meet(first: tuple[str, str], other: tuple[str, str], rows: list[int]) -> None:
    assert rows_like(scores(*first), scores(*other), "first", "other") == rows


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (scores("pq", "12"), "other: .*it lacks c$"),
        (scores("pqrs", "1234"), "other: .*it also has s$"),
        (scores("abc", "124"), "it lacks c; it also has c; the content of c is not the same"),
        (scores("pqr", "123", "xxy"), "other labels than in first for c"),
        (scores("pqrs", "1123"), "it also has q$"),  # one more with the content of a
    ],
)
def test_what_does_not_meet_is_named(other: Scores, message: str) -> None:
    with pytest.raises(UserError, match=message):
        rows_like(scores("abc", "123"), other, "first", "other")


def test_common_clips_have_the_names_of_the_first() -> None:
    shared, num_left_out = common_clips({"first": scores("abc", "123"), "other": scores("pqrs", "3145")})
    assert num_left_out == 3
    assert shared["first"].ids == shared["other"].ids == ("a", "c")
    assert shared["other"].digests == ("1", "3")
    assert shared["other"].logits[:, 0].tolist() == [1, 0]
    copies, num_left_out = common_clips({"first": scores("abc", "112"), "other": scores("bc", "12")})
    assert (copies["first"].ids, num_left_out) == (("b", "c"), 1)


def test_digests_are_saved_pooled_and_checked(tmp_path: Path) -> None:
    found = scores("ab", "12")
    found.save(tmp_path / "scores.npz")
    assert Scores.load(tmp_path / "scores.npz").digests == ("1", "2")
    replace(found, digests=()).save(tmp_path / "without.npz")
    assert Scores.load(tmp_path / "without.npz").digests == ()
    assert pool([found, scores("c", "3")]).digests == ("1", "2", "3")
    assert pool([found, scores("c", "")]).digests == ()
    with pytest.raises(ValueError, match="as many digests or none, found 1"):
        scores("ab", "1")


def test_a_score_file_of_before_digests_is_read(tmp_path: Path) -> None:
    found = scores("ab", "12")
    found.save(tmp_path / "scores.npz")
    with np.load(tmp_path / "scores.npz") as file:
        arrays = {name: file[name] for name in file.files if name != "digests"}
    np.savez_compressed(tmp_path / "old.npz", **arrays)
    assert Scores.load(tmp_path / "old.npz").digests == ()
