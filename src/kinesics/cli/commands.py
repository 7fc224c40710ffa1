"""The commands by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tyro

from kinesics.cli.comparing import compare, report
from kinesics.cli.data import flow, prepare, probe, puppets
from kinesics.cli.explaining import explain
from kinesics.cli.training import cross_validate, train
from kinesics.cli.using import calibrate, cost, demo, doctor, fuse, models, predict, test


@dataclasses.dataclass(frozen=True)
class Command:
    """A command's line in the help, and what runs it."""

    title: str
    run: Callable[[list[str]], int | None]


def plain(function: Callable[..., int | None], name: str) -> Command:
    """A command whose flags are the arguments of `function`."""
    title = (function.__doc__ or "").splitlines()[0]
    return Command(title, lambda words: tyro.cli(function, args=words, prog=f"kinesics {name}"))


COMMANDS: dict[str, Command] = {
    "prepare": Command("Check a folder or list of labelled videos, and write the manifest.", prepare),
    "probe": plain(probe, "probe"),
    "flow": plain(flow, "flow"),
    "train": Command("Train a recipe on a manifest: kinesics train tsm --data set.csv --out run", train),
    "test": plain(test, "test"),
    "cross-validate": Command("Train and test every fold of a manifest.", cross_validate),
    "fuse": plain(fuse, "fuse"),
    "calibrate": plain(calibrate, "calibrate"),
    "compare": plain(compare, "compare"),
    "report": plain(report, "report"),
    "predict": plain(predict, "predict"),
    "explain": plain(explain, "explain"),
    "models": plain(models, "models"),
    "cost": Command("Count the parameters and multiply-accumulates of a model, or of all in the papers.", cost),
    "puppets": plain(puppets, "puppets"),
    "demo": plain(demo, "demo"),
    "doctor": plain(doctor, "doctor"),
}
