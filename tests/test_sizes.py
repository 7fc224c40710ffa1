"""Sizes as the settings write them: width x height, short sides and ranges, and what frames of any shape become."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinesics.checks import checked
from kinesics.errors import UserError
from kinesics.sizes import RangeSetting, Resize, ResizeSetting, Size, SizeSetting

WRONG = (
    "256",
    "340x",
    "x256",
    "0x256",
    "340x0",
    "axb",
    "340×256",
    "340 x 256",
    "-5",
    "",
    "8193",
    "340x8193",
    "1.5",
    "9" * 5000 + "x256",
)
RANGES = ("256-320", "300-301")
WRONG_RANGES = ("320-256", "256-", "-320", "0-320", "256-8193", "256-320-400", "256x256-320x320")


@pytest.mark.parametrize(
    ("setting", "size", "plain"),
    [
        (224, (224, 224), 224),
        ("224x224", (224, 224), 224),
        ("340x256", (256, 340), "340x256"),  # as the papers write it: width 340, height 256
        ("0340x0256", (256, 340), "340x256"),
        ("1x8192", (8192, 1), "1x8192"),
    ],
)
def test_a_size_is_width_x_height(setting: int | str, size: tuple[int, int], plain: int | str) -> None:
    assert Size.of(setting) == size
    assert checked(setting, SizeSetting, "size") == plain
    assert Size.of(plain) == size


@pytest.mark.parametrize(
    ("setting", "plain"),
    [
        (256, 256),
        ("256x256", "256x256"),
        ("340x256", "340x256"),
        ("256-256", 256),
        ("256-320", "256-320"),
    ],
)
def test_a_resize_keeps_its_meaning_in_its_plain_form(setting: int | str, plain: int | str) -> None:
    assert checked(setting, RangeSetting, "resize") == plain
    assert Resize.of(plain) == Resize.of(setting)


@pytest.mark.parametrize(
    "value", [*WRONG, *WRONG_RANGES, *RANGES, 0, -1, 8193, 2.5, True, None, (256, 340), {}, 10**400]
)
def test_what_is_no_size_is_refused(value: Any) -> None:
    with pytest.raises(
        UserError, match=r"^size is .*; expected a whole number from 1 to 8192, or WIDTHxHEIGHT such as"
    ):
        checked(value, SizeSetting, "size")
    with pytest.raises(
        UserError, match=r"^resize is .*; expected .* \(the short side\), or WIDTHxHEIGHT such as 340x256$"
    ):
        checked(value, ResizeSetting, "resize")
    if value not in RANGES:
        with pytest.raises(
            UserError, match=r"^resize is .*; expected .*WIDTHxHEIGHT.*, or LOWEST-HIGHEST such as 256-320$"
        ):
            checked(value, RangeSetting, "resize")


@pytest.mark.parametrize(
    ("setting", "frame", "expected"),
    [
        (256, (720, 1280), (256, 455)),
        (256, (1280, 720), (455, 256)),
        ("340x256", (720, 1280), (256, 340)),
        ("340x256", (1280, 720), (256, 340)),  # a portrait video too
        ("256-320", (720, 1280), (320, 569)),
        ("256-320", (100, 50), (512, 256)),
        ("256-320", (300, 400), (300, 400)),
    ],
)
def test_what_a_frame_becomes(setting: int | str, frame: tuple[int, int], expected: tuple[int, int]) -> None:
    assert Resize.of(setting).fit(*frame) == expected


sides = st.integers(1, 2000)


@given(sides, sides, sides, sides)
def test_the_smallest_frame_fits_into_all(height: int, width: int, one: int, other: int) -> None:
    for setting in (one, f"{one}x{other}", f"{min(one, other)}-{max(one, other)}"):
        resize = Resize.of(setting)
        frame = resize.fit(height, width)
        assert frame.height >= resize.smallest.height
        assert frame.width >= resize.smallest.width
        assert resize.fit(*frame) == frame, "a resized frame stays"
        assert resize.holds(resize.smallest)
        assert not resize.holds(Size(resize.smallest.height + 1, 1))


@given(sides, sides, sides, sides)
def test_the_largest_box_of_a_shape_touches_the_frame(height: int, width: int, one: int, other: int) -> None:
    box = Size(one, other).largest_in(height, width)
    assert box.height == height or box.width == width
    assert 1 <= box.height <= height
    assert 1 <= box.width <= width
    assert abs(box.height * other - box.width * one) <= max(one, other)  # the same shape, to a pixel
    assert Size(one, one).largest_in(height, width) == (min(height, width),) * 2
