"""What the classifiers of `kinesics probe` cost beside its features, and what they reach.

    python benchmarks/probe_fits.py [--rounds 5] [--features FILE.npz]

Made-up features: 212 clips of 4 classes and 7 people, 8 frames of 1280 numbers, a fold per person. A file with arrays
features (N, T, D), targets (N, K) and groups (N,) takes their place. Printed: the median time of all fits in seconds,
and the share of right answers for each way to look at a clip.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from kinesics.analysis.probe import Array, left_out_logits
from kinesics.data.manifest import Manifest
from kinesics.values import VideoItem

CLASSES, PEOPLE, CLIPS, FRAMES, FEATURES = 4, 7, 212, 8, 1280


def made_up(seed: int = 0) -> tuple[Array, np.ndarray, np.ndarray]:
    """Features that differ between people more than between classes, as those of a frozen backbone do."""
    random = np.random.default_rng(seed)
    labels, people = random.integers(0, CLASSES, CLIPS), random.integers(0, PEOPLE, CLIPS)
    of_class, of_person = random.normal(size=(CLASSES, FEATURES)) * 0.35, random.normal(size=(PEOPLE, FEATURES))
    shared = random.normal(size=(CLIPS, 40)) @ random.normal(size=(40, FEATURES)) * 0.3
    clips = of_class[labels] + of_person[people] + shared
    frames = clips[:, None] + random.normal(size=(CLIPS, FRAMES, FEATURES)) * 0.8
    return np.maximum(frames, 0).astype(np.float32), np.eye(CLASSES, dtype=bool)[labels], people


def main() -> None:
    """Print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--features", type=Path, default=None)
    asked = parser.parse_args()
    if asked.features:
        with np.load(asked.features) as file:
            features, targets, groups = file["features"], file["targets"], file["groups"]
    else:
        features, targets, groups = made_up()
    labels = targets.argmax(axis=1)
    items = [
        VideoItem(str(n), Path("none"), (int(label),), group=str(group))
        for n, (label, group) in enumerate(zip(labels, groups, strict=True))
    ]
    manifest = Manifest(Path("made-up.csv"), (), tuple(f"class {k}" for k in range(targets.shape[1])))
    folds = np.unique(groups, return_inverse=True)[1]
    seconds = []
    for _ in range(asked.rounds):
        started = time.perf_counter()
        logits = left_out_logits(features, items, folds, manifest)
        seconds.append(time.perf_counter() - started)
    right = {way: round(float((found.argmax(1) == labels).mean()), 3) for way, found in logits.items()}
    print(json.dumps({"clips": len(items), "seconds": round(statistics.median(seconds), 2), "accuracy": right}))


if __name__ == "__main__":
    main()
