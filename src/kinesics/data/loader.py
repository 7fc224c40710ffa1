"""Batches of clips, decoded in advance by worker processes and copied to the device of the network."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from kinesics.data.dataset import TestClips, TrainClips, crop_views
from kinesics.devices import num_cores
from kinesics.errors import KinesicsError, VideoError
from kinesics.sizes import Resize, Size
from kinesics.values import Sample
from kinesics.video.view_plan import ViewPlan

BATCHES_AHEAD = 4
"""Batches that each worker keeps ready."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps shared memory


@dataclass(frozen=True)
class Batch:
    """Clips with their targets (N, K) and ids.

    clips: (N, V, T, C, h, w) uint8; or a tuple of (V, T, C, h, w) where the videos have different sizes. This happens
    only before several crops are cut from them.
    """

    ids: tuple[str, ...]
    clips: Tensor | tuple[Tensor, ...]
    targets: Tensor

    def views(self, plan: ViewPlan) -> Tensor:
        """(N, V, T, C, H, W): the views of `plan`; the clips are from `sent_part` with the same plan."""
        if plan.crops == 1 and isinstance(self.clips, Tensor):
            return self.clips
        return torch.stack([crop_views(clip, plan) for clip in self.clips])

    @property
    def first_view(self) -> Tensor:
        """(N, T, C, h, w): the first view of each clip; a training clip has only one."""
        return self.clips[:, 0] if isinstance(self.clips, Tensor) else torch.stack([clip[0] for clip in self.clips])

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; from pinned memory the copy runs while the caller goes on."""
        return self._changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The batch in memory that a GPU reads directly; the loader calls this."""
        return self._changed(lambda tensor: tensor.pin_memory())

    def record_stream(self, stream: Any) -> None:
        """Keep the memory until the present work of `stream` is done."""
        self._changed(lambda tensor: (tensor.record_stream(stream), tensor)[1])

    def _changed(self, change: Any) -> Batch:
        clips = change(self.clips) if isinstance(self.clips, Tensor) else tuple(change(clip) for clip in self.clips)
        return Batch(self.ids, clips, change(self.targets))


def stacked(samples: Sequence[Sample | VideoError]) -> Batch | VideoError:
    """One Batch of samples; or the first error, since training and tests stop where a clip is missing."""
    good: list[Sample] = []
    for sample in samples:
        if isinstance(sample, VideoError):
            return sample
        good.append(sample)
    same = len({sample.clips.shape for sample in good}) == 1
    clips = torch.stack([s.clips for s in good]) if same else tuple(s.clips for s in good)
    return Batch(tuple(s.id for s in good), clips, torch.stack([s.target for s in good]))


def packed(samples: Sequence[Sample | VideoError]) -> bytes:
    """`stacked` as bytes, which go through a pipe; tensors would go through /dev/shm, which is often small."""
    return pickle.dumps(stacked(samples), protocol=pickle.HIGHEST_PROTOCOL)


class Batches:
    """The batches of clips that `batch_sampler` lists, each time it is iterated over.

    num_workers: processes that decode, by default one per core; 0 for this process. They live as long as this object.
    batch_bytes: the approximate size of a batch; it decides how batches go from a worker to this process.
    """

    def __init__(
        self,
        clips: TrainClips | TestClips,
        batch_sampler: Iterable[list[Any]],
        *,
        batch_bytes: int,
        num_workers: int | None = None,
    ) -> None:
        workers = num_cores() if num_workers is None else num_workers
        is_small = workers > 0 and shared_memory_left() < 2 * workers * BATCHES_AHEAD * batch_bytes
        self._pin = torch.cuda.is_available()
        self._loader: DataLoader[Any] = DataLoader(
            clips,
            batch_sampler=batch_sampler,
            collate_fn=packed if is_small else stacked,
            num_workers=workers,
            prefetch_factor=BATCHES_AHEAD if workers else None,
            persistent_workers=workers > 0,
            pin_memory=self._pin,
            generator=torch.Generator(),  # else each iteration would use up the caller's random numbers
        )

    def __iter__(self) -> Iterator[Batch]:
        """Each batch in memory.

        Raises:
            VideoError: a video of a batch cannot be decoded.
            KinesicsError: a worker died while it passed a batch on.
        """
        for received in _with_deaths_named(iter(self._loader)):
            batch = received
            if isinstance(received, bytes):
                batch = pickle.loads(received)  # noqa: S301 - from this process's own workers
                batch = batch.pin_memory() if self._pin and isinstance(batch, Batch) else batch
            if isinstance(batch, VideoError):
                raise batch
            yield batch

    def on(self, device: torch.device) -> Iterator[Batch]:
        """Each batch on a device; a GPU gets the next one while it computes."""
        if device.type != "cuda":
            for batch in self:
                yield batch.to(device)
            return
        copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        ahead: Batch | None = None
        for batch in self:
            with torch.cuda.stream(copying):
                following = batch.to(device)
            if ahead is not None:
                yield ahead
            torch.cuda.current_stream(device).wait_stream(copying)
            following.record_stream(torch.cuda.current_stream(device))
            ahead = following
        if ahead is not None:
            yield ahead


def train_batches(
    clips: TrainClips, batch_sampler: Iterable[list[Any]], batch_size: int, num_workers: int | None = None
) -> Batches:
    """The training batches that `batch_sampler` lists when iteration starts."""
    inputs = clips.input
    channels = 3 if inputs.modality == "rgb" else 2
    frames = inputs.num_segments * inputs.steps_per_segment * inputs.frames_per_segment
    size = batch_size * frames * channels * Size.of(inputs.size).num_pixels
    return Batches(clips, batch_sampler, batch_bytes=size, num_workers=num_workers)


def test_batches(clips: TestClips, indices: Sequence[int], batch_size: int, num_workers: int | None = None) -> Batches:
    """Batches of the clips at `indices`, in that order; their views are those of the plan of `clips`."""
    plan = clips.plan
    batches = [list(indices[i : i + batch_size]) for i in range(0, len(indices), batch_size)]
    frames = plan.num_clips * plan.num_segments * plan.steps_per_segment * plan.frames_per_segment
    size = Size.of(plan.size) if plan.crops == 1 else Resize.of(plan.resize).smallest
    pixels = size.num_pixels * (1 if plan.crops == 1 else 2)
    workers = min(num_cores() if num_workers is None else num_workers, len(batches))
    return Batches(clips, batches, batch_bytes=batch_size * frames * 3 * pixels, num_workers=workers)


test_batches.__test__ = False  # type: ignore[attr-defined]  # not a test case


def shared_memory_left() -> float:
    """Bytes of shared memory that are free; infinite on systems that have no folder for it."""
    try:
        return shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return float("inf")


@contextmanager
def worker_deaths_named() -> Iterator[None]:
    """Raise KinesicsError where a worker of `Batches` dies in the block; PyTorch raises anywhere in it."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise _died(error) from error


def _with_deaths_named(batches: Iterator[Any]) -> Iterator[Any]:
    """The same batches; raises KinesicsError where a worker dies while it passes one on."""
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except (ConnectionError, EOFError, FileNotFoundError) as error:
            if str(error).startswith("Caught "):  # raised in the worker, which is alive
                raise
            raise _died(error) from error
        yield batch


def _died(error: Exception) -> KinesicsError:
    return KinesicsError(
        "a process that decodes clips ended; the machine may be out of memory (use fewer num_workers), or a clip "
        f"crashes the decoder (`kinesics prepare` shows which one). PyTorch says: {error}"
    )
