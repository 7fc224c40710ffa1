"""What answers for videos, be it one model or several together: one video, frames in memory, or many in batches."""

from __future__ import annotations

import dataclasses
import itertools
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kinesics.devices import num_cores
from kinesics.errors import UserError, VideoError
from kinesics.inference.answer import AnswerRule
from kinesics.inference.decoding import LIMITS, DecodedViews, ViewDecoder, decode_frames, decode_many
from kinesics.values import Prediction, VideoItem
from kinesics.video.files import on_disk
from kinesics.video.view_plan import ViewPlan

Decoded = tuple[DecodedViews, ...]
"""What each decoder gave for one video."""
Stream = Generator[tuple[VideoItem, DecodedViews | VideoError], None, None]


@dataclass(frozen=True)
class Outcome:
    """What became of one video: its prediction, or why there is none, with the manifest's word for it as status."""

    path: Path
    prediction: Prediction | None
    error: str = ""
    status: str = "ok"


class VideoClassifier(ABC):
    """Answers for videos."""

    @property
    @abstractmethod
    def rule(self) -> AnswerRule:
        """How its probabilities become an answer."""

    @abstractmethod
    def decoders(self, plan: ViewPlan | str | None = None) -> tuple[ViewDecoder, ...]:
        """What each of its models looks at. plan: as `predict` takes it."""

    @abstractmethod
    def probs(self, decoded: Sequence[Decoded], decoders: Sequence[ViewDecoder]) -> Tensor:
        """(N, K) float32 probabilities of N videos, from what `decoders` gave for each."""

    @abstractmethod
    def maker(self, plan: ViewPlan | str | None = None) -> str:
        """Twelve letters made from weights, view plan and calibration: equal letters mean equal answers."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of what it can answer."""
        return self.rule.classes

    def predict(
        self,
        video: Path | str | npt.NDArray[np.uint8] | Tensor,
        *,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        fps: float | None = None,
        plan: ViewPlan | str | None = None,
        top: int | None = 5,
    ) -> Prediction:
        """The `top` most probable classes (all for None) of a video, or of its part between two times.

        video: a file, a folder of frames, or frames (T, H, W, 3) uint8 RGB in memory. It is decoded in this process.
        fps: of a folder of frames or frames in memory, 25 by default. plan: one, two-clip, ten-by-three, 25x10, 25x1,
        whole-256x224 (or another size), or a ViewPlan. A multi-label model gives each class a probability of its own;
        all above one half are in the answer. Of a model that was calibrated, an answer below its threshold is "none of
        these". The flow that a model of flow looks at is computed here. The prediction's frames are those of the first
        clip; they are counted from `start_seconds`, their times are those of the file.

        Raises:
            UserError: no such file, or frames of another form.
            VideoError: the file cannot be decoded.
        """
        decoders = self.decoders(plan)
        if isinstance(video, Path | str):
            path = Path(video)
            if not on_disk(path).exists():
                raise UserError(f"{path}: no such file; expected a video or a folder of frames")
            item = VideoItem(str(path), path, start_seconds=start_seconds, end_seconds=end_seconds, fps=fps)
            once = {kind: kind(item) for kind in dict.fromkeys(decoders)}
            decoded = tuple(once[decoder] for decoder in decoders)
            return self._prediction(str(path), self.probs([decoded], decoders)[0], decoded, top)
        if start_seconds is not None or end_seconds is not None:
            raise UserError("frames in memory have no start and end in seconds; cut them instead")
        decoded = tuple(decode_frames(video, decoder.plan, fps or 25.0, decoder.flow) for decoder in decoders)
        return self._prediction("frames", self.probs([decoded], decoders)[0], decoded, top)

    def predict_many(
        self,
        paths: Iterable[Path | str],
        *,
        plan: ViewPlan | str | None = None,
        top: int | None = 5,
        batch_size: int = 8,
        num_workers: int | None = None,
        timeout_seconds: float = LIMITS.timeout_seconds,
        memory_gib: float = LIMITS.memory_gib,
    ) -> Iterator[Outcome]:
        """An Outcome a video, in order, as they are done; memory does not grow with their number.

        Paths are taken from the iterable only a little ahead of what is asked for. A video that cannot be decoded,
        crashes its process or reaches a limit is an Outcome with the reason.

        Args:
            paths: Video files, folders of frames or frame patterns.
            plan: The views, as `predict` takes them.
            top: How many classes each prediction names; all for None.
            batch_size: Views that go through the network at once.
            num_workers: Processes that decode, by default one per core; with 0 this process does, without limits.
            timeout_seconds: Processor time to decode one video; its size and the frames looked at add to it.
            memory_gib: Memory to decode one video, in GiB.

        Raises:
            UserError: a batch size below 1, no such views, or a limit out of range.
        """
        if batch_size < 1:
            raise UserError(f"batch_size is {batch_size}; expected a number from 1 up")
        decoders = self.decoders(plan)
        kinds = list(dict.fromkeys(decoders))  # what several models look at is decoded once
        workers = num_cores() if num_workers is None else num_workers
        sources = itertools.tee((VideoItem(str(path), Path(path)) for path in paths), len(kinds))
        limits = dataclasses.replace(LIMITS, timeout_seconds=timeout_seconds, memory_gib=memory_gib)
        streams = [
            decode_many(items, kind, num_workers=workers and max(1, workers // len(kinds)), limits=limits)
            for items, kind in zip(sources, kinds, strict=True)
        ]
        most_views = max(kind.plan.num_views for kind in kinds)
        return self._outcomes(streams, decoders, top, max(1, batch_size // most_views))

    def _outcomes(
        self,
        streams: Sequence[Stream],
        decoders: Sequence[ViewDecoder],
        top: int | None,
        batch_size: int,
    ) -> Iterator[Outcome]:
        kinds = list(dict.fromkeys(decoders))
        places = [kinds.index(decoder) for decoder in decoders]
        with ExitStack() as held:
            for stream in streams:
                held.enter_context(closing(stream))
            rows = zip(*streams, strict=True)
            while batch := list(itertools.islice(rows, batch_size)):
                errors = [next((views for _, views in row if isinstance(views, VideoError)), None) for row in batch]
                good = [row for row, error in zip(batch, errors, strict=True) if error is None]
                found = [[views for _, views in row if isinstance(views, DecodedViews)] for row in good]
                decoded = [tuple(views[place] for place in places) for views in found]
                probs = iter(self.probs(decoded, decoders) if decoded else ())
                answered = iter(decoded)
                for row, error in zip(batch, errors, strict=True):
                    item = row[0][0]
                    if error is None:
                        yield Outcome(item.path, self._prediction(item.id, next(probs), next(answered), top))
                    else:
                        yield Outcome(item.path, None, str(error), error.status)

    def _prediction(self, name: str, probs: Tensor, decoded: Decoded, top: int | None) -> Prediction:
        first = decoded[0]
        return self.rule.prediction(name, probs, first.frame_indices, first.frame_seconds, top)
