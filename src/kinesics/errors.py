"""The errors that users see: a one-line message and an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KinesicsError(Exception):
    """A failure with a one-line message. The command exits with 1."""

    exit_code = 1


class UserError(KinesicsError):
    """A wrong input or setting, which the user can correct. The command exits with 2."""

    exit_code = 2


class VideoError(KinesicsError):
    """A video that cannot be decoded. status: the reason, one of `values.STATUSES`."""

    def __init__(self, message: str, status: str = "error") -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[type[VideoError], tuple[str, str]]:
        return type(self), (str(self), self.status)  # pickle keeps the status on the way from a worker


def unknown(kind: str, name: str, choices: Iterable[str]) -> UserError:
    """The error for a `name` that is none of the `choices`, with the nearest of them.

    >>> unknown("model", "tsm_resnet5", ["tsm_resnet50", "tsn_resnet50"])
    UserError("unknown model 'tsm_resnet5'; did you mean 'tsm_resnet50'?")
    """
    names = list(choices)
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{nearest[0]}'?" if nearest else f"expected one of: {', '.join(names) or '(there are none)'}"
    return UserError(f"unknown {kind} '{name}'; {hint}")


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind where it has none."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
