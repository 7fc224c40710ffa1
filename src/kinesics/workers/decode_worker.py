"""The process in which `verify` decodes files: a line of JSON in, a line of JSON out. It may crash or be killed.

python -m kinesics.workers.decode_worker MODULE:FUNCTION MEMORY_BYTES
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import signal
import sys
from pathlib import Path


def main(check: str, memory_bytes: int) -> None:
    """Answer requests until the input ends. Memory beyond the limit fails in this process, not in the machine's."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints must not come between the answers
    module, _, name = check.partition(":")
    decode = getattr(importlib.import_module(module), name)
    if memory_bytes:
        limit_memory(memory_bytes)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if hasattr(signal, "alarm"):
            signal.alarm(int(request.pop("alarm")))  # ends this process where its parent died and a decoder hangs
        else:
            request.pop("alarm")
        path = Path(request.pop("path"))
        try:
            answer = dataclasses.asdict(decode(path, **request))
        except MemoryError:
            answer = {"failed": "out of memory"}
        print(json.dumps(answer), file=answers, flush=True)
        if hasattr(signal, "alarm"):
            signal.alarm(0)


def limit_memory(num_bytes: int) -> None:
    """Let this process take so much more address space than it has now (what the libraries take is no file's fault)."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + num_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, ValueError, OSError):
        return  # no such limit on this system; the time limit remains


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
