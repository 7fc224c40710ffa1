"""Memory that is freed stays in the process, for the next batch. The command line asks for it; a script may."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""What `mallopt` calls them (glibc's malloc.h)."""
NEVER = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Have the C library keep large blocks that are freed rather than give each back to the kernel; whether it will.

    Networks free and ask for the same large blocks in every batch. glibc maps each anew, and the kernel clears it page
    by page: on a CPU a third of the training time. The process stays as large as its largest batch made it. Other C
    libraries than glibc are left as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, NEVER))
