"""The command line: `kinesics COMMAND …`.

Errors are one line on stderr: exit code 2 for what the user can mend, 1 for a failure, 130 for Ctrl-C. `--debug` (or
KINESICS_DEBUG=1) shows the traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from kinesics.cli.commands import COMMANDS
from kinesics.errors import KinesicsError, unknown
from kinesics.version import __version__


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or os.environ.get("KINESICS_DEBUG", "") not in ("", "0")
    try:
        sys.exit(run([word for word in words if word != "--debug"]))
    except KeyboardInterrupt as stop:
        print(f"kinesics: {stop or 'stopped'}", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # who reads us has had enough
        sys.exit(1)
    except (KinesicsError, OSError, MemoryError) as error:
        if debug:
            raise
        print(f"kinesics: {one_line(error)}", file=sys.stderr)  # noqa: T201
        sys.exit(getattr(error, "exit_code", 1))
    except Exception as error:
        if debug:
            raise
        kind = type(error).__name__
        print(f"kinesics: {kind}: {one_line(error)} (a fault of ours; --debug shows where)", file=sys.stderr)  # noqa: T201
        sys.exit(1)


def run(words: list[str]) -> int:
    """Run one command; gives the exit code."""
    if not words or words[0] in ("-h", "--help"):
        from kinesics.cli.show import show_commands

        show_commands({name: command.title for name, command in COMMANDS.items()})
        return 0
    if words[0] in ("-V", "--version"):
        print(__version__)  # noqa: T201
        return 0
    if words[0] not in COMMANDS:
        raise unknown("command", words[0], COMMANDS)
    return COMMANDS[words[0]].run(words[1:]) or 0


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "out of memory; a smaller batch, size or number of workers needs less"
    return " ".join(str(error).split()) or type(error).__name__
