"""The command line: `kinesics COMMAND …`.

Errors are one line on stderr: exit code 2 for what the user can correct, 1 for a failure, 130 for Ctrl-C. `--debug`
(or KINESICS_DEBUG=1) shows the traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from kinesics.allocator import keep_freed_memory
from kinesics.cli.commands import COMMANDS
from kinesics.errors import KinesicsError, UserError, unknown
from kinesics.plugins import load_plugins
from kinesics.version import __version__


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    from kinesics.cli.console import set_encoding, warn

    set_encoding()
    keep_freed_memory()  # the process is ours
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or os.environ.get("KINESICS_DEBUG", "") not in ("", "0")
    try:
        words, plugins = split_plugins([word for word in words if word != "--debug"])
        sys.exit(run(words, plugins))
    except KeyboardInterrupt as stop:
        warn(f"kinesics: {stop or 'stopped'}")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of the pipe has closed it
        sys.exit(1)
    except (KinesicsError, OSError, MemoryError) as error:
        if debug:
            raise
        warn(f"kinesics: {one_line(error)}")
        sys.exit(getattr(error, "exit_code", 1))
    except Exception as error:
        if debug:
            raise
        if is_out_of_memory(error):
            warn(f"kinesics: {one_line(MemoryError())}")
        else:
            warn(f"kinesics: {type(error).__name__}: {one_line(error)} (a fault of kinesics; --debug shows where)")
        sys.exit(1)


def split_plugins(words: list[str]) -> tuple[list[str], list[str]]:
    """The words without `--plugin NAME`, which every command takes, and the names."""
    rest: list[str] = []
    plugins: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--plugin":
            if position + 1 == len(words):
                raise UserError("--plugin: expected the name of a module or of a Python file")
            plugins.append(words[position + 1])
            position += 1
        elif word.startswith("--plugin="):
            plugins.append(word.partition("=")[2])
        else:
            rest.append(word)
        position += 1
    return rest, plugins


def run(words: list[str], plugins: Sequence[str] = ()) -> int:
    """Run one command, after the user's own modules were imported; gives the exit code."""
    if not words or words[0] in ("-h", "--help"):
        show_commands()
        return 0
    if words[0] in ("-V", "--version"):
        print(__version__)  # noqa: T201
        return 0
    if words[0] not in COMMANDS:
        raise unknown("command", words[0], COMMANDS)
    if plugins:
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 - a module beside the user, as with `python -m`
    load_plugins(plugins)
    return COMMANDS[words[0]].run(words[1:]) or 0


def show_commands() -> None:
    """Print the commands, one line each."""
    from kinesics.cli.console import say, say_table, styled

    say("kinesics: recognise small actions in video", "", "usage: kinesics COMMAND [flags]", "")
    say_table(("", ""), [(styled(f"  {name}  ", "bold"), command.title) for name, command in COMMANDS.items()])
    say(
        "",
        "kinesics COMMAND --help lists the flags of a command. Every command takes --debug (show tracebacks) and",
        "--plugin FILE.py (import a module of your own, see docs/extending.md). kinesics --version.",
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device has no memory left, as torch says it."""
    return type(error).__name__ == "OutOfMemoryError"


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "out of memory; a smaller batch, size or number of workers needs less"
    return " ".join(str(error).split()) or type(error).__name__
