"""Commands about clips: prepare, probe, flow, puppets. Imports of torch wait until they are needed."""

from __future__ import annotations

from dataclasses import MISSING
from pathlib import Path

from kinesics.cli.flags import JSON, Flag, pairs, parse
from kinesics.files import check_writable


def prepare(words: list[str]) -> int:
    """`kinesics prepare SOURCE --out set.csv …`."""
    from kinesics.cli.console import say
    from kinesics.cli.progress import BarListener
    from kinesics.data.prepare import prepare as function
    from kinesics.data.prepare import report_lines

    values = parse(
        function,
        words,
        command="prepare",
        positional=("source",),
        hidden=("check",),
        types={"columns": Flag(tuple[str, ...], ()), "folds": str | None},
    )
    values["columns"] = pairs(values["columns"], "--columns")
    if values["folds"] and values["folds"].isdigit():
        values["folds"] = int(values["folds"])
    check_writable(values["out"])
    with BarListener() as listener:
        report = function(**values, listener=listener)
    say(*report_lines(report))
    return 0


def probe(words: list[str]) -> None:
    """`kinesics probe set.csv …`."""
    from kinesics.analysis.probe import probe as function
    from kinesics.cli.console import say, say_json
    from kinesics.cli.progress import BarListener

    values = parse(function, words, command="probe", positional=("data",), extra={"json": JSON})
    as_json = values.pop("json")
    with BarListener(quiet=as_json) as listener:
        result = function(**values, listener=listener)
    if as_json:
        say_json(result)
    else:
        say(*result.lines())


def flow(words: list[str]) -> int:
    """`kinesics flow set.csv --out flow …`."""
    from kinesics.cli.console import say
    from kinesics.cli.progress import BarListener
    from kinesics.data.extract_flow import FlowDevice
    from kinesics.data.extract_flow import extract_flow as function

    values = parse(function, words, command="flow", positional=("data",), types={"device": FlowDevice})
    check_writable(values["out"])
    with BarListener() as listener:
        report = function(**values, listener=listener)
    say(*report.lines())
    return 1 if report.failed else 0


def puppets(words: list[str]) -> None:
    """`kinesics puppets --out folder …`."""
    from kinesics.cli.console import say
    from kinesics.cli.progress import BarListener
    from kinesics.data.puppets import PuppetSettings, make_puppets

    values = parse(
        PuppetSettings,
        words,
        command="puppets",
        types={"clips_per_class": Flag(int, 40)},
        extra={"out": Flag(Path, MISSING, "Folder for the videos and puppets.csv.")},
    )
    out = values.pop("out")
    check_writable(out)
    settings = PuppetSettings(**values)
    with BarListener() as listener:
        manifest = make_puppets(out, settings, listener=listener)
    say(f"{len(settings.classes) * settings.clips_per_class} videos; their manifest is {manifest}")
