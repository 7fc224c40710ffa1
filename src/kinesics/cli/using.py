"""Commands about models: test, fuse, calibrate, predict, models, cost, doctor, demo. They import torch when needed."""

from __future__ import annotations

from pathlib import Path

from kinesics.cli.flags import JSON, Flag, parse
from kinesics.errors import UserError
from kinesics.files import check_writable


def test(words: list[str]) -> None:
    """`kinesics test RUN …`."""
    from kinesics.analysis.evaluate import test as function
    from kinesics.cli.console import say_json
    from kinesics.cli.progress import BarListener
    from kinesics.cli.results import show_metrics

    values = parse(function, words, command="test", positional=("run",), extra={"json": JSON})
    as_json = values.pop("json")
    check_writable(values["out"] or values["run"])
    with BarListener(quiet=as_json) as listener:
        result = function(**values, listener=listener)
    if as_json:
        say_json({**result.metrics.to_dict(), "folder": str(result.folder)})
    else:
        show_metrics(result.metrics, result.folder)


def fuse(words: list[str]) -> None:
    """`kinesics fuse RUN RUN … --out FOLDER`."""
    from kinesics.analysis.fuse import fuse as function
    from kinesics.cli.console import say_json
    from kinesics.cli.results import show_metrics

    values = parse(function, words, command="fuse", positional=("runs",), extra={"json": JSON})
    as_json = values.pop("json")
    check_writable(values["out"])
    metrics = function(**values)
    if as_json:
        say_json({**metrics.to_dict(), "folder": str(values["out"])})
    else:
        show_metrics(metrics, values["out"])


def calibrate(words: list[str]) -> None:
    """`kinesics calibrate RUN …`."""
    from kinesics.analysis.calibrate import calibrate as function
    from kinesics.cli.console import say, say_json
    from kinesics.cli.progress import BarListener

    types = {"none": Flag(str | None, None)}
    values = parse(function, words, command="calibrate", positional=("run",), types=types, extra={"json": JSON})
    as_json = values.pop("json")
    check_writable(values["run"])
    with BarListener(quiet=as_json) as listener:
        found = function(**values, listener=listener)
    if as_json:
        say_json({**found.calibration.to_dict(), "contract": str(found.contract_path)})
    else:
        say(*found.lines())


def predict(words: list[str]) -> int:
    """`kinesics predict RUN VIDEO …`."""
    from kinesics.workers.server import start_server

    start_server("kinesics.inference.decoding")  # its imports run while ours do
    from kinesics.cli.predicting import predict_videos

    return predict_videos(words)


def list_all_models() -> None:
    """Print the table of systems and backbones."""


def models(words: list[str]) -> None:
    """`kinesics models`."""
    parse(list_all_models, words, command="models")
    from kinesics.cli.results import show_models
    from kinesics.models.registry import BACKBONES, SYSTEMS, list_models

    show_models({name: system.title for name, system in SYSTEMS.items()}, tuple(BACKBONES), set(list_models()))


def cost(words: list[str]) -> int:
    """`kinesics cost MODEL …` or `kinesics cost --table`."""
    from kinesics.analysis.model_cost import cost as function
    from kinesics.cli.console import say, say_json

    table = Flag(bool, False, "The papers' own figures beside ours, for every model of their tables that is here.")
    types = {"model": Flag(str | None, None)}
    extra = {"table": table, "json": JSON}
    values = parse(function, words, command="cost", positional=("model",), types=types, extra=extra)
    as_table, as_json = values.pop("table"), values.pop("json")
    if as_table:
        from kinesics.analysis.cost_table import lines, markdown

        found = lines()
        say_json([line.row() for line in found]) if as_json else say(markdown(found).rstrip())
        return 0
    if values["model"] is None:
        raise UserError("cost: expected a model (`kinesics models` prints their names) or --table")
    result = function(**values)
    say_json(result) if as_json else say(*result.lines())
    return 0


def doctor(words: list[str]) -> int:
    """`kinesics doctor`."""
    from kinesics.cli.console import say_json
    from kinesics.cli.results import show_findings
    from kinesics.diagnosis.doctor import doctor as function

    values = parse(function, words, command="doctor", extra={"json": JSON})
    findings = function()
    if values["json"]:
        say_json(findings)
        return int(any(finding.state == "missing" for finding in findings))
    return show_findings(findings)


def demo(words: list[str]) -> None:
    """`kinesics demo`."""
    from kinesics.cli.console import say
    from kinesics.cli.progress import BarListener
    from kinesics.demonstration import demo as function

    values = parse(function, words, command="demo", types={"out": Flag(Path, Path("demo"))})
    check_writable(values["out"])
    with BarListener() as listener:
        result = function(**values, listener=listener)
    say(*result.lines())
