"""Decode every file whole, in processes that can be killed, and say of each what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinesics.data.journal import Journal, fingerprint
from kinesics.data.manifest import Row
from kinesics.data.problems import frame_file
from kinesics.devices import num_cores
from kinesics.errors import KinesicsError
from kinesics.video.integrity import Check

DECODE_WHOLE = "kinesics.video.integrity:decode_whole"
STARTUP_SECONDS = 300.0
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Limits:
    """What decoding one file may cost.

    seconds: time, plus one second for each megabyte of the file. memory_gib: address space that decoding may take, 0
    for no limit. max_pixels: height × width of a frame; None leaves it to the check.
    """

    seconds: float = 60.0
    memory_gib: float = 8.0
    max_pixels: int | None = None


def verify(
    rows: Sequence[Row],
    *,
    limits: Limits | None = None,
    workers: int | None = None,
    journal: Path | None = None,
    progress: Progress | None = None,
    check: str = DECODE_WHOLE,
) -> list[Check]:
    """What decoding the file of each row gave, in their order. The paths of the rows are absolute.

    A file that crashes its process gets the status `error`, one over its time `timeout`, with the reason, and the work
    goes on in a new process. With a `journal`, files that it holds unchanged are not decoded again. An interrupt kills
    the processes and leaves the journal to go on from. `check` names the function that decodes, as module:function.

    Raises:
        KinesicsError: the decoding processes do not start, or the journal cannot be written.
    """
    limits = limits or Limits()
    results: dict[int, Check] = {}
    jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
    with Journal(journal, check, limits) as known:
        num_jobs = 0
        for index, row in enumerate(rows):
            key, num_bytes = fingerprint(row)
            if (found := known.get(key)) is not None:
                results[index] = found
            else:
                jobs.put(_Job(index, row, key, limits.seconds + num_bytes / 1e6))
                num_jobs += 1
        if progress:
            progress(len(results), len(rows), "")
        count = min(workers or num_cores(), num_jobs)
        done: queue.SimpleQueue[_Done | BaseException] = queue.SimpleQueue()
        crew = [_Decoder(jobs, done, check, limits) for _ in range(count)]
        try:
            for decoder in crew:
                decoder.start()
            for _ in range(num_jobs):
                answer = _next(done)
                if isinstance(answer, BaseException):
                    raise answer
                results[answer.job.index] = answer.check
                known.add(answer.job.key, answer.check)
                if progress:
                    progress(len(results), len(rows), frame_file(Path(answer.job.row.path)).name)
        finally:
            for decoder in crew:
                decoder.stop()
            for decoder in crew:
                decoder.join()
    return [results[index] for index in range(len(rows))]


@dataclass(frozen=True)
class _Job:
    index: int
    row: Row
    key: str
    seconds: float


@dataclass(frozen=True)
class _Done:
    job: _Job
    check: Check


def _next(done: queue.SimpleQueue[_Done | BaseException]) -> _Done | BaseException:
    """The next answer, waited for in short naps so that an interrupt is heard on every system."""
    while True:
        with contextlib.suppress(queue.Empty):
            return done.get(timeout=0.5)


class _Decoder(threading.Thread):
    """A thread that feeds one decoding process, one file at a time, and replaces it when it dies."""

    def __init__(
        self, jobs: queue.SimpleQueue[_Job], done: queue.SimpleQueue[_Done | BaseException], check: str, limits: Limits
    ) -> None:
        super().__init__(daemon=True)
        self.jobs, self.done, self.check, self.limits = jobs, done, check, limits
        self.stopped = False
        self.lock = threading.Lock()  # between starting a process and stopping for good
        self.process: subprocess.Popen[str] | None = None
        self.errors: Any = None

    def run(self) -> None:
        try:
            while not self.stopped:
                try:
                    job = self.jobs.get_nowait()
                except queue.Empty:
                    break
                if (found := self._decode(job)) is not None:
                    self.done.put(_Done(job, found))
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits, and raised there
            self.done.put(error)
        finally:
            self.stop()
            self._forget()

    def stop(self) -> None:
        """Kill the process; the thread ends soon after."""
        with self.lock:
            self.stopped = True
            if self.process is not None:
                self.process.kill()

    def _decode(self, job: _Job) -> Check | None:
        if self.process is None and not self._start():
            return None
        request = {
            "path": job.row.path,
            "start_seconds": job.row.start_seconds,
            "end_seconds": job.row.end_seconds,
            "fps": job.row.fps,
            "alarm": job.seconds + 10,
        }
        if self.limits.max_pixels is not None:
            request["max_pixels"] = self.limits.max_pixels
        answer, late = self._ask(json.dumps(request), job.seconds)
        if self.stopped:
            return None
        if late or not answer.endswith("\n"):
            reason = self._why_it_died()
            self._forget()
            if not answer.endswith("\n"):
                if late:
                    return _failed("timeout", f"not decoded within {job.seconds:.4g} s")
                return _failed("error", reason)
        values = json.loads(answer)
        if "failed" in values:
            self._forget()  # what is left of its memory is anyone's guess
            return _failed("error", f"needs more than {self.limits.memory_gib:g} GiB of memory to decode")
        return Check(**values)

    def _ask(self, line: str, seconds: float) -> tuple[str, bool]:
        """The answer to a line, and whether the time ran out; a process that took too long is dead afterwards."""
        process = self.process
        if process is None or process.stdin is None or process.stdout is None:
            return "", False
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        answer = ""
        with contextlib.suppress(OSError):  # a dead process: told by the empty answer
            process.stdin.write(line + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        timer.cancel()
        timer.join()
        return answer, late.is_set()

    def _start(self) -> bool:
        """Start a process in a session of its own (Ctrl-C is for us). False where `stop` came first."""
        with self.lock:
            if self.stopped:
                return False
            self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
            memory = int(self.limits.memory_gib * 2**30)
            self.process = subprocess.Popen(  # noqa: S603 - this Python, our own module
                [sys.executable, "-P", "-m", "kinesics.workers.decode_worker", self.check, str(memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                text=True,
                encoding="utf-8",
                env={**os.environ, **_one_thread(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,
            )
        timer = threading.Timer(STARTUP_SECONDS, self.process.kill)
        timer.daemon = True
        timer.start()
        ready = self.process.stdout is not None and self.process.stdout.readline() == "ready\n"
        timer.cancel()
        if not ready and not self.stopped:
            raise KinesicsError(f"the decoding process does not start: {self._why_it_died()}")
        return ready

    def _why_it_died(self) -> str:
        """The signal that ended the process, or the last line that it wrote."""
        if self.process is None:
            return "it is gone"
        try:
            code = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return "it answers no more"
        if code < 0:
            name = signal.Signals(-code).name
            hint = " (is the machine out of memory?)" if name == "SIGKILL" else ""
            return f"the decoder crashed ({name}){hint}"
        self.errors.seek(max(0, self.errors.seek(0, os.SEEK_END) - 4096))
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return f"the decoder failed: {lines[-1].strip() if lines else f'exit code {code}'}"

    def _forget(self) -> None:
        """End the process for good; the next file gets a new one."""
        with self.lock:
            process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, self.errors):
                with contextlib.suppress(OSError):  # what was still to be flushed is of no use
                    if stream is not None:
                        stream.close()


def _one_thread() -> dict[str, str]:
    """A process a core needs one thread each; fewer arenas keep the address space small."""
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1") | {
        "MALLOC_ARENA_MAX": "2"
    }


def _failed(status: str, reason: str) -> Check:
    return Check(status, reason, num_frames=0, fps=0.0, height=0, width=0, seconds=0.0, digest="")
