"""A clip of which some frames cannot be decoded is trained and tested on with the others."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import torch

from kinesics.analysis.evaluate import test as test_run
from kinesics.data.dataset import read_clip
from kinesics.inference.predictor import load
from kinesics.training.train import train
from kinesics.values import VideoItem
from kinesics.video.integrity import decode_whole
from tests.tiny import make_set, tiny_recipe
from tests.video.numbered_video import numbered_video, numbers


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """60 frames with 400 bytes of noise in the middle."""
    path = numbered_video(tmp_path / "a.mp4", 60)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = random.Random(0).randbytes(400)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("is_partial", [True, False], ids=["marked", "unchecked"])
def test_every_draw_of_a_damaged_clip_works(damaged: Path, is_partial: bool) -> None:
    check = decode_whole(damaged)
    assert check.status == "partial"
    assert check.num_frames < 60
    item = VideoItem("a", damaged, is_partial=is_partial)
    for seed in range(40):
        chance = random.Random(seed)
        clip, indices, seconds = read_clip(
            item, 64, lambda n, chance=chance: torch.tensor(sorted(chance.sample(range(n), 8)))[:, None]
        )
        again, _, _ = read_clip(item, 64, lambda _, indices=indices: indices)
        assert torch.equal(clip, again) or not is_partial
        assert (seconds.diff(dim=0) > 0).all()
        assert len(set(indices.flatten().tolist())) == 8


def test_frames_that_decode_keep_their_times(damaged: Path) -> None:
    num_frames = decode_whole(damaged).num_frames
    item = VideoItem("a", damaged, is_partial=True)
    clip, _, seconds = read_clip(item, 64, lambda n: torch.arange(n)[:, None])
    assert len(clip) == num_frames
    assert numbers(clip[:10]) == list(range(10))
    assert seconds[-1].item() == pytest.approx(59 / 25)


def test_training_testing_and_predicting_take_partial_clips(damaged: Path, tmp_path: Path) -> None:
    data = make_set(tmp_path / "set", train=2, val=0, test=1)
    for split in ("train", "test"):
        shutil.copy(damaged, tmp_path / f"set/clips/{split}.mp4")
    lines = [f"clips/{split}.mp4,left,{split},,g{split},,,partial,55,25" for split in ("train", "test")]
    data.write_text(data.read_text() + "\n".join(lines) + "\n")
    recipe = tiny_recipe("tsn").with_changes(input={"num_segments": 8}, optim={"epochs": 3})
    run = train(recipe, data, tmp_path / "run", device="cpu", num_workers=0)
    assert json.loads((tmp_path / "run/run.json").read_text())["status"]["partial"] == 2
    metrics = test_run(run, device="cpu", num_workers=0).metrics
    assert metrics.num_videos == 3
    assert load(run, device="cpu").predict(damaged).label in ("left", "right")
