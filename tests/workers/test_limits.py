"""Limits are checked when made."""

from __future__ import annotations

import pytest

from kinesics.errors import UserError
from kinesics.workers.limits import Limits


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"timeout_seconds": -1}, "timeout_seconds is -1; expected a number from 0 up"),
        ({"stall_seconds": 0}, "stall_seconds is 0; expected a number above 0"),
        ({"memory_gib": float("nan")}, "memory_gib is nan"),
        ({"max_pixels": 0}, "max_pixels is 0; expected a whole number from 1 up"),
        ({"timeout_seconds": "60"}, "timeout_seconds is '60'"),
    ],
)
def test_wrong_limits_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Limits(**values)  # type: ignore[arg-type]


def test_limits_in_bytes() -> None:
    assert Limits(memory_gib=0.5).memory_bytes == 2**29
