"""The commands by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from kinesics.cli.comparing import compare, report
from kinesics.cli.data import flow, prepare, probe, puppets
from kinesics.cli.explaining import explain
from kinesics.cli.training import cross_validate, splits, train
from kinesics.cli.using import calibrate, cost, demo, doctor, fuse, models, predict, test


@dataclasses.dataclass(frozen=True)
class Command:
    """A command's line in the help, and what runs it."""

    title: str
    run: Callable[[list[str]], int | None]


COMMANDS: dict[str, Command] = {
    "prepare": Command(
        "Check a folder or list of labelled videos, and write the manifest that everything else reads.", prepare
    ),
    "probe": Command("Tell in about a minute what a manifest's clips allow, before anything is trained.", probe),
    "flow": Command("Extract the optical flow of a manifest's videos.", flow),
    "train": Command("Train a recipe on a manifest: kinesics train tsm --data set.csv --out run", train),
    "test": Command("Test a trained run: scores, metrics with 95 % intervals, confusion matrix.", test),
    "cross-validate": Command("Train and test every fold of a manifest.", cross_validate),
    "splits": Command("Train and test a recipe on each official split of a data set, and take the mean.", splits),
    "fuse": Command(
        "Fuse the scores of tested runs, such as RGB and flow: a weighted mean of their probabilities.", fuse
    ),
    "calibrate": Command('Make a run\'s probabilities believable, and let it answer "none of these".', calibrate),
    "compare": Command(
        "Compare tested runs on the same clips: figures, cost, differences with intervals, McNemar's test.", compare
    ),
    "report": Command(
        "Write a page on tested runs: figures, confusions with their clips, calibration, cost, how to make them again.",
        report,
    ),
    "predict": Command("Predict the class of videos, or of all videos below folders.", predict),
    "explain": Command("Show where and when a model looked: heat maps over the frames of videos.", explain),
    "models": Command("Print the table of systems and backbones.", models),
    "cost": Command("Count the parameters and multiply-accumulates of a model, or of all in the papers.", cost),
    "puppets": Command(
        "Draw the puppets, the embedded data set: small videos whose classes differ only in motion.", puppets
    ),
    "demo": Command("Draw puppets, train TSN and TSM on them, test both, predict and annotate a clip.", demo),
    "doctor": Command("Print versions, devices, decoders, optional parts and what is missing.", doctor),
}
