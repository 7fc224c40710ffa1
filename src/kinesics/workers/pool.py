"""The one pool of processes for work that may crash, hang or grow: the item pays, and the rest goes on.

A PyTorch DataLoader does not serve here: when one of its workers dies, it does not know of which file. Results come
back through pipes, since /dev/shm is small in containers. A script that uses a pool needs no
`if __name__ == "__main__"`, as long as the task is defined in a module.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import queue
import signal
import sys
import threading
import types
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Any, Generic, TypeVar

from kinesics.errors import KinesicsError
from kinesics.workers import server
from kinesics.workers.limits import SECONDS_PER_FRAME, Limits
from kinesics.workers.process import receive, serve

Item = TypeVar("Item")
Result = TypeVar("Result")
Alive = Callable[[int], None]
"""To be called with the number of frames that are new since the last call: a sign of life."""
Task = Callable[[Item, Alive], Result]
STARTUP_SECONDS = 300.0
_start_lock = threading.Lock()


class WorkerError(KinesicsError):
    """An item that ended its process, reached a limit or failed in an unexpected way.

    status: error or timeout. limit: the field of `Limits` that was reached, empty for none.
    """

    def __init__(self, message: str, status: str = "error", limit: str = "") -> None:
        super().__init__(message)
        self.status, self.limit = status, limit

    def __reduce__(self) -> tuple[type[WorkerError], tuple[str, str, str]]:
        return type(self), (str(self), self.status, self.limit)


class WorkerPool(Generic[Item, Result]):
    """Processes that apply `task` to items, one each at a time, with one thread each.

    task: a function of a module, or a value that can be pickled and called; it gets an item and a function for signs of
    life. extra_seconds: processor time that an item gets beyond `limits.timeout_seconds`. start_method: forkserver or
    spawn; by default forkserver where the system has it.
    """

    def __init__(
        self,
        task: Task[Item, Result],
        num_workers: int = 1,
        limits: Limits | None = None,
        *,
        extra_seconds: Callable[[Item], float] = lambda item: 0.0,
        start_method: str | None = None,
    ) -> None:
        self.task, self.num_workers, self.limits = task, max(1, num_workers), limits or Limits()
        self.extra_seconds = extra_seconds
        self.context: Any = multiprocessing.get_context(start_method or server.start_method())

    def results(
        self, items: Iterable[Item], *, in_order: bool = True, num_ahead: int | None = None
    ) -> Generator[tuple[Item, Result | KinesicsError], None, None]:
        """Yield each item with its answer, in order or as they come.

        An answer is the result of the task, its VideoError or UserError, or a WorkerError. At most `num_ahead` items
        (by default twice the number of workers) are taken ahead of the answers, so memory does not grow with their
        number. Closing the generator, or an interrupt, ends the processes.

        Raises:
            KinesicsError: a process does not start, or the task raised one that is about the machine, not the item.
        """
        num_ahead = max(self.num_workers, num_ahead or 2 * self.num_workers)
        todo: queue.SimpleQueue[tuple[int, Item] | None] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[int, Any] | BaseException] = queue.SimpleQueue()
        workers: list[_Worker] = []
        open_items: dict[int, Item] = {}
        answers: dict[int, Any] = {}
        source = enumerate(items)
        next_index = 0
        try:
            while True:
                while len(open_items) < num_ahead and (entry := next(source, None)) is not None:
                    todo.put(entry)
                    open_items[entry[0]] = entry[1]
                    if len(workers) < min(self.num_workers, len(open_items)):
                        workers.append(_Worker(self, todo, done))
                        workers[-1].start()
                if not open_items:
                    return
                while next_index not in answers if in_order else not answers:
                    index, answer = _next(done)
                    answers[index] = answer
                index = next_index if in_order else next(iter(answers))
                next_index += 1
                yield open_items.pop(index), answers.pop(index)
        finally:
            for worker in workers:
                worker.stop()
                todo.put(None)
            for worker in workers:
                worker.join()

    def run_one(self, item: Item) -> Result:
        """The result for one item, from a process that ends afterwards.

        Raises:
            KinesicsError: the task's VideoError or UserError, or a WorkerError.
        """
        with closing(self.results([item])) as results:
            _, answer = next(results)
        if isinstance(answer, KinesicsError):
            raise answer
        return answer


def _next(done: queue.SimpleQueue[tuple[int, Any] | BaseException]) -> tuple[int, Any]:
    """The next answer, awaited in short naps, so that an interrupt is noticed on every system."""
    while True:
        with contextlib.suppress(queue.Empty):
            answer = done.get(timeout=0.5)
            if isinstance(answer, BaseException):
                raise answer
            return answer


class _Worker(threading.Thread):
    """A thread that gives items to a process, one after the other, and starts a new process when one ends."""

    def __init__(self, pool: WorkerPool[Any, Any], todo: Any, done: Any) -> None:
        super().__init__(daemon=True)
        self.pool, self.todo, self.done = pool, todo, done
        self.lock = threading.Lock()  # between starting a process and stopping for good
        self.stopped = False
        self.process: Any = None
        self.connection: Any = None

    def run(self) -> None:
        try:
            while not self.stopped and (entry := self.todo.get()) is not None:
                index, item = entry
                if self.process is not None or self._start():
                    self.done.put((index, self._answer(item)))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self.done.put(error)
        finally:
            self._end()

    def stop(self) -> None:
        """Kill the process; the thread ends soon after."""
        with self.lock:
            self.stopped = True
            if self.process is not None:
                self.process.kill()

    def _answer(self, item: Any) -> Any:
        limits = self.pool.limits
        seconds = limits.timeout_seconds + self.pool.extra_seconds(item) if limits.timeout_seconds else 0.0
        message = pickle.dumps((item, seconds), protocol=pickle.HIGHEST_PROTOCOL)
        try:
            self.connection.send_bytes(message)
            while self.connection.poll(limits.stall_seconds):
                kind, value = receive(self.connection)
                if kind == "alive":
                    seconds += value * SECONDS_PER_FRAME
                    continue
                if kind == "raise":
                    raise value
                if kind == "fault":
                    return WorkerError(value)
                if kind == "memory":
                    self._end()  # how much of it is still held is not known
                    return _over("memory_gib", f"needs more than {limits.memory_gib:g} GiB of memory")
                return value
        except (EOFError, OSError):
            self.process.join(10)
            error = _why_it_ended(self.process.exitcode, seconds)
        else:
            error = _over("stall_seconds", f"no sign of life for {limits.stall_seconds:g} s", "timeout")
        self._end()
        return error

    def _start(self) -> bool:
        """Start a process; False where `stop` came first."""
        first = pickle.dumps((self.pool.task, self.pool.limits.memory_bytes), protocol=pickle.HIGHEST_PROTOCOL)
        with self.lock:
            if self.stopped:
                return False
            self.connection, theirs = self.pool.context.Pipe()
            self.process = _start_process(self.pool.context, theirs, self.pool.task)
            theirs.close()
        try:
            self.connection.send_bytes(first)
            kind, value = receive(self.connection) if self.connection.poll(STARTUP_SECONDS) else ("fault", "no answer")
        except (EOFError, OSError):
            self.process.join(10)
            kind, value = "fault", how_it_ended(self.process.exitcode)
        if kind != "ready" and not self.stopped:
            raise KinesicsError(f"a worker process does not start: {value}")
        return kind == "ready"

    def _end(self) -> None:
        """End the process, if there is one."""
        with self.lock:
            process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.join()
            self.connection.close()


def _over(limit: str, message: str, status: str = "error") -> WorkerError:
    """The failure of an item that reached a limit."""
    return WorkerError(f"{message} ({limit})", status, limit)


def _why_it_ended(code: int | None, seconds: float) -> WorkerError:
    """The failure of an item whose process ended."""
    if code == -getattr(signal, "SIGXCPU", 0) and code:
        return _over("timeout_seconds", f"took more than {seconds:.4g} s of processor time", "timeout")
    hint = " (is the machine out of memory?)" if code == -getattr(signal, "SIGKILL", 0) and code else ""
    return WorkerError(f"crashed its process ({how_it_ended(code)}){hint}")


def how_it_ended(code: int | None) -> str:
    """An exit code in words; a negative one is a signal."""
    number = -(code or 0)
    return signal.Signals(number).name if number in set(signal.Signals) else f"exit code {code}"


class _MainModule:
    """Hides the main script from multiprocessing while a process is started, which would run the script again in it.

    The name of the script is read first and the arguments are pickled after it; so this argument ends the hiding.
    """

    def __init__(self, hide: bool = False) -> None:
        self.module = sys.modules["__main__"] if hide else None
        if hide:
            sys.modules["__main__"] = types.ModuleType("__main__")

    def restore(self) -> None:
        """Show the script again."""
        if self.module is not None:
            sys.modules["__main__"], self.module = self.module, None

    def __reduce__(self) -> tuple[type[_MainModule], tuple[()]]:
        self.restore()
        return type(self), ()


def _start_process(context: Any, connection: Any, task: Any) -> Any:
    """Start a process that serves `connection`."""
    function = getattr(task, "func", task)  # of a functools.partial
    module = getattr(function, "__module__", "")
    with _start_lock:
        if context.get_start_method() == "forkserver":
            server.start_server(*([module] if module != "__main__" else []))
        main = _MainModule(hide=module != "__main__")
        try:
            process = context.Process(target=serve, args=(connection, main), daemon=True)
            process.start()
        finally:
            main.restore()
    return process
