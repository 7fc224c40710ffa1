"""Flips: which classes change places when mirrored, and which ones need a warning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinesics.data.mirror import flip_map, unpaired
from kinesics.errors import UserError

SOMETHING = (  # of the 174 templates of Something-Something v2, all that name a side (86/87, 93/94, 166/167)
    "Pulling something from left to right",
    "Pulling something from right to left",
    "Pushing something from left to right",
    "Pushing something from right to left",
    "Turning the camera left while filming something",
    "Turning the camera right while filming something",
    "Turning the camera upwards while filming something",
    "Turning something upside down",
)
JESTER = ("Swiping Left", "Swiping Right", "Swiping Up", "Turning Hand Clockwise", "Turning Hand Counterclockwise")


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (SOMETHING, (1, 0, 3, 2, 5, 4, 6, 7)),
        (JESTER, (1, 0, 2, 4, 3)),
        (("turn left", "nod", "turn right"), (2, 1, 0)),
        (("turn_left", "turn_right"), (1, 0)),
        (("lean-left-slow", "lean-right-slow"), (1, 0)),
        (("turnLeft", "turnRight"), (1, 0)),
        (("LeftHandUp", "RightHandUp"), (1, 0)),
        (("TURN_LEFT", "TURN_RIGHT"), (1, 0)),
        (("left", "Right"), (0, 1)),  # differ by more than the word
        (("turn left", "turn right slowly"), (0, 1)),
        (("bright light", "bleft light", "leftover", "rightover"), (0, 1, 2, 3)),
        (("spin clockwise", "spin anticlockwise"), (1, 0)),
        (("left", "right", "left2right", "right2left"), (1, 0, 3, 2)),
        (("nod", "shake"), (0, 1)),
        ((), ()),
    ],
)
def test_default_pairs(classes: tuple[str, ...], expected: tuple[int, ...]) -> None:
    assert flip_map(classes) == expected


def test_pairs_of_the_user_go_first() -> None:
    classes = ("turn left", "turn right", "east", "west", "left wave")
    assert flip_map(classes, [("east", "west")]) == (1, 0, 3, 2, 4)
    assert flip_map(classes, [("turn left", "left wave")]) == (4, 1, 2, 3, 0)
    assert flip_map(classes, [("turn left", "turn left")]) == (0, 1, 2, 3, 4)


def test_wrong_pairs_are_named() -> None:
    with pytest.raises(UserError, match="unknown class in a mirror pair 'turn lefd'; did you mean 'turn left'"):
        flip_map(("turn left", "turn right"), [("turn lefd", "turn right")])
    with pytest.raises(UserError, match="class 'a' is in two mirror pairs"):
        flip_map(("a", "b", "c"), [("a", "b"), ("c", "a")])


def test_classes_without_a_counterpart_are_reported() -> None:
    classes = ("turn left", "turn right", "wave left", "nod", "upright", "spinClockwise")
    assert unpaired(classes) == ("wave left", "spinClockwise")
    assert unpaired(classes, [("wave left", "wave left")]) == ("spinClockwise",)
    assert unpaired(SOMETHING) == ()


words = st.lists(st.sampled_from(["left", "right", "turn", "Left", "clockwise", "anticlockwise", "_", " "]), max_size=4)


@given(st.lists(words.map("".join), unique=True, max_size=8))
def test_a_mirror_of_a_mirror_is_the_class_itself(classes: list[str]) -> None:
    mapped = flip_map(classes)
    assert [mapped[i] for i in mapped] == list(range(len(classes)))
