"""`kinesics explain`: what was explained, how probable it is and what was written, in sentences."""

from __future__ import annotations


def explain(words: list[str]) -> int:
    """`kinesics explain RUN VIDEO… --out FOLDER …`."""
    from kinesics.cli.console import say, warn
    from kinesics.cli.flags import parse
    from kinesics.cli.progress import BarListener
    from kinesics.workers.server import start_server

    start_server("kinesics.inference.decoding")  # its imports run while ours do
    from kinesics.explanation.run import ExplainSettings
    from kinesics.explanation.run import explain as function

    values = parse(function, words, command="explain", positional=("run", "videos"))
    num_failed = num_done = 0
    with BarListener() as listener:
        for found in function(**values, listener=listener):
            if found.error:
                num_failed += 1
                warn(found.error)
                continue
            num_done += 1
            names = ", ".join(path.name for path in found.files)
            say(str(found.path), *(f"  {line}" for line in found.lines), f"  Written to {values['out']}: {names}.")
    if num_done:
        say(ExplainSettings(values["method"]).caveat)
    if num_failed:
        warn(f"{num_failed} of {num_done + num_failed} videos could not be decoded")
    return 1 if num_failed else 0
