"""Puppets: the same clip everywhere, pairs that differ only in the order of frames, motions of the set length."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kinesics.data.manifest import read_manifest
from kinesics.data.puppets import CLASSES, PAIRS, SMALL, PuppetSettings, contact_sheet, draw_clip, make_puppets
from kinesics.data.puppets.draw import plan_act
from kinesics.data.puppets.figure import draw_figure
from kinesics.data.puppets.motions import BACKWARDS, TIPS, curve, smooth_noise
from kinesics.data.puppets.shapes import Shapes
from kinesics.errors import UserError
from tests.listeners import Heard

SMALL_SET = PuppetSettings(size=16, num_frames=8, clips_per_class=5, classes=("nod", "lean_in", "lean_out"))
MOVING = [name for name in CLASSES if name != "still"]


def test_twelve_classes_of_which_six_are_pairs() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == 12
    assert set(CLASSES) == {name for pair in PAIRS for name in pair} | set(SMALL)
    assert set(TIPS) == set(CLASSES)
    assert [sum(name in BACKWARDS for name in pair) for pair in PAIRS] == [1, 1, 1]


# ---- one clip


def test_clip_depends_on_seed_label_and_index_alone() -> None:
    settings = PuppetSettings(size=24, num_frames=8)
    first = draw_clip("nod", settings, 3)
    assert (first.shape, first.dtype) == ((8, 24, 24, 3), np.uint8)
    draw_clip("wave", settings, 9)  # what was drawn in between does not matter
    np.testing.assert_array_equal(first, draw_clip("nod", settings, 3))
    more = dataclasses.replace(settings, clips_per_class=7, classes=("nod",))
    np.testing.assert_array_equal(first, draw_clip("nod", more, 3))
    for other in (
        draw_clip("nod", settings, 4),
        draw_clip("wave", settings, 3),
        draw_clip("nod", dataclasses.replace(settings, seed=1), 3),
    ):
        assert np.abs(first.astype(int) - other).mean() > 5


def test_unknown_class_and_index() -> None:
    with pytest.raises(UserError, match="did you mean 'shake_head'"):
        draw_clip("shake_haed", PuppetSettings(), 0)
    with pytest.raises(UserError, match="index"):
        draw_clip("nod", PuppetSettings(), -1)


def test_one_actor_plays_all_classes() -> None:
    bodies = [plan_act(label, PuppetSettings(), 5).body for label in CLASSES]
    assert len({body.scale for body in bodies}) == 1
    assert len({plan_act("nod", PuppetSettings(), actor).body.scale for actor in range(20)}) == 20


def test_frames_differ_and_are_not_saturated() -> None:
    for label in CLASSES:
        clip = draw_clip(label, PuppetSettings(size=48), 0)
        assert (np.abs(np.diff(clip.astype(int), axis=0)).mean(axis=(1, 2, 3)) > 0).all()
        assert clip.std() > 20
        assert (clip == 255).mean() < 0.3


# ---- motions


@given(st.sampled_from(MOVING), st.integers(8, 90), st.integers(0, 2**32))
def test_curves_go_from_still_to_still_and_use_their_whole_range(label: str, num_frames: int, seed: int) -> None:
    motion = curve(label, num_frames, np.random.default_rng(seed))
    assert motion.shape == (num_frames,)
    assert (motion.min(), motion.max()) == (0, 1)
    assert motion[0] == motion[1]
    assert motion[-1] == motion[-2]
    if label not in [name for pair in PAIRS for name in pair]:
        assert motion[0] == pytest.approx(motion[-1]), "small motions come back"
    else:
        assert {motion[0], motion[-1]} == {0, 1}
        assert (np.diff(motion) <= 0).all() if label in BACKWARDS else (np.diff(motion) >= 0).all()


@given(st.sampled_from(PAIRS), st.integers(0, 2**32), st.integers(0, 50))
def test_pairs_are_each_other_backwards(pair: tuple[str, str], seed: int, index: int) -> None:
    settings = PuppetSettings(idle_percent=0)
    one, other = (plan_act(label, settings, index, np.random.default_rng(seed)) for label in pair)
    assert one.stage == other.stage
    np.testing.assert_allclose(one.pose, other.pose[::-1], atol=1e-12)
    assert np.ptp(one.pose, axis=0).max() > 0


def test_what_is_random_is_the_same_in_both_directions_of_time() -> None:
    """Statistics that change their sign when time is reversed are zero for the sway, camera and light."""
    rng = np.random.default_rng(0)
    noise = smooth_noise(rng, 24, 12.0, 20_000)
    assert np.abs(noise).max() <= 1
    steps = np.diff(noise, axis=0)
    for odd in (steps.mean(), (steps**3).mean(), (steps * (noise[1:] ** 2 + noise[:-1] ** 2)).mean()):
        assert abs(odd) < 0.01 * np.abs(steps).mean()
    skew = (noise[:-3] ** 2 * noise[3:] - noise[:-3] * noise[3:] ** 2).mean()
    assert abs(skew) < 0.002


@pytest.mark.parametrize("percent", [1.0, 4.0, 10.0, 15.0])
@pytest.mark.parametrize("label", CLASSES)
def test_the_tip_travels_the_amplitude(label: str, percent: float) -> None:
    settings = PuppetSettings(amplitude_percent=percent, idle_percent=0)
    for index in range(4):
        act = plan_act(label, settings, index)
        if label == "still":
            assert np.ptp(act.pose, axis=0).max() == 0
            continue
        tip = act.bones.tip(TIPS[label])
        travel = np.linalg.norm(tip[act.curve.argmax()] - tip[act.curve.argmin()])
        assert travel == pytest.approx(percent / 100, rel=0.01)


def test_hands_may_go_farther_than_heads() -> None:
    settings = PuppetSettings(hand_percent=25.0, amplitude_percent=5.0, idle_percent=0)
    for label, expected in (("raise_hand", 0.25), ("lower_hand", 0.25), ("wave", 0.25), ("nod", 0.05)):
        for index in range(6):
            act = plan_act(label, settings, index)
            tip = act.bones.tip(TIPS[label])
            assert np.linalg.norm(tip[act.curve.argmax()] - tip[act.curve.argmin()]) == pytest.approx(
                expected, rel=0.01
            )
            assert tip[:, 1].max() < 1.03


def tracked(label: str, percent: float, keep: int, size: int = 128) -> NDArray[np.float64]:
    """(T, 2) in pixels, (x, y): the centre of one polygon of the figure, painted alone and located in the pixels."""
    act = plan_act(label, PuppetSettings(amplitude_percent=percent, idle_percent=0), 1)
    figure = draw_figure(act.body, act.stage, act.pose, np.zeros(len(act.pose), dtype=bool))
    alone = Shapes()
    alone.add(figure.points[keep], np.full(3, 255.0))
    canvases = [np.zeros((size, size, 3), np.uint8) for _ in act.pose]
    alone.paint(canvases, np.zeros((len(act.pose), 2)))
    centres = []
    for canvas in canvases:
        moments = cv2.moments(canvas[..., 0])
        centres.append((moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]))
    return np.array(centres)


@pytest.mark.parametrize("percent", [1.0, 2.0, 10.0])
@pytest.mark.parametrize(("label", "axis"), [("raise_hand", 1), ("lower_hand", 1), ("wave", 0)])
def test_the_hand_travels_the_amplitude_in_pixels(label: str, axis: int, percent: float) -> None:
    path = tracked(label, percent, keep=-1)  # the palm of the moving hand is painted last
    across = np.ptp(path, axis=0)
    # The palm is a little farther from the elbow than the joint that is measured.
    assert np.hypot(*across) == pytest.approx(1.28 * percent * 1.05, abs=0.25 + 0.05 * percent)
    assert across[axis] > 2 * across[1 - axis]
    if label != "wave":
        assert np.sign(path[-1, 1] - path[0, 1]) == (-1 if label == "raise_hand" else 1)


@pytest.mark.parametrize("label", ["turn_left", "turn_right", "nod", "shake_head"])
def test_the_nose_travels_the_amplitude_in_pixels(label: str) -> None:
    act = plan_act(label, PuppetSettings(), 1)
    figure = draw_figure(act.body, act.stage, act.pose, np.zeros(len(act.pose), dtype=bool))
    lit = tuple(np.clip(1.06 * act.body.skin, 0, 255).tolist())
    path = tracked(label, 10.0, keep=figure.colours.index(lit))
    axis = 1 if label == "nod" else 0
    assert np.ptp(path[:, axis]) == pytest.approx(12.8, rel=0.25), "the middle of the nose moves less than its tip"
    if label.startswith("turn"):
        assert np.sign(path[-1, 0] - path[0, 0]) == (1 if label == "turn_right" else -1)


def test_small_motions_are_smaller_than_a_pixel_and_still_seen() -> None:
    path = tracked("raise_hand", 1.0, keep=-1, size=64)
    steps = -np.diff(path[:, 1])
    assert 0.4 < steps.sum() < 0.9
    assert ((steps > 0.005) & (steps < 0.4)).sum() >= 5, "it moves in steps of parts of a pixel"


# ---- what a frame shows


def features(labels: tuple[str, str], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of both classes, (2, N, D): the mean frames, without order; and the direction of motion in 8 × 8 cells."""
    settings = PuppetSettings(size=32, num_frames=12, distractors=1, noise=0, amplitude_percent=15)
    mean, order = [], []
    for label in labels:
        clips = [draw_clip(label, settings, index).mean(axis=3) for index in range(count)]
        mean.append([clip.mean(axis=0).ravel() for clip in clips])
        order.append([moving(clip) for clip in clips])
    return np.array(mean), np.array(order)


