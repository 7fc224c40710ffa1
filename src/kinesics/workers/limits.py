"""What one item may cost a worker process: processor time, silence, memory, pixels."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kinesics.checks import Count, NotNegative, Positive, check_fields

if sys.platform != "win32":  # which has no such limits: there, only the time without a sign of life is limited
    import resource

SECONDS_PER_FRAME = 0.01
"""Processor time that each decoded frame adds to an item's limit: a long video is no endless one."""
SECONDS_PER_MEGABYTE = 1.0
"""Processor time that each megabyte of a file adds to an item's limit."""


@dataclass(frozen=True)
class Limits:
    """What one item may cost.

    timeout_seconds: processor time, 0 for no limit; each decoded frame adds `SECONDS_PER_FRAME`. stall_seconds: time
    without a sign of life. memory_gib: address space beyond what the process has at its start, 0 for no limit.
    max_pixels: height × width of a frame, for those who decode; None leaves it to them.

    Raises:
        UserError: a negative number, or no number.
    """

    timeout_seconds: NotNegative = 60.0
    stall_seconds: Positive = 300.0
    memory_gib: NotNegative = 8.0
    max_pixels: Count | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def memory_bytes(self) -> int:
        """`memory_gib` in bytes."""
        return int(self.memory_gib * 2**30)


def seconds_for_file(path: Path) -> float:
    """Processor time that a file's size adds to an item's limit; nothing where `path` is not one file."""
    try:
        return SECONDS_PER_MEGABYTE * path.stat().st_size / 1e6
    except OSError:
        return 0.0


class ProcessorClock:
    """Ends this process (by SIGXCPU) once it has used its processor time. Does nothing on systems without the limit."""

    def __init__(self) -> None:
        self.end = math.inf

    def start(self, seconds: float) -> None:
        """Allow so much from now on; 0 is no limit."""
        self._set(time.process_time() + seconds if seconds else math.inf)

    def extend(self, seconds: float) -> None:
        """Allow so much more."""
        self._set(self.end + seconds)

    def _set(self, end: float) -> None:
        self.end = end
        if sys.platform != "win32":
            hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
            soft = resource.RLIM_INFINITY if math.isinf(end) else math.ceil(end)
            if hard != resource.RLIM_INFINITY:
                soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
            resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def limit_memory(num_bytes: int) -> None:
    """Let this process take so much more address space than it has now, 0 for no limit; and write no core files.

    What the libraries take is no fault of a file. Systems without such a limit go on without one.
    """
    if sys.platform == "win32":
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if not num_bytes:
        return
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + num_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (ValueError, OSError):
        return
