"""Augmentation and test crops of clips: uint8 (T, C, H, W) in and out, one draw for all frames of a clip.

Random numbers come only from the given generator. Clips of stacked frames have C = 3·F channels and are treated the
same way. Optical flow (C = 2·F) is named by `modality`: when it is mirrored, its x components also change their sign,
and it has no colours to jitter.

Crops are boxes (top, left, height, width) of the frame. They are resized directly to the size that the network sees:
bilinear with antialiasing, on uint8, which torch does without a float copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from kinesics.errors import UserError
from kinesics.settings import InputConfig
from kinesics.sizes import RangeSetting, Resize, Size, SizeSetting
from kinesics.video.view_plan import Modality

Box = tuple[int, int, int, int]

SCALES = (1.0, 0.875, 0.75, 0.66)
"""Sides of TSN's crops, as shares of the frame's short side."""
MAX_DISTORT = 1
"""Height and width of TSN's crops are at most this many entries of SCALES apart."""
FIXED_OFFSETS = (
    *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),  # corners and centre
    *((2, 0), (2, 4), (4, 2), (0, 2)),  # middles of the sides
    *((1, 1), (1, 3), (3, 1), (3, 3)),  # centres of the quarters
)
"""Where TSN's crops may lie: (down, right) in quarters of the free space."""
AREA = (0.25, 1.0)
"""Share of the frame that a random resized crop covers. At 0.08, as for images, small actions would be lost."""
ASPECT = (3 / 4, 4 / 3)
"""Width over height of a random resized crop, over that of `input.size`."""
ERASED_AREA = (0.02, 1 / 3)
"""Share of the crop that random erasing covers."""
ERASED_ASPECT = (0.3, 1 / 0.3)
"""Width over height of what random erasing covers."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


@dataclass(frozen=True)
class TrainTransform:
    """Crop, mirror, jitter and erase a clip and its target: (T, C, H, W), (K,) → (T, C, height, width), (K,).

    Height and width are those of `input.size`. The frames are those that `input.resize` gives.
    """

    input: InputConfig
    flip_map: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.input.modality == "flow" and self.input.color_jitter > 0:
            raise UserError("flow has no colours; set color_jitter to 0")
        mirrored_twice = [self.flip_map[i] if 0 <= i < len(self.flip_map) else -1 for i in self.flip_map]
        if mirrored_twice != list(range(len(self.flip_map))):
            raise ValueError("a flip map applied twice must give each class itself")

    def __call__(self, clip_TCHW: Tensor, target: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        settings = self.input
        height, width = clip_TCHW.shape[-2:]
        if settings.crop == "multi-scale":
            clip = resized(clip_TCHW, multi_scale_box(height, width, settings.size, generator), settings.size)
        elif settings.crop == "resized":
            shape = Size.of(settings.size).aspect
            box = resized_box(height, width, generator, aspect=(ASPECT[0] * shape, ASPECT[1] * shape))
            clip = resized(clip_TCHW, box, settings.size)
        elif settings.crop == "random":
            clip = random_crop(_fitted(clip_TCHW, settings.resize), settings.size, generator)
        else:
            clip = test_crops(clip_TCHW, resize=settings.resize, size=settings.size, crops=1)[0]
        if settings.flip:
            clip, target = random_flip(clip, target, self.flip_map, generator, settings.modality)
        if settings.color_jitter > 0:
            clip = color_jitter(clip, settings.color_jitter, generator)
        if settings.erasing > 0:
            clip = random_erasing(clip, settings.erasing, generator)
        return clip, target


def train_transform(input: InputConfig, flip_map: Sequence[int]) -> TrainTransform:
    """The augmentation by the settings `input`, as a callable (clip, target, generator) → (clip, target)."""
    return TrainTransform(input, tuple(flip_map))


def test_crops(
    clip_TCHW: Tensor, *, resize: RangeSetting, size: SizeSetting, crops: int, modality: Modality = "rgb"
) -> Tensor:
    """(T, C, H, W) → (crops, T, C, height, width): the crops of a test, of the height and width of `size`.

    1: the centre. 3: the two ends and the centre of the side that has more room. 10: the four corners, the centre, and
    the mirror images of these five in the same order. Frames of another size than `resize` gives are resized first.

    Raises:
        ValueError: `crops` is another number.
        UserError: `size` is larger than `resize`.
    """
    crop, frames = Size.of(size), Resize.of(resize)
    if not frames.holds(crop):
        raise UserError(f"crops of {size} pixels do not fit frames resized to {resize}; expected {frames.limit}")
    clip = _fitted(clip_TCHW, resize)
    down, right = clip.shape[-2] - crop.height, clip.shape[-1] - crop.width
    centre = (down // 2, right // 2)
    if crops == 1:
        corners = [centre]
    elif crops == 3 and down > right:
        corners = [(0, centre[1]), centre, (down, centre[1])]
    elif crops == 3:
        corners = [(centre[0], 0), centre, (centre[0], right)]
    elif crops == 10:
        corners = [(0, 0), (0, right), (down, 0), (down, right), centre]
    else:
        raise ValueError(f"expected 1, 3 or 10 crops, found {crops}")
    views = torch.stack([_cut(clip, (top, left, *crop)) for top, left in corners])
    return torch.cat([views, mirrored(views, modality)]) if crops == 10 else views


test_crops.__test__ = False  # type: ignore[attr-defined]  # not a test case, although pytest would collect the name


def multi_scale_box(height: int, width: int, size: SizeSetting, generator: Generator) -> Box:
    """TSN's corner and multi-scale crop: height and width from SCALES of the short side, at one of 13 fixed places.

    Where `size` is no square, they are from SCALES of the largest box of its shape; TSN's code takes the short side for
    both, so that the network sees another shape than in a test. Sides within 2 pixels of `size` become `size`, which
    needs no resizing. Places reach the frame's edge; the published code rounds them down and stops up to 3 pixels
    before it.

    Source: TSN (Wang et al. 2016), section 3.2, with the 13 places of its code (`more_fix_crop`).
    """
    wanted = Size.of(size)
    heights, widths = map(_sides, wanted.largest_in(height, width), wanted)
    shapes = [(h, w) for i, h in enumerate(heights) for j, w in enumerate(widths) if abs(i - j) <= MAX_DISTORT]
    crop_height, crop_width = shapes[_draw(len(shapes), generator)]
    down, right = FIXED_OFFSETS[_draw(len(FIXED_OFFSETS), generator)]
    return down * (height - crop_height) // 4, right * (width - crop_width) // 4, crop_height, crop_width


def _sides(largest: int, wanted: int) -> list[int]:
    sides = [int(largest * scale) for scale in SCALES]
    return [wanted if abs(side - wanted) < 3 and wanted <= largest else max(1, side) for side in sides]


def resized_box(
    height: int,
    width: int,
    generator: Generator,
    area: tuple[float, float] = AREA,
    aspect: tuple[float, float] = ASPECT,
) -> Box:
    """A random box of a share of the frame in `area` and of a width over height in `aspect` (uniform in the logarithm).

    Ten draws are tried; where none fits, it is the largest box in the middle with an aspect in range.

    Source: Szegedy et al. 2015, section 6, in torchvision's form.
    """
    for _ in range(10):
        box = _random_box(height, width, area, aspect, generator)
        if box is not None:
            return box
    crop_width = min(width, max(1, round(height * aspect[1])))
    crop_height = min(height, max(1, round(crop_width / aspect[0])))
    return (height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width


def random_crop(clip_TCHW: Tensor, size: SizeSetting, generator: Generator) -> Tensor:
    """(T, C, H, W) → (T, C, height, width): a box of `size` at a random place, each as likely as the others."""
    crop = Size.of(size)
    top, left = (
        _draw(room + 1, generator) for room in (clip_TCHW.shape[-2] - crop.height, clip_TCHW.shape[-1] - crop.width)
    )
    return _cut(clip_TCHW, (top, left, *crop))


def resized(clip_TCHW: Tensor, box: Box, size: SizeSetting) -> Tensor:
    """(T, C, H, W) → (T, C, height, width): the box of each frame, resized to `size`."""
    return _interpolated(_cut(clip_TCHW, box), Size.of(size))


def mirrored(clips: Tensor, modality: Modality) -> Tensor:
    """(…, C, H, W) uint8, mirrored. In flow every other channel is movement to the right: its sign changes too."""
    flipped = clips.flip(-1)
    if modality == "flow":
        flipped[..., 0::2, :, :] = (256 - flipped[..., 0::2, :, :].to(torch.int16)).clamp_max(255).to(torch.uint8)
    return flipped


def random_flip(
    clip_TCHW: Tensor,
    target: Tensor,
    flip_map: Sequence[int],
    generator: Generator,
    modality: Modality = "rgb",
) -> tuple[Tensor, Tensor]:
    """Mirror half of the clips, and move their target's classes by `flip_map`.

    Raises:
        ValueError: the target has another number of classes than the map.
    """
    if target.shape[-1] != len(flip_map):
        raise ValueError(
            f"the flip map has {len(flip_map)} classes, the target {target.shape[-1]}; expected the same number"
        )
    if float(torch.rand((), generator=generator)) >= 0.5:
        return clip_TCHW, target
    return mirrored(clip_TCHW, modality), target[..., torch.tensor(flip_map, dtype=torch.int64)]


def color_jitter(clip_TCHW: Tensor, strength: float, generator: Generator) -> Tensor:
    """Brightness, contrast and saturation times one factor each in 1 ± strength, the same in all frames.

    Contrast pivots on the mean grey of the whole clip, saturation on each pixel's own grey. The three are applied as
    one linear map of the colours, and the result is rounded once.

    Raises:
        ValueError: the channels are not RGB frames.
    """
    num_steps, num_channels, height, width = clip_TCHW.shape
    if num_channels % 3:
        raise ValueError(f"color jitter: expected RGB frames (3 channels each), found {num_channels} channels")
    low = max(0.0, 1 - strength)
    factors = low + torch.rand(3, generator=generator, dtype=torch.float64) * (1 + strength - low)
    brightness, contrast, saturation = factors.tolist()
    gain = brightness * contrast
    frames = clip_TCHW.reshape(num_steps * num_channels // 3, 3, height, width)
    means = torch.stack([frame.float().mean((1, 2)) for frame in frames]).mean(0).tolist()
    mean_grey = sum(weight * mean for weight, mean in zip(LUMA, means, strict=True))
    offset = brightness * (1 - contrast) * mean_grey + 0.5  # half a step, since the cast rounds down
    jittered = torch.empty_like(frames)
    for frame, out in zip(frames, jittered, strict=True):  # frame by frame the data stays in the cache: 3 times faster
        colors = frame.float()
        grey = (colors[0] * LUMA[0]).add_(colors[1], alpha=LUMA[1]).add_(colors[2], alpha=LUMA[2])
        shared = grey.mul_(gain * (1 - saturation)).add_(offset)
        out.copy_(colors.mul_(gain * saturation).add_(shared).clamp_(0, 255))
    return jittered.reshape(clip_TCHW.shape)


def random_erasing(clip_TCHW: Tensor, probability: float, generator: Generator) -> Tensor:
    """With `probability`, one rectangle filled with noise, at the same place and with the same noise in all frames.

    Source: Zhong et al. 2020, with random values; noise that changes between frames would look like motion.
    """
    if float(torch.rand((), generator=generator)) >= probability:
        return clip_TCHW
    num_channels, height, width = clip_TCHW.shape[1:]
    for _ in range(10):
        box = _random_box(height, width, ERASED_AREA, ERASED_ASPECT, generator)
        if box is not None:
            break
    else:
        return clip_TCHW
    top, left, box_height, box_width = box
    noise = torch.randint(256, (num_channels, box_height, box_width), generator=generator, dtype=torch.uint8)
    erased = clip_TCHW.clone()
    erased[..., top : top + box_height, left : left + box_width] = noise
    return erased


def _draw(num_choices: int, generator: Generator) -> int:
    return int(torch.randint(num_choices, (), generator=generator))


def _random_box(
    height: int, width: int, area: tuple[float, float], aspect: tuple[float, float], generator: Generator
) -> Box | None:
    """A box of random area, aspect and place, or None where the drawn shape does not fit."""
    draws: list[float] = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
    pixels = height * width * (area[0] + draws[0] * (area[1] - area[0]))
    ratio = aspect[0] * (aspect[1] / aspect[0]) ** draws[1]
    box_height, box_width = round(math.sqrt(pixels / ratio)), round(math.sqrt(pixels * ratio))
    if not (0 < box_height <= height and 0 < box_width <= width):
        return None
    return int(draws[2] * (height - box_height + 1)), int(draws[3] * (width - box_width + 1)), box_height, box_width


def _fitted(clip_TCHW: Tensor, resize: RangeSetting) -> Tensor:
    """The clip as `resize` has it."""
    return _interpolated(clip_TCHW, Resize.of(resize).fit(*clip_TCHW.shape[-2:]))


def _cut(clip_TCHW: Tensor, box: Box) -> Tensor:
    top, left, height, width = box
    return clip_TCHW[..., top : top + height, left : left + width]


def _interpolated(clip_TCHW: Tensor, size: Size) -> Tensor:
    if tuple(clip_TCHW.shape[-2:]) == size:
        return clip_TCHW
    return F.interpolate(clip_TCHW, size=tuple(size), mode="bilinear", antialias=True, align_corners=False)
