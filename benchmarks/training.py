"""What share of a training's time is spent waiting for data, on the demo's puppets.

python benchmarks/training.py [--epochs 3]
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import statistics
import tempfile
from pathlib import Path

import torch

from kinesics.data.puppets import make_puppets
from kinesics.demonstration import PUPPETS, demo_recipe
from kinesics.training.train import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    epochs = parser.parse_args().epochs
    with tempfile.TemporaryDirectory() as folder:
        data = make_puppets(Path(folder) / "puppets", PUPPETS)
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; {PUPPETS.size}² puppets, seed 0")
        print("| system | clips/s | waits for data |\n|---|---|---|")
        for system in ("tsn", "tsm"):
            recipe = demo_recipe(system, 0)
            recipe = dataclasses.replace(recipe, optim=dataclasses.replace(recipe.optim, epochs=epochs))
            run = train(recipe, data, Path(folder) / system, device="cpu")
            rows = list(csv.DictReader((run / "log.csv").open()))
            speed, wait = (statistics.median(float(row[k]) for row in rows) for k in ("clips_per_second", "data_wait"))
            print(f"| {recipe.model.name} | {speed:.1f} | {wait:.1%} |", flush=True)


if __name__ == "__main__":
    main()
