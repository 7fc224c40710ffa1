"""The latency of a model for one view, on this machine."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from kinesics.models.recognizer import Recognizer

WARM_UPS = 2
PASSES = 7
"""How many forward passes are timed. The median is reported, so that a busy moment of the machine does not count."""


@dataclass(frozen=True)
class Latency:
    """The median time of a forward pass of one view, without decoding, and how it was measured.

    peak_bytes: the peak memory on a CUDA device, with the weights; None on other devices.
    """

    seconds: float
    num_passes: int
    num_threads: int
    device: str
    peak_bytes: int | None


def measure_latency(model: Recognizer, shape: Sequence[int], device: torch.device) -> Latency:
    """The latency of `model` on `device` for an input of `shape` (1, T, C, H, W), with the threads that are set."""
    model = model.to(device).eval()
    clip = torch.zeros(tuple(shape), device=device)
    is_cuda = device.type == "cuda"
    if is_cuda:
        torch.cuda.reset_peak_memory_stats(device)
    times = []
    with torch.inference_mode():
        for _ in range(WARM_UPS + PASSES):
            started = time.perf_counter()
            model(clip)
            if is_cuda:
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - started)
    return Latency(
        seconds=statistics.median(times[WARM_UPS:]),
        num_passes=PASSES,
        num_threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name(device) if is_cuda else f"{device.type.upper()} ({processor()})",
        peak_bytes=torch.cuda.max_memory_allocated(device) if is_cuda else None,
    )


def processor() -> str:
    """The name of this machine's processor, as the operating system reports it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
