"""Predict what happens in videos with a trained run: one video, frames in memory, or an archive in batches."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinesics.data.dataset import crop_views
from kinesics.devices import num_cores, pick_device
from kinesics.errors import KinesicsError, UserError, VideoError
from kinesics.files import sha256
from kinesics.flow.flow_folder import FlowSettings
from kinesics.inference.answer import AnswerRule
from kinesics.inference.decoding import LIMITS, DecodedViews, ViewDecoder, decode_frames, decode_many
from kinesics.inference.scorer import view_logits
from kinesics.models.recognizer import Recognizer
from kinesics.runs.model_file import WEIGHTS_NAME, Contract, find_model, load_model
from kinesics.values import Prediction, VideoItem
from kinesics.video.view_plan import ViewPlan


@dataclass(frozen=True)
class Outcome:
    """What became of one video: its prediction, or why there is none, with the manifest's word for it as status."""

    path: Path
    prediction: Prediction | None
    error: str = ""
    status: str = "ok"


@dataclass(frozen=True)
class Predictor:
    """A trained model, ready for videos."""

    model: Recognizer
    contract: Contract
    folder: Path
    device: torch.device

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of what it can answer."""
        return self.contract.classes

    @property
    def rule(self) -> AnswerRule:
        """How its logits become an answer."""
        return AnswerRule.of(self.contract)

    @property
    def plan(self) -> ViewPlan:
        """The views it looks at where no others are asked for."""
        return self.contract.view_plan

    @property
    def flow(self) -> FlowSettings | None:
        """How the flow is computed that it looks at; None where it looks at frames."""
        settings = self.contract.record.get("flow")
        return FlowSettings(**settings) if settings else None

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
        or a ViewPlan. A multi-label model gives each class a probability of its own; all above one half are in the
        answer. Of a model that was calibrated, an answer below its threshold is "none of these". The flow that a model
        of flow looks at is computed here. The prediction's frames are those of the first clip; they are counted from
        `start_seconds`, their times are those of the file.

        Raises:
            UserError: no such file, or frames of another form.
            VideoError: the file cannot be decoded.
        """
        views = self.views(plan)
        if isinstance(video, Path | str):
            path = Path(video)
            if not path.exists() and "{" not in path.name:
                raise UserError(f"{path}: no such file; wanted a video or a folder of frames")
            item = VideoItem(str(path), path, start_seconds=start_seconds, end_seconds=end_seconds, fps=fps)
            return self._answer([str(path)], [ViewDecoder(views, self.flow)(item)], views, top)[0]
        if start_seconds is not None or end_seconds is not None:
            raise UserError("frames in memory have no start and end in seconds; cut them instead")
        return self._answer(["frames"], [decode_frames(video, views, fps or 25.0, self.flow)], views, top)[0]

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
            num_workers: Processes that decode, by default one a core; with 0 this process does, without limits.
            timeout_seconds: Processor time to decode one video; its size and the frames looked at add to it.
            memory_gib: Memory to decode one video, in GiB.

        Raises:
            UserError: a batch size below 1, no such views, or a limit out of range.
        """
        if batch_size < 1:
            raise UserError(f"batch_size is {batch_size}; expected a number from 1 up")
        views = self.views(plan)
        limits = dataclasses.replace(LIMITS, timeout_seconds=timeout_seconds, memory_gib=memory_gib)
        decoded = decode_many(
            (VideoItem(str(path), Path(path)) for path in paths),
            ViewDecoder(views, self.flow),
            num_workers=num_cores() if num_workers is None else num_workers,
            limits=limits,
        )
        return self._outcomes(decoded, views, top, max(1, batch_size // views.num_views))

    def views(self, plan: ViewPlan | str | None = None) -> ViewPlan:
        """The view plan that is meant: the model's own, one by name, or one given, if it fits the model."""
        if plan is None:
            return self.plan
        if isinstance(plan, str):
            return self.plan.named(plan)
        if plan.frames_per_segment != self.plan.frames_per_segment:
            raise UserError(
                f"{self.folder}: the model takes {self.plan.frames_per_segment} frames a time step, "
                f"the view plan gives {plan.frames_per_segment}"
            )
        return plan

    def maker(self, plan: ViewPlan | str | None = None) -> str:
        """Twelve letters that stand for weights, view plan and calibration: equal makers, equal answers."""
        made_of: list[object] = [sha256(self.folder / WEIGHTS_NAME), self.views(plan).to_dict(), list(self.classes)]
        calibrated = [self.contract.temperature, self.contract.threshold]
        made_of += calibrated if calibrated != [1.0, 0.0] else []
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]

    def _outcomes(
        self,
        decoded: Generator[tuple[VideoItem, DecodedViews | VideoError], None, None],
        plan: ViewPlan,
        top: int | None,
        batch_size: int,
    ) -> Iterator[Outcome]:
        with closing(decoded):
            while batch := list(itertools.islice(decoded, batch_size)):
                good = [(item.id, found) for item, found in batch if isinstance(found, DecodedViews)]
                answers = iter(self._answer([name for name, _ in good], [found for _, found in good], plan, top))
                for item, found in batch:
                    if isinstance(found, DecodedViews):
                        yield Outcome(item.path, next(answers))
                    else:
                        yield Outcome(item.path, None, str(found), found.status)

    def _answer(
        self, names: Sequence[str], decoded: Sequence[DecodedViews], plan: ViewPlan, top: int | None
    ) -> list[Prediction]:
        if not decoded:
            return []
        clips = [crop_views(torch.from_numpy(one.clips).to(self.device), plan) for one in decoded]
        with torch.inference_mode():
            logits = view_logits(self.model, torch.stack(clips), plan, multi_label=self.contract.multi_label).cpu()
        try:
            probs = self.rule.probs(logits)
        except KinesicsError as error:
            raise KinesicsError(f"{self.folder}: {error}") from error
        return [
            self.rule.prediction(name, row, one.frame_indices, one.frame_seconds, top)
            for name, row, one in zip(names, probs, decoded, strict=True)
        ]


def load(run: Path | str, *, device: str = "auto") -> Predictor:
    """The model of a run (its best), of a folder with a model, or of a model file, ready to predict.

    Raises:
        UserError: there is none, it is damaged, or it takes flow and does not say which.
    """
    run = Path(run)
    model, contract = load_model(run)
    if contract.modality == "flow" and "flow" not in contract.record:
        raise UserError(f"{run}: the model takes flow, and its record does not say of which method and bound")
    where = pick_device(device)
    return Predictor(model.to(where).eval(), contract, find_model(run), where)
