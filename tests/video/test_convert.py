"""Colours, sizes and rotation of decoded frames."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import VideoReformatter

from kinesics.video.convert import Converter, fit, yuv_to_rgb
from kinesics.video.reader import open_video
from tests.video.numbered_video import CLIPS, EDGE_CASES, numbered_video

BT709, BT601, BT2020 = 1, 6, 9


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(10 * torch.log10(255**2 / (a.double() - b.double()).square().mean().clamp_min(1e-9)))


@pytest.mark.parametrize(
    ("height", "width", "resize", "expected"),
    [
        (720, 1280, 256, (256, 455)),
        (1280, 720, 256, (455, 256)),
        (240, 320, 256, (256, 341)),  # smaller videos grow
        (81, 121, 81, (81, 121)),
        (100, 100, 7, (7, 7)),
        (1, 1000, 8, (8, 8000)),
        (720, 1280, None, (720, 1280)),
    ],
)
def test_the_short_side_is_met_and_the_aspect_kept(
    height: int, width: int, resize: int | None, expected: tuple[int, int]
) -> None:
    assert fit(height, width, resize) == expected


def test_black_and_white_and_grey_follow_the_standards() -> None:
    for colorspace, full in product((BT601, BT709, BT2020, 2), (False, True)):
        matrix = yuv_to_rgb(colorspace, full)
        black, white = (0, 255) if full else (16, 235)
        np.testing.assert_allclose(matrix @ [black, 128, 128, 1], 0, atol=1e-3)
        np.testing.assert_allclose(matrix @ [white, 128, 128, 1], 255, atol=1e-3)
    np.testing.assert_allclose(yuv_to_rgb(BT601, False) @ [81, 90, 240, 1], [255, 0, 0], atol=2)  # 75 % bars' red
    np.testing.assert_allclose(yuv_to_rgb(BT709, False) @ [63, 102, 240, 1], [255, 0, 0], atol=2)


@pytest.mark.parametrize("colorspace", [BT601, BT709, BT2020])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("resize", [False, True])
def test_matrix_and_range_are_honoured(colorspace: int, full: bool, exact: bool, resize: bool) -> None:
    frame = av.VideoFrame(64, 48, "yuv420p")
    yuv = (120, 90, 170)
    for plane, value in zip(frame.planes, yuv, strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.colorspace, frame.color_range = colorspace, 2 if full else 1
    picture = Converter(resize=resize, exact=exact).rgb(frame, (24, 32) if resize else (48, 64))
    expected = yuv_to_rgb(colorspace, full) @ [*yuv, 1]
    assert picture.shape == ((24, 32, 3) if resize else (48, 64, 3))
    np.testing.assert_allclose(picture.reshape(-1, 3).mean(0), expected, atol=2)


@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuva420p", "nv12", "gray", "rgba", "gbrp"]
)
@pytest.mark.parametrize("size", [(24, 48), (25, 47), (96, 200)])
def test_every_pixel_format_gives_the_same_picture(pix_fmt: str, size: tuple[int, int]) -> None:
    ramp = np.zeros((49, 97, 3), np.uint8)
    ramp[...] = np.linspace(20, 230, 97)[None, :, None]
    if pix_fmt != "gray":
        ramp[..., 2] = np.linspace(200, 60, 49)[:, None]
    frame = VideoReformatter().reformat(av.VideoFrame.from_ndarray(ramp, format="rgb24"), format=pix_fmt)
    exact = Converter(resize=True, exact=True).rgb(frame, size).astype(float)
    quick = Converter(resize=True).rgb(frame, size).astype(float)
    assert quick.shape == (*size, 3)
    assert np.abs(quick - exact).mean() < 2.5
    columns = np.linspace(20, 230, 97)[((np.arange(size[1]) + 0.5) * 97 / size[1]).astype(int)]
    assert np.abs(quick[size[0] // 2, :, 0] - columns).mean() < 4


def test_alpha_is_dropped() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 0] = 200
    frame = av.VideoFrame.from_ndarray(pixels, format="rgba")  # red and wholly transparent
    assert Converter(resize=False).rgb(frame, (8, 8))[3, 3].tolist() == [200, 0, 0]


@pytest.mark.parametrize("resize", [64, 112, 180, 256])
@pytest.mark.parametrize("name", ["arm_wrestling.mp4", "flipping_a_pancake.mkv", "UCF101__v_BaseballPitch_g01_c01.avi"])
def test_resizing_first_is_within_40_db_of_the_exact_form(name: str, resize: int) -> None:
    if not (CLIPS / name).exists():
        pytest.skip("the shared clips are not here")
    indices = torch.tensor([0, 40, 80])
    quick = open_video(CLIPS / name, resize=resize).frames_at(indices)
    exact = open_video(CLIPS / name, resize=resize, exact=True).frames_at(indices)
    assert psnr(quick, exact) >= 40
    assert (quick.double() - exact.double()).mean((0, 2, 3)).abs().max() < 0.5  # neither brighter nor tinted


@pytest.mark.parametrize(
    "name", ["decord__corrupted.mp4", "torchcodec__testsrc2_vp8.webm", "torchcodec__testsrc2_vp9.webm"]
)
def test_hard_edges_at_720p_are_within_40_db_too(name: str) -> None:
    if not (EDGE_CASES / name).exists():
        pytest.skip("the shared edge cases are not here")
    indices = torch.tensor([0, 20])
    quick = open_video(EDGE_CASES / name, resize=256).frames_at(indices)
    exact = open_video(EDGE_CASES / name, resize=256, exact=True).frames_at(indices)
    assert psnr(quick, exact) >= 40


def turned(path: Path, degrees: int) -> Path:
    """A copy of the file whose header has a rotation."""
    target = path.with_name(f"turned{degrees}.mp4")
    with av.open(str(path)) as source, av.open(str(target), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(degrees)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    return target


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("resize", [None, 32])
def test_rotation_is_applied(tmp_path: Path, degrees: int, resize: int | None) -> None:
    path = numbered_video(tmp_path / "a.mp4", 5)
    upright = open_video(path, resize=resize).frames_at(torch.tensor([3]))
    reader = open_video(turned(path, degrees), resize=resize)
    frames = reader.frames_at(torch.tensor([3]))
    assert frames.shape[-2:] == (reader.height, reader.width)
    assert torch.equal(frames, torch.rot90(upright, degrees // 90, (2, 3)))


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("exact", [False, True])
def test_an_exact_size_is_that_of_the_upright_frame(tmp_path: Path, degrees: int, exact: bool) -> None:
    path = numbered_video(tmp_path / "a.mp4", 5)
    turned_size = "50x30" if degrees == 180 else "30x50"
    upright = open_video(path, resize="50x30", exact=exact).frames_at(torch.tensor([3]))
    reader = open_video(turned(path, degrees), resize=turned_size, exact=exact)
    assert upright.shape == (1, 3, 30, 50)
    assert (reader.width, reader.height) == tuple(map(int, turned_size.split("x")))
    assert torch.equal(reader.frames_at(torch.tensor([3])), torch.rot90(upright, degrees // 90, (2, 3)))


def test_phones_held_in_four_ways_show_upright_letters() -> None:
    if not EDGE_CASES.exists():
        pytest.skip("the shared edge cases are not here")
    for degrees, shape in {0: (320, 568), 90: (568, 320), 180: (320, 568), 270: (568, 320)}.items():
        reader = open_video(EDGE_CASES / f"decord__video_{degrees}.mov")
        assert (reader.height, reader.width) == shape
    path = EDGE_CASES / "torchcodec__nasa_13013_rotated.mp4"
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert frame.rotation == 90  # counterclockwise
        truth = np.rot90(frame.to_ndarray(format="rgb24"))
    np.testing.assert_array_equal(open_video(path).frames_at(torch.tensor([0]))[0].permute(1, 2, 0).numpy(), truth)
