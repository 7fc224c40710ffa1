"""Commands that set tested runs side by side: compare, report. They import torch when they need it."""

from __future__ import annotations

from kinesics.cli.flags import JSON, Flag, parse
from kinesics.files import check_writable

CLIPS = Flag(bool, False, "Print the clips that only one of two runs gets right.")


def compare(words: list[str]) -> None:
    """`kinesics compare RUN RUN …`."""
    from kinesics.analysis.compare import compare as function
    from kinesics.cli.console import say_json
    from kinesics.cli.results import show_comparison

    values = parse(function, words, command="compare", positional=("runs",), extra={"clips": CLIPS, "json": JSON})
    clips, as_json = values.pop("clips"), values.pop("json")
    comparison = function(**values)
    if as_json:
        say_json(comparison.to_dict())
    else:
        show_comparison(comparison, clips=clips)


def report(words: list[str]) -> None:
    """`kinesics report RUN … --out FOLDER`."""
    from kinesics.cli.console import say
    from kinesics.cli.progress import BarListener
    from kinesics.reporting.build import report as function

    values = parse(function, words, command="report", positional=("runs",))
    check_writable(values["out"])
    with BarListener() as listener:
        page = function(**values, listener=listener)
    say(f"the report is {page}; open it with a browser")
