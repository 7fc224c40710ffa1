"""Splits and folds: no leakage, the requested shares, the same for the same seed."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinesics.data.manifest import Row
from kinesics.data.splits import assign_folds, assign_split
from kinesics.errors import UserError


def clips(counts: dict[str, int], group: str = "") -> list[Row]:
    return [Row(f"{name}/{i}.mp4", (name,), group=group) for name, count in counts.items() for i in range(count)]


def by_class(rows: Sequence[Row]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row.labels[0]][row.split] += 1
    return counts


@pytest.mark.parametrize(
    ("count", "expected"),
    [(100, (70, 15, 15)), (20, (14, 3, 3)), (10, (7, 2, 1)), (5, (3, 1, 1))],
)
def test_every_class_is_shared_out_alike(count: int, expected: tuple[int, int, int]) -> None:
    for counts in by_class(assign_split(clips({"a": count, "b": count}), seed=3)).values():
        sizes = counts["train"], *sorted((counts["val"], counts["test"]), reverse=True)
        assert sizes == expected


def test_groups_and_equal_content_stay_together() -> None:
    rows = [Row(f"{i}.mp4", ("ab"[i % 2],), group=f"s{i // 4}") for i in range(40)]
    rows += [Row(f"copy{i}.mp4", ("ab"[i % 2],), digest=f"d{i // 2}") for i in range(20)]
    rows += [Row("film.mp4", ("a",), start_seconds=i, end_seconds=i + 1) for i in range(4)]
    assigned = assign_split(rows)
    for key in ("group", "digest", "path"):
        splits = defaultdict(set)
        for row in assigned:
            if getattr(row, key):
                splits[getattr(row, key)].add(row.split)
        assert all(len(parts) == 1 for parts in splits.values())
    assert {row.split for row in assigned} == {"train", "val", "test"}


def test_a_copy_ties_two_groups_to_one_fold() -> None:
    rows = [Row(f"{g}{c}.mp4", (c,), group=g) for g in ("s1", "s2", "s3") for c in "ab"]
    rows += [Row("x.mp4", ("a",), group="s1", digest="same"), Row("y.mp4", ("a",), group="s3", digest="same")]
    assigned = assign_folds(rows, "leave-one-group-out")
    assert {row.group: row.fold for row in assigned} == {"s1": 0, "s2": 1, "s3": 0}


def test_leave_one_group_out_numbers_groups_naturally() -> None:
    rows = [Row(f"{g}{c}.mp4", (c,), group=g) for g in ("s10", "s9", "s1") for c in "ab"]
    assert {row.group: row.fold for row in assign_folds(rows, "leave-one-group-out")} == {"s1": 0, "s9": 1, "s10": 2}


def test_rows_that_are_not_usable_get_nothing() -> None:
    rows = [*clips({"a": 20, "b": 20}), Row("bad.mp4", ("a",), "train", 3, status="error")]
    assert assign_split(rows)[-1].split == ""
    assert assign_folds(rows, 5)[-1].fold is None
    assert sorted(Counter(row.fold for row in assign_folds(rows, 5)[:-1]).items()) == [(i, 8) for i in range(5)]


def test_three_groups_fill_three_splits() -> None:
    rows = [Row(f"{g}{c}{i}.mp4", (c,), group=g) for g in ("s1", "s2", "s3") for c in "ab" for i in range(3)]
    assigned = assign_split(rows, "group", 0.15, 0.15)
    assert {frozenset(r.split for r in assigned if r.group == g) for g in ("s1", "s2", "s3")} == {
        frozenset({"train"}),
        frozenset({"val"}),
        frozenset({"test"}),
    }


def test_no_share_no_split() -> None:
    assert {row.split for row in assign_split(clips({"a": 9}), val=0, test=0.2)} == {"train", "test"}
    assert {row.split for row in assign_split(clips({"a": 9}), val=0, test=0)} == {"train"}


def test_a_class_with_one_clip_is_trained_on() -> None:
    assigned = assign_split(clips({"a": 30, "b": 1}))
    assert assigned[-1].split == "train"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: assign_split(clips({"a": 9}), "group"), "a/0.mp4 has no group"),
        (lambda: assign_split(clips({"a": 9}, "s1"), "group"), "1 groups cannot be divided into train, val, test"),
        (lambda: assign_split(clips({"a": 2})), "2 clips that may be separated"),
        (lambda: assign_split(clips({"a": 9}), val=0.6, test=0.4), "leave nothing to train on"),
        (lambda: assign_split(clips({"a": 9}), val=-0.1), "leave nothing to train on"),
        (lambda: assign_split(clips({"a": 9}), "grup"), "found 'grup'"),  # type: ignore[arg-type]
        (lambda: assign_split(clips({"a": 1, "b": 1, "c": 1})), "stay empty, or a class untrained"),
        (lambda: assign_folds(clips({"a": 3}), 4), "3 groups cannot be divided into 4 folds"),
        (lambda: assign_folds(clips({"a": 3}), 1), "expected at least 2"),
        (lambda: assign_folds(clips({"a": 3}), "all"), "expected a number or leave-one-group-out"),
        (lambda: assign_folds(clips({"a": 3}), "leave-one-group-out"), "a/0.mp4 has no group"),
        (lambda: assign_folds(clips({"a": 3}, "s1"), "leave-one-group-out"), "belong to one group"),
        (lambda: assign_folds([*clips({"a": 9}), Row("b.mp4", ("b",))], 3), "all clips of the class 'b' are in fold"),
    ],
)
def test_impossible_splits_are_reported(call: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        call()  # type: ignore[operator]


@st.composite
def grouped_rows(draw: st.DrawFn) -> list[Row]:
    count = draw(st.integers(12, 60))
    return [
        Row(
            f"{i}.mp4",
            tuple(draw(st.sampled_from([("a",), ("b",), ("a", "b")]))),
            group=draw(st.sampled_from(["", "", "s1", "s2", "s3", "s4", "s5", "s6"])),
            digest=draw(st.sampled_from(["", "", "", "d1", "d2"])),
            status=draw(st.sampled_from(["ok", "ok", "ok", "partial", "error"])),
        )
        for i in range(count)
    ]


@settings(max_examples=60, deadline=None)
@given(grouped_rows(), st.integers(0, 5), st.integers(2, 4))
def test_no_leak_no_loss_no_dependence_on_order(rows: list[Row], seed: int, k: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    for assign, name in (
        (lambda given: assign_split(given, seed=seed), "split"),
        (lambda given: assign_folds(given, k, seed), "fold"),
    ):
        try:
            assigned = assign(rows)
        except UserError:
            continue  # too few units: the error is tested above
        assert [row.path for row in assigned] == [row.path for row in rows]
        assert all((getattr(row, name) in ("", None)) == (not row.usable) for row in assigned)
        for key in ("group", "digest"):
            places = defaultdict(set)
            for row in assigned:
                if row.usable and getattr(row, key):
                    places[getattr(row, key)].add(getattr(row, name))
            assert all(len(parts) == 1 for parts in places.values())
        again = {row.path: getattr(row, name) for row in assign(shuffled)}
        assert again == {row.path: getattr(row, name) for row in assigned}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(6, 40), min_size=1, max_size=5), st.integers(2, 5))
def test_folds_of_single_clips_differ_by_little(counts: list[int], k: int) -> None:
    assigned = assign_folds(clips({f"c{i}": count for i, count in enumerate(counts)}), k)
    for name in {row.labels[0] for row in assigned}:
        sizes = Counter(row.fold for row in assigned if row.labels[0] == name)
        assert max(sizes.values()) - min(sizes.get(i, 0) for i in range(k)) <= 2


def test_another_seed_is_another_split() -> None:
    rows = clips({"a": 40, "b": 40})
    assert assign_split(rows, seed=0) != assign_split(rows, seed=1)
