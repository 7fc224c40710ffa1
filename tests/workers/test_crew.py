"""Processes that last: one may crash, hang or fail, and costs only what it held."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from kinesics.errors import UserError
from kinesics.workers.crew import Crew, LostError, how_it_ended


def work(order: str, alive: Callable[[], None]) -> tuple[str, int]:
    """What the order says."""
    word, _, value = order.partition(" ")
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "exit":
        os._exit(3)
    if word == "hang":
        time.sleep(600)
    if word == "fail":
        raise UserError(value)
    if word == "slow":
        for _ in range(6):
            time.sleep(0.5)
            alive()
    return order, os.getpid()


def results(orders: list[str], size: int, stall_seconds: float = 60.0) -> list[tuple[str, int] | Exception]:
    crew: Crew[str, tuple[str, int]] = Crew(work, size, stall_seconds=stall_seconds)
    found = dict(crew.results(orders))
    return [found[place] for place in range(len(orders))]


def test_each_thing_has_its_answer_and_processes_last() -> None:
    orders = [f"echo {number}" for number in range(8)]
    found = results(orders, 2)
    assert [answer[0] for answer in found if isinstance(answer, tuple)] == orders
    pids = {answer[1] for answer in found if isinstance(answer, tuple)}
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids


def test_what_crashes_ends_or_fails_is_told_and_the_rest_goes_on() -> None:
    found = results(["echo 1", "crash", "fail no such thing", "exit", "echo 2"], 1)
    assert isinstance(found[0], tuple)
    assert isinstance(found[4], tuple)
    assert isinstance(found[1], LostError)
    assert "SIGSEGV" in str(found[1])
    assert isinstance(found[2], UserError)
    assert str(found[2]) == "no such thing"
    assert "exit code 3" in str(found[3])


def test_what_hangs_is_given_up_and_what_is_slow_is_not() -> None:
    started = time.monotonic()
    found = results(["echo 0", "hang", "slow"], 1, stall_seconds=2.0)
    assert isinstance(found[0], tuple)
    assert isinstance(found[1], LostError)
    assert "nothing came for 2 s" in str(found[1])
    assert isinstance(found[2], tuple)
    assert time.monotonic() - started < 120


def test_nothing_to_do_and_a_caller_that_leaves() -> None:
    assert results([], 2) == []
    crew: Crew[str, tuple[str, int]] = Crew(work, 2, stall_seconds=60)
    answers = crew.results(["echo 1", "hang", "hang"])
    next(answers)
    started = time.monotonic()
    answers.close()
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(("code", "words"), [(-9, "SIGKILL"), (1, "exit code 1"), (0, "exit code 0"), (None, "None")])
def test_an_exit_code_in_words(code: int | None, words: str) -> None:
    assert words in how_it_ended(code)
