"""`explain` of views that are no squares, of landscape and portrait videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from kinesics.explanation.class_score import ClassScore
from kinesics.explanation.explained_clip import ExplainedClip, predict_clip
from kinesics.explanation.heat_overlay import HeatOverlay, crop_box
from kinesics.explanation.methods import METHODS, enlarged, explain
from kinesics.explanation.probability_curve import probability_curve
from kinesics.explanation.visualizations import SYSTEM_VISUALIZATIONS
from kinesics.inference.predictor import load
from kinesics.models.build import create_model, fixes_steps
from kinesics.values import Prediction
from kinesics.video.view_plan import ViewPlan
from kinesics.video.write import write_video
from tests.explanation.spots import SIZE, STEPS, seeing_model, spotted
from tests.explanation.test_explain_files import call, decode, saved

WIDTH = 2 * SIZE


def frames_with_a_spot() -> np.ndarray:
    """(40, SIZE, 2 · SIZE, 3): a scene, and in frames 20 to 29 a spot at the upper right."""
    model = seeing_model("tsn_resnet18")
    clip = spotted((2, 0, 2), 3)[0]
    std, mean = (torch.tensor(values)[:, None, None] for values in (model.std, model.mean))
    pixels = (255 * (clip * std + mean)).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return np.stack([np.concatenate([pixels[0], pixels[i // 10]], axis=1) for i in range(40)])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that sees spots, tested on the whole frame."""
    plan = ViewPlan(num_segments=STEPS, resize=f"{WIDTH}x{SIZE}", size=f"{WIDTH}x{SIZE}")
    return saved(seeing_model("tsn_resnet18"), tmp_path_factory.mktemp("run"), plan)


@pytest.mark.parametrize("is_portrait", [False, True])
def test_the_heat_of_the_whole_frame_is_where_the_spot_is(run: Path, tmp_path: Path, is_portrait: bool) -> None:
    """A portrait video is squeezed to the same size: its spot is in the same part of it."""
    frames = frames_with_a_spot()
    if is_portrait:
        frames = frames.repeat(3, axis=1)[:, :, ::2]
    path = tmp_path / "v.mp4"
    write_video(path, frames, fps=10, crf=4)
    clip = predict_clip(load(run, device="cpu"), path)
    assert clip.frames.shape == (STEPS, SIZE, WIDTH, 3)
    assert call("explain", str(run), str(path), "--out", str(tmp_path), "--method", "cam", "--device", "cpu") == 0
    copy, source = decode(tmp_path / "v.cam.mp4"), decode(path)
    factor = copy.shape[2] // source.shape[2]
    change = np.abs(copy[:, ::factor, ::factor].astype(int) - source).mean(axis=3)[25]
    height, width = change.shape
    spot = change[: height // 3, 5 * width // 6 :].mean()
    assert spot > 4 * change[: height // 2, : width // 2].mean(), "the label is written below"
    assert (tmp_path / "v.cam.png").stat().st_size > 5000
    with np.load(tmp_path / "v.cam.npz") as arrays:
        assert arrays["heat"].shape[2] == 2 * arrays["heat"].shape[1]
        assert int(arrays["heat"].sum(axis=(1, 2)).argmax()) == 2
    curve = probability_curve(load(run, device="cpu"), path, window_seconds=1.0)
    assert curve.probs.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("frame", "resize", "size", "expected"),
    [
        ((100, 200), 50, "40x20", (30, 60, 40, 80)),
        ((200, 100), 50, "40x20", (80, 10, 40, 80)),
        ((100, 200), "60x50", 50, (0, 17, 100, 167)),  # as wide as 50 of 60, as high as 50 of 50
        ((200, 100), "60x50", "60x40", (20, 0, 160, 100)),
        ((720, 1280), "256x224", "256x224", (0, 0, 720, 1280)),
        ((1280, 720), "256x224", "256x224", (0, 0, 1280, 720)),
    ],
)
def test_the_crop_in_a_frame(
    frame: tuple[int, int], resize: int | str, size: int | str, expected: tuple[int, int, int, int]
) -> None:
    assert crop_box(*frame, resize, size) == pytest.approx(expected, abs=1)
    overlay = HeatOverlay(np.ones((1, 2, 3), np.float32), (0.0,), resize, size)
    top, left, height, width = crop_box(*frame, resize, size)
    painted = overlay(np.full((*frame, 3), 50, np.uint8), 0.0)
    heated = (painted != 50).any(axis=2)
    assert heated[top : top + height, left : left + width].all()
    assert heated.sum() == height * width


def clip_of(name: str) -> ExplainedClip:
    """A new model and a clip of noise, 48 high and 80 wide."""
    torch.manual_seed(0)
    model = create_model(name, 3, dropout=0.0, **({"num_steps": STEPS} if fixes_steps(name) else {})).eval()
    nn.init.normal_(model.head.fc.weight, std=0.1)
    inputs = torch.randn(1, STEPS, model.channels, 48, 80)
    frames = np.zeros((STEPS, 48, 80, 3), np.uint8)
    answer = Prediction("v", ("b",), (0.5,), tuple(range(STEPS)), tuple(map(float, range(STEPS))))
    return ExplainedClip(Path("v.mp4"), ClassScore(model, inputs, 1), frames, answer.frame_seconds, answer, "b", 0.5)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_maps_a_rectangle(method: str) -> None:
    maps = explain(clip_of("tsm_resnet18").class_score, method)
    assert maps.isfinite().all()
    assert enlarged(maps, (STEPS, 48, 80)).shape == (STEPS, 48, 80)
    assert maps.shape[2] > maps.shape[1] or method == "occlusion"  # whose cells are as many down as across


@pytest.mark.parametrize("system", SYSTEM_VISUALIZATIONS)
def test_every_visualization_draws_a_rectangle(system: str, tmp_path: Path) -> None:
    clip = clip_of(f"{system}_resnet18")
    visualization = SYSTEM_VISUALIZATIONS[system]
    arrays = visualization.arrays(clip)
    visualization.draw(clip, arrays, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 5000
