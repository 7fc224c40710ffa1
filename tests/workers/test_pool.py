"""Processes that last: one may crash, hang or grow, and only the item that it had is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from kinesics.errors import KinesicsError, UserError, VideoError
from kinesics.workers.limits import Limits
from kinesics.workers.pool import WorkerError, WorkerPool, how_it_ended

Alive = Callable[[int], None]
ON_LINUX = Path("/proc/self/stat").exists()


def obey(order: str, alive: Alive) -> tuple[str, int]:
    """Do what the order says."""
    word, _, value = order.partition(" ")
    if word in ("crash", "killed"):
        os.kill(os.getpid(), signal.SIGSEGV if word == "crash" else signal.SIGKILL)
    if word == "exit":
        os._exit(3)
    if word == "hang":
        time.sleep(600)
    if word == "user-error":
        raise UserError(value)
    if word == "video-error":
        raise VideoError(value, "no_frames")
    if word == "disk":
        raise KinesicsError(value)
    if word == "fault":
        raise RuntimeError(value)
    if word == "grow":
        return str(len([bytearray(2**26) for _ in range(64)])), 0
    if word == "tensor":
        return str(torch.zeros(2**32, dtype=torch.uint8).sum()), 0
    if word == "slow":
        for _ in range(6):
            time.sleep(0.5)
            alive(1)
    if word in ("loop", "frames"):
        until = time.process_time() + 2.3
        while time.process_time() < until:
            if word == "frames":
                alive(1)
    return order, os.getpid()


def results(
    orders: list[str], num_workers: int = 1, limits: Limits | None = None
) -> list[tuple[str, int] | KinesicsError]:
    return [answer for _, answer in WorkerPool(obey, num_workers, limits).results(orders)]


def test_each_item_has_its_result_in_order_and_processes_last() -> None:
    orders = ["slow", *(f"echo {number}" for number in range(8))]
    answers = results(orders, 2)
    assert [answer[0] for answer in answers if isinstance(answer, tuple)] == orders
    ids = {answer[1] for answer in answers if isinstance(answer, tuple)}
    assert 1 <= len(ids) <= 2
    assert os.getpid() not in ids


def test_results_as_they_come_overtake_a_slow_one() -> None:
    pool = WorkerPool(obey, 2)
    orders = ["slow", *(f"echo {number}" for number in range(6))]
    items = [item for item, _ in pool.results(orders, in_order=False)]
    assert sorted(items) == sorted(orders)
    assert items[-1] == "slow"


@pytest.mark.parametrize(
    ("order", "message", "status", "limit"),
    [
        ("crash", "crashed its process (SIGSEGV)", "error", ""),
        ("killed", "crashed its process (SIGKILL) (is the machine out of memory?)", "error", ""),
        ("exit", "crashed its process (exit code 3)", "error", ""),
        ("fault no such\ncodec", "RuntimeError: codec", "error", ""),
        ("fault", "RuntimeError", "error", ""),
        ("grow", "needs more than 0.5 GiB of memory (memory_gib)", "error", "memory_gib"),
        ("tensor", "needs more than 0.5 GiB of memory (memory_gib)", "error", "memory_gib"),
        ("hang", "no sign of life for 2 s (stall_seconds)", "timeout", "stall_seconds"),
        ("loop", "took more than 1 s of processor time (timeout_seconds)", "timeout", "timeout_seconds"),
    ],
)
@pytest.mark.skipif(not ON_LINUX, reason="needs limits of memory and processor time")
def test_a_failing_item_is_an_error_with_the_limit_that_it_reached(
    order: str, message: str, status: str, limit: str
) -> None:
    limits = Limits(timeout_seconds=1.0, stall_seconds=2.0 if order == "hang" else 60.0, memory_gib=0.5)
    before, error, after = results(["echo 1", order, "echo 2"], 1, limits)
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    assert isinstance(error, WorkerError)
    assert (str(error), error.status, error.limit) == (message, status, limit)


def test_errors_about_an_item_come_back_as_they_are() -> None:
    user, video = results(["user-error no such label", "video-error empty"])
    assert isinstance(user, UserError)
    assert str(user) == "no such label"
    assert isinstance(video, VideoError)
    assert video.status == "no_frames"


def test_an_error_about_the_machine_ends_the_work() -> None:
    with pytest.raises(KinesicsError, match="cannot write x: No space left"):
        results(["echo 1", "disk cannot write x: No space left", "echo 2"], 2)


def test_what_is_slow_or_long_goes_on_as_long_as_frames_come() -> None:
    limits = Limits(timeout_seconds=1.0, stall_seconds=2.5)
    slow, long = results(["slow", "frames"], 2, limits)
    assert isinstance(slow, tuple)
    assert isinstance(long, tuple)


def test_extra_seconds_belong_to_the_item() -> None:
    pool = WorkerPool(
        obey, 1, Limits(timeout_seconds=1.0), extra_seconds=lambda order: 30.0 if order == "loop 1" else 0.0
    )
    answers = [answer for _, answer in pool.results(["loop 1", "loop 2"])]
    assert isinstance(answers[0], tuple)
    assert isinstance(answers[1], WorkerError)


def test_items_are_taken_only_a_little_ahead() -> None:
    num_taken = 0

    def endless() -> Iterator[str]:
        nonlocal num_taken
        while True:
            num_taken += 1
            yield f"echo {num_taken}"

    answers = WorkerPool(obey, 2).results(endless(), num_ahead=3)
    for number in range(1, 20):
        assert next(answers)[1][0] == f"echo {number}"  # type: ignore[index]
        assert num_taken <= number + 2
    answers.close()


def test_nothing_to_do_starts_nothing() -> None:
    threads = threading.active_count()
    assert results([]) == []
    assert threading.active_count() == threads


def test_closing_the_results_ends_the_processes_at_once() -> None:
    answers = WorkerPool(obey, 2).results(["echo 1", "hang", "hang"])
    _, first = next(answers)
    assert isinstance(first, tuple)
    started = time.monotonic()
    answers.close()
    assert time.monotonic() - started < 20
    assert has_ended(first[1])


def test_one_item_gives_its_result_or_raises_its_error() -> None:
    pool = WorkerPool(obey)
    assert pool.run_one("echo 1")[0] == "echo 1"
    with pytest.raises(WorkerError, match="SIGSEGV"):
        pool.run_one("crash")
    with pytest.raises(UserError, match="no such label"):
        pool.run_one("user-error no such label")


def large(num_bytes: int, alive: Alive) -> tuple[np.ndarray, torch.Tensor]:  # type: ignore[type-arg]
    """Arrays of ones."""
    return np.ones(num_bytes, np.uint8), torch.ones(num_bytes, dtype=torch.uint8)


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc")
def test_large_arrays_cross_without_shared_memory() -> None:
    array, tensor = WorkerPool(large).run_one(40_000_000)
    assert array.sum() == 40_000_000
    assert int(tensor.sum()) == 40_000_000
    assert "shm/torch_" not in Path("/proc/self/maps").read_text(), "the name of a tensor in shared memory"


def unpicklable(item: int, alive: Alive) -> object:
    """What no pipe can carry."""
    return threading.Lock() if item else item


def test_a_result_that_cannot_cross_is_an_error_of_its_item() -> None:
    answers = [answer for _, answer in WorkerPool(unpicklable).results([1, 0])]
    assert isinstance(answers[0], WorkerError)
    assert "pickle" in str(answers[0])
    assert answers[1] == 0


@pytest.mark.slow
def test_the_start_method_may_be_spawn() -> None:
    pool = WorkerPool(obey, 1, start_method="spawn")
    crash, echo = (answer for _, answer in pool.results(["crash", "echo 1"]))
    assert isinstance(crash, WorkerError)
    assert isinstance(echo, tuple)


class DoesNotLoad:
    """A task that fails when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return __import__, ("no_such_module",)

    def __call__(self, item: str, alive: Alive) -> str:
        return item


