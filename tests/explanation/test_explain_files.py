"""`explain` from a run and videos to files: pictures, copies, numbers, visualizations, curves; errors in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import nn

from kinesics.cli import main
from kinesics.errors import UserError
from kinesics.explanation.class_score import ClassScore
from kinesics.explanation.explained_clip import ExplainedClip, drawn_frame, predict_clip
from kinesics.explanation.heat_overlay import HeatOverlay, crop_box
from kinesics.explanation.probability_curve import probability_curve, window_frames
from kinesics.explanation.visualizations import SYSTEM_VISUALIZATIONS, chosen_visualizations, visualizations_of
from kinesics.inference.predictor import Predictor, load
from kinesics.models.build import create_model
from kinesics.models.recognizer import Recognizer
from kinesics.models.registry import SYSTEMS
from kinesics.runs.model_file import Contract, save_model
from kinesics.values import Prediction
from kinesics.video.view_plan import ViewPlan
from kinesics.video.write import write_video
from tests.explanation.spots import SIZE, STEPS, seeing_model, spotted


def saved(model: Recognizer, folder: Path, plan: ViewPlan) -> Path:
    contract = Contract(
        model=model.name,
        arguments=model.arguments,
        classes=("spot", "none"),
        multi_label=False,
        modality=model.modality,
        mean=model.mean,
        std=model.std,
        plan=plan.to_dict(),
        record={},
    )
    save_model(folder, model.state_dict(), contract)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that sees spots, of four time steps."""
    plan = ViewPlan(num_segments=STEPS, resize=SIZE, size=SIZE)
    return saved(seeing_model("tsn_resnet18"), tmp_path_factory.mktemp("run"), plan)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames, 10 per second, twice as wide as high; a spot in the middle of frames 20 to 29."""
    model = seeing_model("tsn_resnet18")
    path = tmp_path_factory.mktemp("video") / "v.mp4"
    clip = spotted((2, 1, 1), 3)[0]
    scale = torch.tensor(model.std)[:, None, None], torch.tensor(model.mean)[:, None, None]
    pixels = (255 * (clip * scale[0] + scale[1])).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    grey = np.full((SIZE, SIZE // 2, 3), 120, np.uint8)
    write_video(path, (np.concatenate([grey, pixels[i // 10], grey], axis=1) for i in range(40)), fps=10, crf=4)
    return path


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0)


def test_explain_writes_all_files(run: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nonsense")
    out = tmp_path / "out"
    code = call("explain", str(run), str(video), str(broken), "--out", str(out), "--course", "--device", "cpu")
    printed = capsys.readouterr()
    assert code == 1, "one video failed"
    assert "broken.mp4" in printed.err
    assert "1 of 2 videos could not be decoded" in printed.err
    assert "The explained label is spot, the model's answer, with a probability of" in printed.out
    assert "The most heat is at 2.50 s" in printed.out
    assert "The quarter of the picture that moves most has" in printed.out
    assert "Read gradcam with care" in printed.out
    names = {"v.gradcam.png", "v.gradcam.mp4", "v.gradcam.npz", "v.course.png", "v.course.csv"}
    assert {path.name for path in out.iterdir()} == names
    with np.load(out / "v.gradcam.npz") as arrays:
        heat = arrays["heat"]
        assert arrays["frames"].tolist() == [5, 15, 25, 35]
        assert str(arrays["label"]) == "spot"
        assert arrays["share"] > 1.1  # the spot is what changes
    assert heat.max() == 1
    assert heat[2].sum() > 0.5 * heat.sum()
    rows = (out / "v.course.csv").read_text().splitlines()
    assert rows[0] == "start_seconds,end_seconds,spot,none"
    assert len(rows) == 1 + 28


def test_heat_is_drawn_at_its_time_and_place(
    run: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("explain", str(run), str(video), "--out", str(tmp_path), "--method", "cam", "--device", "cpu") == 0
    capsys.readouterr()
    copy, source = decode(tmp_path / "v.cam.mp4"), decode(video)
    factor = copy.shape[2] // source.shape[2]
    assert copy.shape == (40, factor * SIZE, factor * 2 * SIZE, 3)
    change = np.abs(copy[:, ::factor, ::factor].astype(int) - source).mean(axis=3)
    middle = change[:, SIZE // 3 : 2 * SIZE // 3, 5 * SIZE // 6 : 7 * SIZE // 6].mean(axis=(1, 2))
    assert middle[25] > 4 * middle[5]
    assert change[25, : SIZE // 2, : SIZE // 3].mean() < 6, "outside the crop nothing is drawn"


def test_a_label_can_be_given(run: Path, video: Path) -> None:
    predictor = load(run, device="cpu")
    answer, other = predict_clip(predictor, video), predict_clip(predictor, video, "none")
    assert (answer.label, other.label, other.answer) == ("spot", "none", "spot")
    assert answer.prediction.probability + other.prediction.probability == pytest.approx(1)
    assert answer.frames.shape == (STEPS, SIZE, SIZE, 3)
    assert answer.seconds == pytest.approx((0.5, 1.5, 2.5, 3.5))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--label", "spott"], "unknown label 'spott'; did you mean 'spot'?"),
        (["--method", "gradcan"], "unknown method 'gradcan'; did you mean 'gradcam'?"),
        (["--method", "occlusion", "--stage", "layer4"], "stage: occlusion uses pixels and has no stage"),
        (["--view", "peaks"], "tsn_resnet18 has no view 'peaks': it belongs to mlfe; expected one of all, none"),
        (["--view", "peeks"], "unknown view 'peeks'; expected one of all, none, peaks"),
        (["--window-seconds", "-1"], "window_seconds is -1; expected seconds above 0"),
    ],
)
def test_errors_are_one_line(
    run: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert call("explain", str(run), str(video), "--out", str(tmp_path / "out"), "--device", "cpu", *words) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert len(printed.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_probability_is_highest_where_the_spot_is(run: Path, video: Path) -> None:
    curve = probability_curve(load(run, device="cpu"), video, window_seconds=1.0)
    spot = curve.probs[:, 0]
    assert curve.probs.sum(axis=1) == pytest.approx(1)
    assert 2.2 <= curve.middle_seconds[spot.argmax()] <= 2.8
    assert spot.max() > spot[curve.middle_seconds < 1.4].max() + 0.02
    assert np.allclose(curve.end_seconds - curve.start_seconds, 1.0)


@pytest.mark.parametrize(
    ("num_frames", "seconds", "expected"),
    [(10, 0.8, ([0, 1, 2], 8)), (10, 5.0, ([0], 10)), (9, None, ([0, 1, 2, 3, 4, 5, 6], 3)), (1, None, ([0], 1))],
)
def test_windows(num_frames: int, seconds: float | None, expected: tuple[list[int], int]) -> None:
    assert window_frames(num_frames, 10.0, seconds) == expected
    starts, length = window_frames(1000, 25.0, 2.0)
    assert (len(starts), starts[0], starts[-1], length) == (32, 0, 950, 50)


def test_crop_and_time_of_the_heat() -> None:
    assert crop_box(100, 200, 50, 40) == (10, 60, 80, 80)
    assert crop_box(200, 100, 50, 50) == (50, 0, 100, 100)
    overlay = HeatOverlay(np.stack([np.zeros((2, 2)), np.ones((2, 2))]).astype(np.float32), (1.0, 2.0), 50, 50)
    assert [float(overlay.heat_at(now).mean()) for now in (0.0, 1.0, 1.25, 2.0, 9.0)] == [0, 0, 0.25, 1, 1]
    same = HeatOverlay(overlay.heat, (1.0, 1.0), 50, 50)
    assert [float(same.heat_at(now).mean()) for now in (0.5, 1.0)] == [0, 1]
    frame = np.full((40, 60, 3), 50, np.uint8)
    painted = overlay(frame, 2.0)
    assert (painted[:, :10] == 50).all()
    assert (painted[:, 10:50] != 50).any(axis=2).all()
    assert (overlay(frame, 1.0) == 50).all()


def clip_of(name: str, t: int = STEPS, **arguments: object) -> ExplainedClip:
    """A new model and a clip of noise, with something that moves in the upper left."""
    torch.manual_seed(0)
    model = create_model(name, 3, dropout=0.0, **arguments).eval()  # type: ignore[arg-type]
    nn.init.normal_(model.head.fc.weight, std=0.1)
    inputs = 0.1 * torch.randn(1, 1, model.channels, 64, 64).expand(1, t, -1, -1, -1).clone()
    for step in range(t):
        for frame in range(model.channels // 3):
            at = 2 * (step * (model.channels // 3) + frame) % 20
            inputs[0, step, 3 * frame : 3 * frame + 3, 8:20, at : at + 8] += 2
    frames = np.zeros((t, 64, 64, 3), np.uint8)
    answer = Prediction("v", ("b",), (0.5,), tuple(range(t)), tuple(map(float, range(t))))
    return ExplainedClip(Path("v.mp4"), ClassScore(model, inputs, 1), frames, answer.frame_seconds, answer, "b", 0.5)


def test_a_pyramids_cells_and_bias_add_up_to_the_score(tmp_path: Path) -> None:
    clip = clip_of("stp_resnet18", t=8)
    nn.init.normal_(clip.class_score.model.head.fc.bias)
    visualization = SYSTEM_VISUALIZATIONS["stp"]
    arrays = visualization.arrays(clip)
    assert arrays["adds"].shape == (2, 7)
    with torch.no_grad():
        score = float(clip.class_score.of_clips(clip.class_score.clip))
    assert float(arrays["adds"].sum() + arrays["bias"].sum()) == pytest.approx(score, rel=1e-3)
    visualization.draw(clip, arrays, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 5000


def test_mlfes_patches_lie_at_the_peaks_of_the_map(tmp_path: Path) -> None:
    clip = clip_of("mlfe_resnet18")
    arrays = SYSTEM_VISUALIZATIONS["mlfe"].arrays(clip)
    cam, box = arrays["cam"], arrays["layer2_box"]
    for t in range(STEPS):
        row, column = np.unravel_index(cam[t].argmax(), cam[t].shape)
        assert box[t].tolist() == [row / 2, column / 2, (row + 1) / 2, (column + 1) / 2]
        at = (slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8))
        assert arrays["layer2_saliency"][t][at].shape == arrays["layer2_patch"][t].shape
    assert arrays["layer4_patch"][0] == pytest.approx(
        arrays["layer4_saliency"][0][tuple(slice(4 * round(2 * e) // 2, None) for e in box[0][:2])][:2, :2]
    ), "layer4's patches are not convolved"
    SYSTEM_VISUALIZATIONS["mlfe"].draw(clip, arrays, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 5000


def test_tefes_kernels_are_those_of_the_forward_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = clip_of("tefe_resnet18", num_steps=STEPS)
    used = []
    module = next(m for m in clip.class_score.model.modules() if type(m).__name__ == "TemporalExtraction")
    real = module.weights
    monkeypatch.setattr(module, "weights", lambda s: used.append(real(s)) or used[-1])
    clip.class_score.logits()
    monkeypatch.undo()
    arrays = SYSTEM_VISUALIZATIONS["tefe"].arrays(clip)
    assert len(arrays) == 8
    assert np.allclose(arrays["TE 1_gate"], used[0][0][0].detach())
    assert np.allclose(arrays["TE 1_mix"], used[0][1][0].detach())
    assert np.allclose(arrays["TE 4_mix"].sum(axis=1), 1, atol=1e-5)
    SYSTEM_VISUALIZATIONS["tefe"].draw(clip, arrays, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 5000


def test_key_points_that_add_most(tmp_path: Path) -> None:
    clip = clip_of("kpsem_resnet18", num_steps=STEPS, norm=False)
    head = clip.class_score.model.head
    nn.init.normal_(head.fc.weight)
    arrays = SYSTEM_VISUALIZATIONS["kpsem"].arrays(clip)
    assert arrays["points"].shape == (3, STEPS, 4, 2)
    assert arrays["shifts"].shape == (3, STEPS - 1, 4, 2)
    assert ((arrays["points"] > 0) & (arrays["points"] < 1)).all()
    assert np.allclose(arrays["weights"].sum(axis=2), 1, atol=1e-5)
    assert (np.diff(arrays["adds"]) <= 0).all()
    number, channel = arrays["places"][0].astype(int)
    with torch.no_grad():  # without norms the embedding is affine: a channel adds what the score loses without it
        features = clip.class_score.model.backbone.forward_stages(clip.class_score.clip, head.needs)
        key_points = head.shifts(features[head.stage])
        without_channel = key_points.shifts.clone()
        without_channel[:, :, number, :, channel] = 0
        scores = []
        for shifts in (key_points.shifts, without_channel):
            embedding = head.embedding(replace(key_points, shifts=shifts))
            scores.append(float(clip.class_score.of_logits(head.fc(head.joined(features, embedding)))))
    assert arrays["adds"][0] == pytest.approx(scores[0] - scores[1], rel=1e-2)
    SYSTEM_VISUALIZATIONS["kpsem"].draw(clip, arrays, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 5000


def test_salience_is_where_something_moves(tmp_path: Path) -> None:
    clip = clip_of("mdt_resnet18")
    arrays = SYSTEM_VISUALIZATIONS["mdt"].arrays(clip)
    salience = arrays["salience"].mean(axis=0)
    assert salience.shape == (16, 16)
    assert salience[2:5, :7].mean() > 5 * salience[8:].mean()
    SYSTEM_VISUALIZATIONS["mdt"].draw(clip, arrays, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 5000


def test_which_visualizations_a_model_has() -> None:
    assert set(SYSTEM_VISUALIZATIONS) <= set(SYSTEMS)
    assert list(visualizations_of(create_model("stp_resnet18", 2, modality="flow"))) == ["pyramid", "flow"]
    assert visualizations_of(create_model("tsm_resnet18", 2)) == {}
    without = create_model("mdt_resnet18", 2, salience=False)
    assert chosen_visualizations(without, "all") == []
    with pytest.raises(UserError, match="has no view 'salience': it has no motion salience"):
        chosen_visualizations(without, "salience")
    with pytest.raises(UserError, match="it has no temporal extraction"):
        chosen_visualizations(create_model("tefe_resnet18", 2, num_steps=4, te=(0, 0, 0, 0)), "kernels")
    assert drawn_frame("mdt_resnet18", 5) == 3
    assert (drawn_frame("tsm_resnet18", 1), drawn_frame("stp_bninception", 5)) == (0, 2)


def test_the_flow_of_a_model_of_flow(tmp_path: Path, video: Path) -> None:
    torch.manual_seed(0)
    model = create_model("stp_resnet18", 2, modality="flow", frames_per_segment=2).eval()
    plan = ViewPlan(modality="flow", num_segments=4, frames_per_segment=2, resize=64, size=64)
    folder = saved(model, tmp_path / "run", plan)
    predictor = load_flow(folder)
    clip = predict_clip(predictor, video)
    assert clip.flow is not None
    assert clip.flow.shape == (4, 64, 64, 2)
    assert clip.frames.shape == (4, 64, 64, 3)
    with pytest.raises(UserError, match="holds optical flow; give the video itself"):
        predict_clip(predictor, tmp_path / "v.flow.mkv")


def load_flow(folder: Path) -> Predictor:
    """A predictor whose model has flow settings in its record."""
    text = (folder / "model.json").read_text()
    settings = '{"flow": {"method": "farneback", "bound": 20.0, "short_side": 64, "warp": false}}'
    (folder / "model.json").write_text(text.replace('"record": {}', f'"record": {settings}'))
    return load(folder, device="cpu")