def moving(clip_THW: NDArray[np.float64]) -> NDArray[np.float64]:
    """(128,) the flow across edges, along x and y: change over time × slope. Reversed time changes its sign."""
    change, middle = np.diff(clip_THW, axis=0), (clip_THW[1:] + clip_THW[:-1]) / 2
    cells = [(-change * np.gradient(middle, axis=axis)).mean(axis=0).reshape(8, 4, 8, 4) for axis in (1, 2)]
    flow = np.array([cell.mean(axis=(1, 3)) for cell in cells]).ravel()
    return np.asarray(flow / np.linalg.norm(flow))


def centroid_accuracy(features_2ND: NDArray[np.float64]) -> float:
    """Accuracy of the nearest of two class means (by correlation), computed from the other half of the clips."""
    half = features_2ND.shape[1] // 2
    is_correct = []
    for learn, test in ((slice(None, half), slice(half, None)), (slice(half, None), slice(None, half))):
        means = features_2ND[:, learn].mean(axis=1)
        axis, middle = means[0] - means[1], means.mean(axis=0)
        is_correct += [*((features_2ND[0, test] - middle) @ axis > 0), *((features_2ND[1, test] - middle) @ axis < 0)]
    return float(np.mean(is_correct))


@pytest.mark.parametrize("pair", PAIRS)
def test_frames_without_order_tell_nothing_and_their_order_does(pair: tuple[str, str]) -> None:
    count = 120
    mean, order = features(pair, count)
    chance = 0.5 / np.sqrt(2 * count)
    assert abs(centroid_accuracy(mean) - 0.5) < 4 * chance
    gap = np.abs(mean[0].mean(axis=0) - mean[1].mean(axis=0))
    noise = np.sqrt((mean[0].var(axis=0) + mean[1].var(axis=0)) / count)
    assert (gap / noise).max() < 5, "no pixel of the mean frames differs beyond chance"
    assert centroid_accuracy(order) > 0.5 + 4 * chance