def test_a_process_that_does_not_start_is_an_error() -> None:
    with pytest.raises(KinesicsError, match="does not start: ModuleNotFoundError: No module named 'no_such_module'"):
        list(WorkerPool(DoesNotLoad()).results(["a"]))


SCRIPT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where the tests run in the background
from kinesics.workers.pool import WorkerPool
from tests.workers.test_pool import obey
print("begin", flush=True)
for _, answer in WorkerPool(obey, 2).results(["echo 1", "echo 2", "echo 3"] + ["hang"] * 3):
    print(*answer, flush=True)
"""


def start_script(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A process of its own whose script has no `__main__` guard, and the ids of the workers once they are busy."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *filter(None, sys.path)])},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    assert [line.split()[:2] for line in lines] == [["begin"], ["echo", "1"], ["echo", "2"], ["echo", "3"]]
    return process, [int(line.split()[2]) for line in lines[1:]]


def has_ended(process_id: int) -> bool:
    """Whether a process is no more, or only waits to be collected."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().split(")")[-1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_program(tmp_path: Path, number: signal.Signals) -> None:
    process, ids = start_script(tmp_path)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    assert process.wait(timeout=30) != 0
    until = time.monotonic() + 30
    while time.monotonic() < until and not all(map(has_ended, ids)):
        time.sleep(0.05)
    assert all(map(has_ended, ids))


@pytest.mark.parametrize(("code", "words"), [(-9, "SIGKILL"), (1, "exit code 1"), (0, "exit code 0"), (None, "None")])
def test_an_exit_code_in_words(code: int | None, words: str) -> None:
    assert words in how_it_ended(code)
