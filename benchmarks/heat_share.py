"""Of which stage the heat map lies where things move, for each backbone: TSM on puppets, or on your clips.

    python benchmarks/heat_share.py OUT                                # puppets
    python benchmarks/heat_share.py OUT --data set.csv --few           # your clips, by the preset for few clips
    python benchmarks/heat_share.py OUT --backbones mobilenetv2 --weights file.pt

Trains (what OUT holds is kept), explains test clips, and prints the median of `heat_share` for each stage: 1 is even,
4 is the most. `--weights none` trains a backbone from random weights, all of it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from kinesics import demonstration as demo
from kinesics.analysis.evaluate import test
from kinesics.data.manifest import read_manifest
from kinesics.data.puppets import make_puppets
from kinesics.explanation.explained_clip import predict_clip
from kinesics.explanation.heat_share import heat_share
from kinesics.explanation.methods import METHODS, MethodSettings, enlarged, explain
from kinesics.explanation.run import motion_of
from kinesics.inference.predictor import load_predictor
from kinesics.plots.saliency import scaled
from kinesics.recipes import recipe
from kinesics.runs.checkpoint import CHECKPOINT
from kinesics.runs.model_file import find_model
from kinesics.settings import Recipe
from kinesics.training.train import train

PUPPETS = replace(demo.PUPPETS, clips_per_class=60)
CASES = (
    *(("gradcam", stage) for stage in ("layer2", "layer3", "layer4", "layer5")),
    ("gradcam++", "layer4"),
    ("cam", "layer5"),
    ("occlusion", None),
)


def recipe_for(backbone: str, weights: str | None, few: bool, epochs: int | None) -> Recipe:
    """The preset for few clips, or the demo's training with four frames a clip."""
    if few:
        found = recipe("tsm", preset="few")
        found = replace(found, model=replace(found.model, backbone=backbone, weights=weights))
    else:
        found = demo.demo_recipe("tsm", 0)
        found = replace(
            found,
            model=replace(found.model, backbone=backbone, weights=weights),
            input=replace(found.input, num_segments=4),
            optim=replace(found.optim, frozen_stages=2 if weights else 0),
        )
    return found if epochs is None else replace(found, optim=replace(found.optim, epochs=epochs))


def shares(run: Path, videos: list[Path]) -> dict[tuple[str, str | None], list[float]]:
    """The share of each case for each video of a run, for the model's own answer."""
    predictor = load_predictor(run)
    found: dict[tuple[str, str | None], list[float]] = {case: [] for case in CASES}
    for path in videos:
        clip = predict_clip(predictor, path)
        motion = motion_of(clip)
        for method, stage in CASES:
            maps = explain(clip.class_score, method, MethodSettings(stage if METHODS[method].uses_stage else None))
            heat = scaled(enlarged(maps, (clip.class_score.num_steps, *maps.shape[1:])).numpy())
            share = None if motion is None else heat_share(motion, heat)
            if share is not None:
                found[method, stage].append(share)
    return found


def main() -> None:
    """Train what is missing, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--few", action="store_true")
    parser.add_argument("--backbones", nargs="+", default=["efficientnet_lite0"])
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--clips", type=int, default=16)
    flags = parser.parse_args()
    data = flags.data or make_puppets(flags.out / "puppets", PUPPETS)
    weights = None if flags.weights == "none" else flags.weights
    items = read_manifest(data).items("test")
    videos = [item.path for item in items[:: max(1, len(items) // flags.clips)]]
    lines = []
    for backbone in flags.backbones:
        run = flags.out / backbone
        if not (run / "test-one" / "scores.npz").is_file():
            train(
                recipe_for(backbone, weights, flags.few, flags.epochs), data, run, resume=(run / CHECKPOINT).is_file()
            )
        metrics = test(run, data).metrics
        found = shares(find_model(run), videos)
        cells = [f"{np.median(values):.2f} ({np.mean(np.array(values) > 1):.0%})" for values in found.values()]
        lines.append(f"| {backbone} | {metrics.value('top1'):.0%} of {len(items)} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    names = [f"{method} {stage or ''}".strip() for method, stage in CASES]
    print(f"| median of {len(videos)} clips (share above 1) | right | {' | '.join(names)} |")
    print("|---" * (len(names) + 2) + "|", *lines, sep="\n")


if __name__ == "__main__":
    main()