# ---- settings


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"size": 8}, "size"),
        ({"num_frames": 7}, "num_frames"),
        ({"fps": float("nan")}, "fps"),
        ({"amplitude_percent": 0.0}, "amplitude_percent from 0.1 to 15"),
        ({"amplitude_percent": 16.0}, "amplitude_percent"),
        ({"hand_percent": 31.0}, "hand_percent from 0.1 to 30"),
        ({"motion_share": (0.9, 0.5)}, "motion_share from 0.1 to 1"),
        ({"clips_per_class": 0}, "clips_per_class"),
        ({"distractors": -1}, "distractors"),
        ({"seed": -1}, "seed"),
        ({"val_share": 0.6, "test_share": 0.6}, "expected val_share . test_share up to 1"),
        ({"classes": ()}, "one class or more"),
        ({"classes": ("nod", "nod")}, "each once"),
        ({"classes": ("nodd",)}, "did you mean 'nod'"),
    ],
)
def test_settings_that_cannot_be(change: dict[str, object], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        PuppetSettings(**change)  # type: ignore[arg-type]


def test_settings_survive_json() -> None:
    settings = PuppetSettings(classes=("nod", "wave"), amplitude_percent=2.5)
    assert PuppetSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    with pytest.raises(UserError, match="did you mean 'size'"):
        PuppetSettings.from_dict({"sice": 3})


@given(st.integers(1, 300), st.integers(0, 50), st.integers(0, 50))
def test_splits_have_their_shares(actors: int, val: int, test: int) -> None:
    settings = PuppetSettings(val_share=val / 100, test_share=test / 100)
    splits = [settings.split_of(actor) for actor in range(actors)]
    assert abs(splits.count("test") - actors * test / 100) <= 2
    assert abs(splits.count("val") - actors * val / 100) <= 2


# ---- files


def frames_in(path: Path) -> tuple[int, int, float]:
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return len(frames), frames[0].shape[0], float(rate or 0)


def test_files_and_list(tmp_path: Path) -> None:
    heard = Heard()
    path = make_puppets(tmp_path / "set", SMALL_SET, listener=heard)
    assert path == tmp_path / "set" / "puppets.csv"
    assert heard.progress == [(n, 15) for n in range(16)]
    manifest = read_manifest(path)
    assert len(manifest.rows) == 15
    assert set(manifest.classes) == set(SMALL_SET.classes)
    splits: dict[str, set[str]] = {}
    for row in manifest.rows:
        assert frames_in(path.parent / row.path) == (8, 16, 12.0)
        assert (row.num_frames, row.fps, row.status) == (8, 12.0, "ok")
        assert Path(row.path).name.startswith(row.labels[0])
        splits.setdefault(row.group, set()).add(row.split)
    assert len(splits) == 5
    assert all(len(of_actor) == 1 for of_actor in splits.values()), "an actor is on one side only"
    assert sorted(split for (split,) in splits.values()) == ["test", "train", "train", "train", "val"]
    assert len(manifest.items("train")) == 9


def test_frames_in_the_file_are_those_drawn(tmp_path: Path) -> None:
    settings = PuppetSettings(clips_per_class=1, classes=("raise_hand",))
    make_puppets(tmp_path, settings)
    with av.open(str(tmp_path / "clips/raise_hand_0000.mp4")) as container:
        decoded = list(container.decode(video=0))
    assert all(frame.key_frame for frame in decoded), "no frame is predicted from those before it"
    frames = np.stack([frame.to_ndarray(format="rgb24") for frame in decoded]).astype(float)
    error = np.square(frames - draw_clip("raise_hand", settings, 0)).mean()
    assert 10 * np.log10(255**2 / error) > 28


def test_interrupted_drawing_is_taken_up(tmp_path: Path) -> None:
    make_puppets(tmp_path, SMALL_SET)
    files = sorted((tmp_path / "clips").iterdir())
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}
    files[3].unlink()
    (tmp_path / "puppets.csv").unlink()
    heard = Heard()
    make_puppets(tmp_path, SMALL_SET, listener=heard)
    assert heard.progress == [(14, 15), (15, 15)]
    assert sorted((tmp_path / "clips").iterdir()) == files
    assert files[3].read_bytes() == before[files[3]][0]
    assert all(file.stat().st_mtime_ns == before[file][1] for file in files if file != files[3])
    assert len(read_manifest(tmp_path / "puppets.csv").rows) == 15


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    make_puppets(tmp_path, SMALL_SET)
    with pytest.raises(UserError, match="size 16 there, 20 here"):
        make_puppets(tmp_path, dataclasses.replace(SMALL_SET, size=20))
    (tmp_path / "puppets.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        make_puppets(tmp_path, SMALL_SET)
    (tmp_path / "puppets.json").unlink()
    with pytest.raises(UserError, match=r"no puppets\.json"):
        make_puppets(tmp_path, SMALL_SET)
    with pytest.raises(UserError, match="num_workers is 0"):
        make_puppets(tmp_path / "new", SMALL_SET, num_workers=0)


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    settings = dataclasses.replace(SMALL_SET, clips_per_class=32)
    for name, workers in (("one", 1), ("two", 2)):
        make_puppets(tmp_path / name, settings, num_workers=workers)
    files = sorted(file.relative_to(tmp_path / "one") for file in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 96 + 2
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_workers_need_no_torch() -> None:
    code = "import sys, kinesics.data.puppets; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_contact_sheet(tmp_path: Path) -> None:
    settings = PuppetSettings(classes=("nod", "wave", "still"))
    path = contact_sheet(settings, tmp_path / "sheet.png", size=48, columns=4)
    sheet = cv2.imread(str(path))
    assert sheet.shape == (3 * 52 + 4, 100 + 4 * 52, 3)
    assert sheet[:, :100].min() < 100, "the rows are labelled"
    clip = draw_clip("still", dataclasses.replace(settings, size=48), 2)
    np.testing.assert_array_equal(sheet[108:156, 100:148, ::-1], clip[0])
    contact_sheet(PuppetSettings(), tmp_path / "all.png", size=32, columns=3)
    assert cv2.imread(str(tmp_path / "all.png")).shape == (6 * 36 + 4, 2 * (100 + 3 * 36), 3), "two halves"
    with pytest.raises(UserError, match=r"\.png"):
        contact_sheet(settings, tmp_path / "sheet.jpg")
