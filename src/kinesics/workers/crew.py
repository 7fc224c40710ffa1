"""Work on many independent things in processes that last, of which one may crash or hang and cost only what it held."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, TypeVar

import torch

from kinesics.errors import KinesicsError

Thing = TypeVar("Thing")
Result = TypeVar("Result")
STARTUP_SECONDS = 300.0
Alive = Callable[[], None]
Work = Callable[[Thing, Alive], Result]
"""What is done with a thing. It calls its second argument from time to time, to show that it goes on."""


class LostError(Exception):
    """What held a thing ended or hung. str() says how."""


class Crew(Generic[Thing, Result]):
    """Processes that do `work`, one thing each at a time, with one thread each.

    stall_seconds: how long one may show no sign of life before it is given up. preload: the module that new processes
    start with, where the system can.
    """

    def __init__(self, work: Work[Thing, Result], size: int, *, stall_seconds: float, preload: str = "") -> None:
        self.work, self.size, self.stall_seconds = work, max(1, size), stall_seconds
        quick = "forkserver" in multiprocessing.get_all_start_methods()
        self.context: Any = multiprocessing.get_context("forkserver" if quick else "spawn")
        if quick and preload:
            self.context.set_forkserver_preload([preload])  # imported once, not once a process

    def results(self, things: Sequence[Thing]) -> Generator[tuple[int, Result | Exception], None, None]:
        """The place of each thing and what came of it, as they come: the result, the error of `work`, or LostError.

        Closing the generator ends the processes.
        """
        todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        for place in range(len(things)):
            todo.put(place)
        done: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        members = [Member(self, todo, done, things) for _ in range(min(self.size, len(things)))]
        try:
            for member in members:
                member.start()
            for _ in things:
                place, result = done.get()
                if isinstance(result, BaseException) and not isinstance(result, Exception):
                    raise result
                yield place, result
        finally:
            for member in members:
                member.stop()
            for member in members:
                member.join()


class Member(threading.Thread):
    """A thread that hands things to a process, one after the other, and starts another when it ends."""

    def __init__(self, crew: Crew[Any, Any], todo: Any, done: Any, things: Sequence[Any]) -> None:
        super().__init__(daemon=True)
        self.crew, self.todo, self.done, self.things = crew, todo, done, things
        self.lock = threading.Lock()  # between starting a process and stopping for good
        self.stopped = False
        self.process: Any = None
        self.line: Any = None

    def run(self) -> None:
        while not self.stopped:
            try:
                place = self.todo.get_nowait()
            except queue.Empty:
                break
            try:
                self.done.put((place, self.ask(self.things[place])))
            except LostError as lost:
                self.dismiss()
                self.done.put((place, lost))
            except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits
                self.done.put((place, error))
        self.dismiss()

    def ask(self, thing: Any) -> Any:
        """The answer of the process. Raises LostError where none comes."""
        new = self.hire()
        try:
            if new and not self.line.poll(STARTUP_SECONDS):
                raise LostError(f"its process did not start in {STARTUP_SECONDS:g} s")
            self.line.send(thing)
            while self.line.poll(self.crew.stall_seconds):
                answer = self.line.recv()
                if answer is not None:
                    return answer[0]
        except (EOFError, OSError):
            self.process.join(10)
            raise LostError(f"the process ended ({how_it_ended(self.process.exitcode)})") from None
        raise LostError(f"nothing came for {self.crew.stall_seconds:g} s: given up")

    def hire(self) -> bool:
        """Have a process, and say whether it is a new one."""
        with self.lock:
            if self.stopped:
                raise LostError("stopped")
            if self.process is not None:
                return False
            self.line, theirs = self.crew.context.Pipe()
            self.process = self.crew.context.Process(target=serve, args=(theirs, self.crew.work), daemon=True)
            self.process.start()
            theirs.close()
            return True

    def dismiss(self) -> None:
        """End the process, if there is one."""
        with self.lock:
            process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.join()
            self.line.close()

    def stop(self) -> None:
        """Kill the process; the thread ends soon after."""
        with self.lock:
            self.stopped = True
            if self.process is not None:
                self.process.kill()


def how_it_ended(code: int | None) -> str:
    """An exit code in words; a negative one is a signal."""
    number = -(code or 0)
    return signal.Signals(number).name if number in set(signal.Signals) else f"exit code {code}"


def serve(line: Any, work: Callable[[Any, Alive], Any]) -> None:
    """What a process does: answer until the line is closed. None says that the work goes on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends this
    torch.set_num_threads(1)
    line.send(None)
    while True:
        try:
            thing = line.recv()
        except EOFError:
            return
        try:
            answer: Any = work(thing, lambda: line.send(None))
        except (KinesicsError, IndexError) as error:
            answer = error
        line.send((answer,))
