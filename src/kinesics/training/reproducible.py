"""What a training changes of the process that it runs in, and gives back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from kinesics.errors import KinesicsError

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""cuBLAS is deterministic only with a workspace of this size (NVIDIA's documentation, "Results reproducibility")."""


@contextmanager
def own_random_state(device: torch.device) -> Iterator[None]:
    """Give the caller's random state of PyTorch back at the end, that of the device too."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def deterministic_algorithms(enabled: bool) -> Iterator[None]:
    """If `enabled`, only let algorithms run that give the same bits each time; the caller's choice comes back.

    Raises:
        KinesicsError: the network has an operation without such an algorithm on this device.
    """
    if not enabled:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark, os.environ.get(WORKSPACE)
    os.environ.setdefault(WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        raise KinesicsError(f"optim.deterministic: this network cannot be trained so here ({error})") from error
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
        if before[2] is None:
            os.environ.pop(WORKSPACE, None)
