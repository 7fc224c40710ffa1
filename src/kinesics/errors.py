"""The errors that users see: one clear line, and the exit code that goes with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KinesicsError(Exception):
    """A failure that is told in one line. The command exits with 1."""

    exit_code = 1


class UserError(KinesicsError):
    """What was asked for cannot be done as asked. The command exits with 2."""

    exit_code = 2


class VideoError(KinesicsError):
    """A video that cannot be decoded; `status` is one of the manifest's words for it."""

    def __init__(self, message: str, status: str = "error") -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[type[VideoError], tuple[str, str]]:
        return type(self), (str(self), self.status)  # crosses process borders whole


def unknown(kind: str, name: str, choices: Iterable[str]) -> UserError:
    """The error for a name that does not exist, with the nearest one that does.

    unknown("model", "tsm_resnet5", MODELS) → "unknown model 'tsm_resnet5'; did you mean 'tsm_resnet50'?"
    """
    known = list(choices)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"
    return UserError(f"unknown {kind} '{name}'; {hint}")
