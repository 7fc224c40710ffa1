"""Scores: every view counted once, the same alone or in a batch, averaged as the plan says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from kinesics.data.dataset import TestClips, crop_views
from kinesics.data.manifest import read_manifest
from kinesics.errors import UserError, VideoError
from kinesics.inference.scorer import score, view_logits
from kinesics.models.build import create_model
from kinesics.models.recognizer import Recognizer
from kinesics.values import Sample, Scores
from kinesics.video.view_plan import ViewPlan

PLAN = ViewPlan(num_clips=2, num_segments=3, resize=32, size=24, crops=3)


@pytest.fixture(scope="module")
def model() -> Recognizer:
    torch.manual_seed(0)
    made = create_model("tsm_resnet18", 2)
    torch.nn.init.normal_(made.head.fc.weight)  # type: ignore[arg-type, union-attr]
    return made.eval()


@pytest.mark.parametrize("average", ["logits", "probs"])
def test_averages_all_views(tiny_set: Path, model: Recognizer, average: str) -> None:
    manifest = read_manifest(tiny_set)
    items = manifest.items("test")
    plan = dataclasses.replace(PLAN, average=average)  # type: ignore[arg-type]
    scores = score(model, items, manifest.classes, plan, num_workers=0)
    clips = TestClips(items, 2, plan)
    for row, index in zip(scores.logits, range(len(items)), strict=True):
        sample = clips[index]
        assert isinstance(sample, Sample)
        with torch.inference_mode():
            views = torch.stack([model(model.input_norm(view[None]))[0] for view in crop_views(sample.clips, plan)])
        want = views.mean(0) if average == "logits" else views.softmax(1).mean(0).log()
        assert row == pytest.approx(want.numpy(), abs=1e-4)
    assert scores.ids == tuple(item.id for item in items)
    assert scores.targets.sum(axis=1).tolist() == [1] * len(items)


def test_multi_label_probabilities_are_averaged_each() -> None:
    class Fixed(torch.nn.Module):
        input_norm = staticmethod(lambda clips: clips.float())

        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return clips.mean((1, 3, 4))

    clips = torch.tensor([[-1.0, 2.0], [3.0, 0.5]])[None, :, None, :, None, None].expand(1, 2, 3, 2, 4, 4)
    plan = ViewPlan(num_clips=2, num_segments=3, average="probs")
    logits = view_logits(Fixed(), clips, plan, multi_label=True)  # type: ignore[arg-type]
    want = (torch.tensor([[-1.0, 2.0], [3.0, 0.5]]).sigmoid().mean(0)).logit()
    assert torch.allclose(logits[0], want, atol=1e-5)


def test_a_broken_video_is_not_left_out(tiny_set: Path, model: Recognizer, tmp_path: Path) -> None:
    manifest = read_manifest(tiny_set)
    items = [*manifest.items("test"), dataclasses.replace(manifest.items("val")[0], path=tmp_path / "gone.mp4")]
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        score(model, items, manifest.classes, PLAN, num_workers=0)


def test_scores_survive_the_disk(tmp_path: Path) -> None:
    scores = Scores(
        ("a", "b"), np.array([[1, 2], [3, 4]], np.float32), np.eye(2, dtype=bool), ("x", "ü"), True, {"k": 1}
    )
    scores.save(tmp_path / "scores.npz")
    loaded = Scores.load(tmp_path / "scores.npz")
    assert (loaded.ids, loaded.classes, loaded.multi_label, loaded.record) == (("a", "b"), ("x", "ü"), True, {"k": 1})
    assert np.array_equal(loaded.logits, scores.logits)
    assert [p.name for p in tmp_path.iterdir()] == ["scores.npz"]
    (tmp_path / "other.npz").write_bytes(b"PK nonsense")
    with pytest.raises(UserError, match="not a score file"):
        Scores.load(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="twice"):
        dataclasses.replace(scores, ids=("a", "a"))


def test_views_are_averaged_for_any_scorer() -> None:
    """What is not a network of ours can score clips, too."""
    clips = torch.arange(2 * 3 * 2, dtype=torch.uint8).reshape(2, 3, 2, 1, 1, 1)

    def brightness(clips: torch.Tensor) -> torch.Tensor:
        means = clips.float().mean((1, 2, 3, 4))
        return torch.stack([means, -means], dim=1)

    plan = dataclasses.replace(PLAN, average="logits")
    assert view_logits(brightness, clips, plan).tolist() == [[2.5, -2.5], [8.5, -8.5]]
