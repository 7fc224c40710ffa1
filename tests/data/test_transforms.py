"""Transforms: where crops lie, that a clip is changed as a whole, and that only the generator gives random numbers."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from kinesics.data import transforms
from kinesics.data.mixing import cutmix, mixup
from kinesics.data.transforms import (
    color_jitter,
    multi_scale_box,
    random_crop,
    random_erasing,
    random_flip,
    resized,
    resized_box,
    train_transform,
)
from kinesics.errors import UserError
from kinesics.settings import InputConfig

crops_of = transforms.test_crops


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(256, shape, generator=seeded(seed), dtype=torch.uint8)


def coordinates(height: int, width: int) -> Tensor:
    """(1, 2, H, W): a picture whose colour at each pixel is its own row and column."""
    rows = torch.arange(height)[:, None].expand(height, width)
    columns = torch.arange(width).expand(height, width)
    return torch.stack([rows, columns])[None].to(torch.uint8)


def corner_of(view: Tensor) -> tuple[int, int]:
    return int(view[0, 0, 0, 0]), int(view[0, 1, 0, 0])


EVERYTHING = InputConfig(resize=64, size=48, color_jitter=0.4, erasing=1.0)


@pytest.mark.parametrize("crop", ["multi-scale", "resized", "random", "centre"])
@pytest.mark.parametrize("shape", [(3, 3, 64, 85), (2, 6, 90, 64), (1, 3, 64, 64), (2, 3, 20, 31)])
def test_training_clips_have_the_size_and_depend_on_the_generator_alone(crop: str, shape: tuple[int, ...]) -> None:
    transform = train_transform(dataclasses.replace(EVERYTHING, crop=crop), (1, 0))  # type: ignore[arg-type]
    clip, target = noise(*shape), torch.tensor([1.0, 0.0])
    before = clip.clone()
    first, first_target = transform(clip, target, seeded(3))
    torch.manual_seed(99)
    second, second_target = transform(clip, target, seeded(3))
    assert first.shape == (*shape[:2], 48, 48)
    assert first.dtype == torch.uint8
    assert torch.equal(first, second)
    assert torch.equal(first_target, second_target)
    assert torch.equal(clip, before)  # the decoded frames are not written to
    assert not torch.equal(first, transform(clip, target, seeded(4))[0])


@pytest.mark.parametrize("crop", ["multi-scale", "resized", "random", "centre"])
@pytest.mark.parametrize("shape", [(3, 3, 64, 85), (2, 6, 90, 64), (1, 3, 64, 64), (2, 3, 20, 31)])
@pytest.mark.parametrize("resize", [64, "64x56", "64-80"])
@pytest.mark.parametrize(("size", "expected"), [("56x40", (40, 56)), ("40x56", (56, 40))])
def test_training_clips_of_any_height_and_width(
    crop: Any, shape: tuple[int, ...], resize: int | str, size: str, expected: tuple[int, int]
) -> None:
    transform = train_transform(InputConfig(resize=resize, size=size, crop=crop, erasing=1.0), (1, 0))
    clip, _ = transform(noise(*shape), torch.tensor([1.0, 0.0]), seeded(3))
    assert clip.shape == (*shape[:2], *expected)


def test_a_random_crop_lies_anywhere_and_is_not_resized() -> None:
    clip = coordinates(6, 9)
    found = [random_crop(clip, "7x5", generator) for generator in [seeded()] for _ in range(400)]
    places = [corner_of(view) for view in found]
    assert set(places) == {(top, left) for top in range(2) for left in range(3)}
    assert all(40 < places.count(place) < 95 for place in set(places))
    for view, (top, left) in zip(found, places, strict=True):
        assert torch.equal(view, clip[..., top : top + 5, left : left + 7])


def test_a_random_crop_is_cut_from_the_frame_as_it_was_resized() -> None:
    transform = train_transform(InputConfig(resize="64-80", size=56, crop="random", flip=False), (0,))
    for height, width in ((64, 85), (72, 96), (107, 80)):  # short sides of the range
        frame = coordinates(height, width)
        clip, _ = transform(frame, torch.ones(1), seeded(1))
        top, left = corner_of(clip)
        assert torch.equal(clip, frame[..., top : top + 56, left : left + 56])


def test_all_frames_get_the_same_draw() -> None:
    frame = noise(1, 3, 64, 85)
    still = frame.expand(5, -1, -1, -1)
    transform = train_transform(EVERYTHING, (0,))
    for seed in range(10):
        clip, _ = transform(still, torch.ones(1), seeded(seed))
        assert torch.equal(clip, clip[:1].expand_as(clip))


def test_a_transform_travels_to_a_worker_process() -> None:
    transform = train_transform(EVERYTHING, (1, 0))
    assert pickle.loads(pickle.dumps(transform)) == transform  # noqa: S301


def test_a_crop_larger_than_the_frames_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"input.size is 224; expected at most 128 wide and 128 high for input.resize 128"
    ):
        train_transform(InputConfig(resize=128, size=224), (0,))


@pytest.mark.parametrize("flip_map", [(1, 2, 0), (1, 1), (5,), (-1, 0)])
def test_a_flip_map_that_is_no_mirror_is_refused(flip_map: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="give each class itself"):
        train_transform(InputConfig(), flip_map)


def test_multi_scale_boxes_are_those_of_tsn() -> None:
    generator = seeded()
    boxes = {multi_scale_box(256, 340, 224, generator) for _ in range(5000)}
    # int(256 · scale) with |side - 224| < 3 snapped; neighbours in the list may be combined
    assert {box[2:] for box in boxes} == {
        *((256, 256), (256, 224), (224, 256), (224, 224), (224, 192), (192, 224)),
        *((192, 192), (192, 168), (168, 192), (168, 168)),
    }
    places = {box[:2] for box in boxes if box[2:] == (224, 224)}
    assert places == {
        *((0, 0), (0, 116), (32, 0), (32, 116), (16, 58)),
        *((16, 0), (16, 116), (32, 58), (0, 58)),
        *((8, 29), (8, 87), (24, 29), (24, 87)),
    }


def test_multi_scale_boxes_have_the_shape_of_the_crop() -> None:
    generator = seeded()
    boxes = {multi_scale_box(256, 340, "256x192", generator) for _ in range(5000)}
    # the largest box of that shape is 340 × 255; heights 255, 223, 191 → 192, 168; widths 340, 297, 255 → 256, 224
    assert {box[2:] for box in boxes} == {
        *((255, 340), (255, 297), (223, 340), (223, 297), (223, 256), (192, 297)),
        *((192, 256), (192, 224), (168, 256), (168, 224)),
    }
    places = {box[:2] for box in boxes if box[2:] == (192, 256)}
    assert {(0, 0), (64, 84), (32, 42)} <= places


def test_random_resized_boxes_have_about_the_shape_of_the_crop() -> None:
    transform = train_transform(InputConfig(resize=100, size="100x50", crop="resized", flip=False), (0,))
    for seed in range(100):
        clip, _ = transform(coordinates(200, 200), torch.ones(1), seeded(seed))
        first, last = clip[0, :, 0, 0].int(), clip[0, :, -1, -1].int()
        height, width = (last - first + 1).tolist()
        assert 0.7 * 2 <= width / height <= 1.4 * 2


pixels = st.integers(1, 300)


@given(st.integers(1, 400), st.integers(1, 400), pixels, pixels, st.integers(0, 2**32))
def test_boxes_lie_inside_the_frame(height: int, width: int, size: int, other: int, seed: int) -> None:
    generator = seeded(seed)
    for top, left, box_height, box_width in (
        multi_scale_box(height, width, size, generator),
        multi_scale_box(height, width, f"{size}x{other}", generator),
        resized_box(height, width, generator),
        resized_box(height, width, generator, aspect=(0.75 * size / other, 4 / 3 * size / other)),
    ):
        assert 0 <= top <= top + box_height <= height
        assert 0 <= left <= left + box_width <= width
        assert box_height > 0
        assert box_width > 0


def test_random_resized_boxes_keep_their_ranges() -> None:
    generator = seeded()
    for _ in range(300):
        _, _, height, width = resized_box(256, 340, generator)
        assert 0.24 <= height * width / (256 * 340) <= 1
        assert 0.74 <= width / height <= 1.35


def test_a_frame_that_no_draw_fits_gives_its_middle() -> None:
    assert resized_box(10, 1000, seeded(), area=(0.9, 1.0)) == (0, 493, 10, 13)  # aspect 4/3 of a height of 10
    assert resized_box(1000, 10, seeded(), area=(0.9, 1.0)) == (493, 0, 13, 10)


def test_resizing_is_torch_s_own_to_a_rounding() -> None:
    clip = noise(2, 3, 64, 80)
    expected = F.interpolate(clip[..., 4:44, 10:60].float(), size=(56, 56), mode="bilinear", antialias=True)
    assert (resized(clip, (4, 10, 40, 50), 56).float() - expected).abs().max() <= 1
    shrunk = F.interpolate(clip.float(), size=(32, 32), mode="bilinear", antialias=True)
    assert (resized(clip, (0, 0, 64, 80), 32).float() - shrunk).abs().max() <= 1


def test_memory_order_does_not_matter() -> None:
    clip = noise(3, 3, 64, 85)
    decoded = clip.contiguous(memory_format=torch.channels_last)  # frames come as (T, H, W, C) in memory
    transform = train_transform(EVERYTHING, (0,))
    a, b = (transform(c, torch.ones(1), seeded(1))[0].int() for c in (clip, decoded))
    assert (a - b).abs().max() <= 1


@pytest.mark.parametrize(
    ("height", "width", "crops", "corners"),
    [
        (64, 85, 1, [(4, 14)]),
        (64, 85, 3, [(4, 0), (4, 14), (4, 29)]),
        (100, 64, 3, [(0, 4), (22, 4), (44, 4)]),
        (64, 64, 3, [(4, 0), (4, 4), (4, 8)]),
    ],
)
def test_test_crops_lie_where_they_should(height: int, width: int, crops: int, corners: list[tuple[int, int]]) -> None:
    views = crops_of(coordinates(height, width), resize=64, size=56, crops=crops)
    assert [corner_of(view) for view in views] == corners
    assert views.shape == (crops, 1, 2, 56, 56)


@pytest.mark.parametrize(
    ("height", "width", "size", "crops", "corners"),
    [
        (64, 85, "60x50", 1, [(7, 12)]),
        (64, 85, "64x40", 3, [(0, 10), (12, 10), (24, 10)]),  # more room down, though the frame is wide
        (64, 85, "40x64", 3, [(0, 0), (0, 22), (0, 45)]),
        (100, 64, "60x50", 3, [(0, 2), (25, 2), (50, 2)]),
        (64, 85, "60x50", 10, [(0, 0), (0, 25), (14, 0), (14, 25), (7, 12)] * 2),
    ],
)
def test_rectangular_test_crops_lie_where_they_should(
    height: int, width: int, size: str, crops: int, corners: list[tuple[int, int]]
) -> None:
    views = crops_of(coordinates(height, width), resize=64, size=size, crops=crops)
    box_width, box_height = map(int, size.split("x"))
    assert views.shape == (crops, 1, 2, box_height, box_width)
    frame = coordinates(height, width)
    expected = torch.stack([frame[..., top : top + box_height, left : left + box_width] for top, left in corners[:5]])
    assert torch.equal(views, torch.cat([expected, expected.flip(-1)]) if crops == 10 else expected)


@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (64, 64), (48, 80)])
def test_the_whole_frame_is_squeezed_to_its_size(shape: tuple[int, int]) -> None:
    clip = noise(2, 3, *shape)
    (view,) = crops_of(clip, resize="80x48", size="80x48", crops=1)
    expected = F.interpolate(clip.float(), size=(48, 80), mode="bilinear", antialias=True)
    assert view.shape == (2, 3, 48, 80)
    assert (view.float() - expected).abs().max() < 1.01


def test_ten_crops_are_corners_centre_and_mirrors() -> None:
    views = crops_of(coordinates(64, 85), resize=64, size=56, crops=10)
    assert [corner_of(view) for view in views[:5]] == [(0, 0), (0, 29), (8, 0), (8, 29), (4, 14)]
    assert torch.equal(views[5:], views[:5].flip(-1))


@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (100, 150), (57, 56)])
def test_test_crops_resize_frames_of_another_size(shape: tuple[int, int]) -> None:
    views = crops_of(noise(2, 3, *shape), resize=64, size=64, crops=3)
    assert views.shape == (3, 2, 3, 64, 64)


def test_test_crops_refuse_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="1, 3 or 10 crops, found 5"):
        crops_of(noise(1, 3, 64, 64), resize=64, size=56, crops=5)
    with pytest.raises(
        UserError, match="crops of 65 pixels do not fit frames resized to 64; expected at most 64 wide and 64 high"
    ):
        crops_of(noise(1, 3, 64, 64), resize=64, size=65, crops=1)


@pytest.mark.parametrize("target", [[1.0, 0.0, 0.0], [0.7, 0.2, 0.1], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
def test_a_flip_moves_the_target_with_the_picture(target: list[float]) -> None:
    clip, flip_map = noise(2, 3, 8, 9), (2, 1, 0)
    generator, flipped = seeded(), 0
    for _ in range(200):
        seen, label = random_flip(clip, torch.tensor(target), flip_map, generator)
        if torch.equal(seen, clip):
            assert label.tolist() == torch.tensor(target).tolist()
        else:
            flipped += 1
            assert torch.equal(seen, clip.flip(-1))
            assert label.tolist() == torch.tensor(target[::-1]).tolist()
    assert 70 < flipped < 130
    with pytest.raises(ValueError, match="flip map has 3 classes, the target 2"):
        random_flip(clip, torch.ones(2), flip_map, generator)


def test_jitter_is_brightness_contrast_and_saturation() -> None:
    clip = noise(4, 6, 16, 16) // 4 + 96  # far from black and white, so that nothing is cut
    jittered = color_jitter(clip, 0.2, seeded(5))
    brightness, contrast, saturation = (0.8 + 0.4 * torch.rand(3, generator=seeded(5), dtype=torch.float64)).tolist()
    rgb = clip.unflatten(1, (2, 3)).double() * brightness
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)[:, None, None]
    mean = (rgb * weights).sum(2).mean()
    rgb = rgb * contrast + mean * (1 - contrast)
    rgb = rgb * saturation + (rgb * weights).sum(2, keepdim=True) * (1 - saturation)
    assert (jittered.double() - rgb.flatten(1, 2)).abs().max() <= 0.51


def test_jitter_of_nothing_changes_nothing_and_extremes_stay_in_range() -> None:
    clip = noise(2, 3, 16, 16)
    assert torch.equal(color_jitter(clip, 1e-9, seeded()), clip)
    white = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    assert all(color_jitter(white, 0.9, seeded(s)).float().std() == 0 for s in range(5))
    with pytest.raises(ValueError, match=r"expected RGB frames .3 channels each., found 2 channels"):
        color_jitter(noise(1, 2, 4, 4), 0.5, seeded())


def test_erasing_fills_one_rectangle_with_the_same_noise() -> None:
    clip = torch.zeros(4, 3, 60, 60, dtype=torch.uint8)
    for seed in range(20):
        erased = random_erasing(clip, 1.0, seeded(seed))
        assert torch.equal(erased, erased[:1].expand_as(erased))
        rows, columns = (erased[0].amax(0) > 0).nonzero(as_tuple=True)
        box = (int(rows.max() - rows.min()) + 1) * (int(columns.max() - columns.min()) + 1)
        assert 0.015 * 3600 <= box <= 0.35 * 3600
        assert len(rows) >= 0.95 * box  # noise is black in one pixel of 256³
    assert torch.equal(random_erasing(clip, 0.0, seeded()), clip)
    assert clip.sum() == 0


alphas = st.sampled_from([0.2, 1.0, 8.0])


@settings(max_examples=40, deadline=None)
@given(alpha=alphas, seed=st.integers(0, 2**32), num=st.integers(1, 5))
def test_mixing_keeps_the_sum_of_targets(alpha: float, seed: int, num: int) -> None:
    batch = noise(num, 2, 3, 9, 12, seed=seed)
    targets = torch.eye(6)[torch.arange(num)]
    for mix in (mixup, cutmix):
        mixed, soft = mix(batch, targets, alpha, seeded(seed))
        assert mixed.shape == batch.shape
        assert mixed.dtype == torch.uint8
        torch.testing.assert_close(soft.sum(1), targets.sum(1))
        torch.testing.assert_close(soft.sum(0), targets.sum(0))  # over the batch, no class gains
        again, _ = mix(batch, targets, alpha, seeded(seed))
        assert torch.equal(mixed, again)


def test_mixup_mixes_pictures_as_it_mixes_targets() -> None:
    # clip k is all of one grey, and its class is that grey: the targets must agree with the pixels
    grey = torch.tensor([0.0, 100.0, 200.0])
    batch = grey[:, None, None, None, None].expand(3, 2, 3, 4, 4)
    for seed in range(10):
        mixed, soft = mixup(batch, torch.eye(3), 1.0, seeded(seed))
        torch.testing.assert_close(mixed, (soft @ grey)[:, None, None, None, None].expand_as(mixed))


def test_cutmix_targets_are_shares_of_area() -> None:
    grey = torch.tensor([0, 100, 200], dtype=torch.uint8)
    batch = grey[:, None, None, None, None].expand(3, 2, 3, 10, 13)
    cut = 0
    for seed in range(20):
        mixed, soft = cutmix(batch, torch.eye(3), 1.0, seeded(seed))
        shares = torch.stack([(mixed[:, 0, 0] == g).flatten(1).float().mean(1) for g in grey], dim=1)
        torch.testing.assert_close(soft, shares)
        assert torch.equal(mixed, mixed[:, :1, :1].expand_as(mixed))  # one box for all frames
        cut += bool((soft.amax(1) < 1).any())
    assert cut > 5


def test_mixing_off_and_wrong() -> None:
    batch, targets = noise(2, 1, 3, 4, 4), torch.eye(2)
    for mix in (mixup, cutmix):
        mixed, soft = mix(batch, targets, 0.0, seeded())
        assert mixed is batch
        assert soft is targets
        with pytest.raises(ValueError, match="alpha must be 0 or more, found -1"):
            mix(batch, targets, -1.0, seeded())
