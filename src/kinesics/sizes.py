"""Sizes of frames and crops, as the settings write them: 224, "340x256" (width x height), "256-320".

The settings, `ViewPlan` and the JSON files keep a size as it is written. What it means is read here: `Size` and
`Resize`. The order is width x height, as the papers write 340x256; tensors are (…, H, W), and so is `Size`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from kinesics.checks import Form

MOST_PIXELS = 8192
"""The longest side of a frame or crop."""
SIDES = re.compile("([0-9]+)x([0-9]+)")
SHORT_SIDES = re.compile("([0-9]+)-([0-9]+)")


class Size(NamedTuple):
    """Height and width in pixels. Its text is width x height.

    >>> print(Size(height=256, width=340))
    340x256
    """

    height: int
    width: int

    @staticmethod
    def of(setting: int | str) -> Size:
        """What a setting of a size means: 224 is a square, "340x256" is 340 wide and 256 high. Raises ValueError.

        >>> Size.of("340x256")
        Size(height=256, width=340)
        """
        if isinstance(setting, str) and (sides := SIDES.fullmatch(setting)):
            return Size(pixels(int(sides[2])), pixels(int(sides[1])))
        return Size(pixels(setting), pixels(setting))

    @property
    def setting(self) -> int | str:
        """How the settings write it."""
        return self.height if self.height == self.width else str(self)

    @property
    def num_pixels(self) -> int:
        """Height times width."""
        return self.height * self.width

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    def largest_in(self, height: int, width: int) -> Size:
        """The largest size of this shape in a frame.

        >>> Size(2, 3).largest_in(100, 400)
        Size(height=100, width=150)
        """
        if height * self.width <= width * self.height:
            return Size(height, max(1, round(height * self.width / self.height)))
        return Size(max(1, round(width * self.height / self.width)), width)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Resize:
    """What frames are resized to: exactly `exact`, also frames of another shape, or else to a short side.

    lowest, highest: the range of the short side, most often one number; the aspect ratio is kept. With `exact` they are
    its own short side.
    """

    lowest: int
    highest: int
    exact: Size | None = None

    @staticmethod
    def of(setting: int | str) -> Resize:
        """What a setting means: 256 is a short side, "340x256" is exact, "256-320" is a range. Raises ValueError."""
        if isinstance(setting, str):
            if SIDES.fullmatch(setting):
                exact = Size.of(setting)
                return Resize(min(exact), min(exact), exact)
            if sides := SHORT_SIDES.fullmatch(setting):
                lowest, highest = pixels(int(sides[1])), pixels(int(sides[2]))
                if lowest > highest:
                    raise ValueError(f"the range {setting} begins with its higher end")
                return Resize(lowest, highest)
        return Resize(pixels(setting), pixels(setting))

    @property
    def setting(self) -> int | str:
        """How the settings write it."""
        if self.exact:
            return str(self.exact)
        return self.lowest if self.lowest == self.highest else f"{self.lowest}-{self.highest}"

    @property
    def fixed(self) -> Resize:
        """Without a range: to its lowest short side."""
        return Resize(self.lowest, self.lowest, self.exact)

    @property
    def smallest(self) -> Size:
        """What fits into all resized frames, of landscape and of portrait videos."""
        return self.exact or Size(self.lowest, self.lowest)

    @property
    def limit(self) -> str:
        """In words, the largest crop that fits into all resized frames."""
        return f"at most {self.smallest.width} wide and {self.smallest.height} high"

    def holds(self, crop: Size) -> bool:
        """Whether a crop fits into all resized frames."""
        return crop.height <= self.smallest.height and crop.width <= self.smallest.width

    def fit(self, height: int, width: int) -> Size:
        """The size that a frame gets. A short side that lies in the range stays, another goes to the nearer end.

        >>> Resize.of(256).fit(720, 1280), Resize.of("340x256").fit(1280, 720), Resize.of("256-320").fit(300, 400)
        (Size(height=256, width=455), Size(height=256, width=340), Size(height=300, width=400))
        """
        if self.exact:
            return self.exact
        short_side = min(max(min(height, width), self.lowest), self.highest)
        if height <= width:
            return Size(short_side, max(1, round(width * short_side / height)))
        return Size(max(1, round(height * short_side / width)), short_side)


def pixels(value: int | str) -> int:
    """A number of pixels from 1 to MOST_PIXELS. Raises ValueError for anything else."""
    if isinstance(value, str):
        raise ValueError(f"{value!r} is neither a number of pixels nor width x height")
    if not 1 <= value <= MOST_PIXELS:
        raise ValueError(f"{value} is not from 1 to {MOST_PIXELS}")
    return value


def _plain_resize(value: int | str) -> int | str:
    """The setting of a resize without a range. Raises ValueError."""
    resize = Resize.of(value)
    if resize != resize.fixed:
        raise ValueError(f"{value} is a range, which only training takes")
    return resize.setting


NUMBER_WORDS = f"a whole number from 1 to {MOST_PIXELS}"
SizeSetting = Annotated[
    int | str, Form(lambda value: Size.of(value).setting, f"{NUMBER_WORDS}, or WIDTHxHEIGHT such as 256x224")
]
"""A size: the side of a square, or width x height."""
ResizeSetting = Annotated[
    int | str, Form(_plain_resize, f"{NUMBER_WORDS} (the short side), or WIDTHxHEIGHT such as 340x256")
]
"""What frames are resized to: a short side, or exactly width x height."""
RangeSetting = Annotated[
    int | str,
    Form(
        lambda value: Resize.of(value).setting,
        f"{NUMBER_WORDS} (the short side), WIDTHxHEIGHT such as 340x256, or LOWEST-HIGHEST such as 256-320",
    ),
]
"""What frames are resized to in training: also a range, from which the short side of each clip is drawn."""
