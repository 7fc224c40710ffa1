"""Batches of clips, decoded ahead of the network by worker processes and brought to its device."""

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
from kinesics.values import Sample
from kinesics.video.view_plan import ViewPlan

BATCHES_AHEAD = 4
"""Batches that each worker holds ready."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps memory that processes share


@dataclass(frozen=True)
class Batch:
    """Clips with their targets (N, K) and ids.

    clips: (N, V, T, C, h, w) uint8; a tuple of (V, T, C, h, w) where the videos have different sizes, which is so only
    before several crops are cut from them.
    """

    ids: tuple[str, ...]
    clips: Tensor | tuple[Tensor, ...]
    targets: Tensor

    def views(self, plan: ViewPlan) -> Tensor:
        """(N, V, T, C, size, size): the views of `plan`, where the clips are what `sent_part` gave for it."""
        if plan.crops == 1 and isinstance(self.clips, Tensor):
            return self.clips
        return torch.stack([crop_views(clip, plan) for clip in self.clips])

    @property
    def first_view(self) -> Tensor:
        """(N, T, C, h, w): the first view of each clip, the only one where these are training clips."""
        return self.clips[:, 0] if isinstance(self.clips, Tensor) else torch.stack([clip[0] for clip in self.clips])

    def to(self, device: torch.device) -> Batch:
        """The same on a device; from pinned memory it is copied while the caller goes on."""
        return self._changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The same in memory that a GPU reads directly; the loader calls it."""
        return self._changed(lambda tensor: tensor.pin_memory())

    def record_stream(self, stream: Any) -> None:
        """Keep the memory until what `stream` has been given is done."""
        self._changed(lambda tensor: (tensor.record_stream(stream), tensor)[1])

    def _changed(self, change: Any) -> Batch:
        clips = change(self.clips) if isinstance(self.clips, Tensor) else tuple(change(clip) for clip in self.clips)
        return Batch(self.ids, clips, change(self.targets))


def stacked(samples: Sequence[Sample | VideoError]) -> Batch | VideoError:
    """One Batch of samples; or the first error, since neither training nor a test goes on without a clip."""
    good: list[Sample] = []
    for sample in samples:
        if isinstance(sample, VideoError):
            return sample
        good.append(sample)
    same = len({sample.clips.shape for sample in good}) == 1
    clips = torch.stack([s.clips for s in good]) if same else tuple(s.clips for s in good)
    return Batch(tuple(s.id for s in good), clips, torch.stack([s.target for s in good]))


def packed(samples: Sequence[Sample | VideoError]) -> bytes:
    """`stacked` as bytes, which travel through a pipe; tensors would go through /dev/shm, often small."""
    return pickle.dumps(stacked(samples), protocol=pickle.HIGHEST_PROTOCOL)


class Batches:
    """The batches of clips that stand in `batch_sampler`, each time it is iterated over.

    num_workers: processes that decode, by default one a core; 0 for this process. They live as long as this object.
    batch_bytes: about how large a batch is, which decides how it travels.
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
            generator=torch.Generator(),  # else each iteration would draw from the caller's random numbers
        )

    def __iter__(self) -> Iterator[Batch]:
        """Each batch in memory.

        Raises:
            VideoError: a video of one cannot be decoded.
            KinesicsError: a worker died while it handed a batch over.
        """
        for found in _whole(iter(self._loader)):
            batch = found
            if isinstance(found, bytes):
                batch = pickle.loads(found)  # noqa: S301 - of our own workers
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
    """The batches of a training that stand in `batch_sampler` when iteration starts."""
    inputs = clips.input
    channels = 3 if inputs.modality == "rgb" else 2
    frames = inputs.num_segments * inputs.steps_per_segment * inputs.frames_per_segment
    size = batch_size * frames * channels * inputs.size**2
    return Batches(clips, batch_sampler, batch_bytes=size, num_workers=num_workers)


def test_batches(clips: TestClips, indices: Sequence[int], batch_size: int, num_workers: int | None = None) -> Batches:
    """Batches of the clips at `indices`, in that order, whose `views` are those of the plan of `clips`."""
    plan = clips.plan
    batches = [list(indices[i : i + batch_size]) for i in range(0, len(indices), batch_size)]
    frames = plan.num_clips * plan.num_segments * plan.steps_per_segment * plan.frames_per_segment
    pixels = plan.size**2 if plan.crops == 1 else 2 * plan.resize**2
    workers = min(num_cores() if num_workers is None else num_workers, len(batches))
    return Batches(clips, batches, batch_bytes=batch_size * frames * 3 * pixels, num_workers=workers)


test_batches.__test__ = False  # type: ignore[attr-defined]  # not a test case


def shared_memory_left() -> float:
    """Bytes that processes can still share; without a limit on systems that keep no folder for it."""
    try:
        return shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return float("inf")


@contextmanager
def worker_deaths_named() -> Iterator[None]:
    """Raise KinesicsError where a worker of `Batches` dies during the block; PyTorch raises from any line of it."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise _died(error) from error


def _whole(batches: Iterator[Any]) -> Iterator[Any]:
    """The same batches; a worker that dies while it hands one over is told as such."""
    while True:
        try:
            found = next(batches)
        except StopIteration:
            return
        except (ConnectionError, EOFError, FileNotFoundError) as error:
            if str(error).startswith("Caught "):  # raised in the worker, which lives
                raise
            raise _died(error) from error
        yield found


def _died(error: Exception) -> KinesicsError:
    return KinesicsError(
        "a process that decodes clips ended; the machine may be out of memory (fewer num_workers take less), or a clip "
        f"crashes the decoder (`kinesics prepare` finds which). PyTorch says: {error}"
    )
