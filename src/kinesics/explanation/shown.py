"""A video as a model sees it, ready to be asked about: its clip, the pictures to draw on, and their times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinesics.data.dataset import crop_views
from kinesics.errors import KinesicsError, UserError, unknown
from kinesics.explanation.question import Question
from kinesics.inference.decoding import ViewDecoder, decode_one
from kinesics.inference.predictor import Predictor
from kinesics.models.registry import parts_of
from kinesics.models.temporal.mdt import KEY
from kinesics.plots.flow_wheel import Flow, flow_picture, longest_of
from kinesics.plots.saliency import Frames
from kinesics.values import NONE_OF_THESE, Prediction, VideoItem
from kinesics.video.flow_file import SUFFIX, pixels


@dataclass(frozen=True)
class Shown:
    """One clip of a video and what is asked about it.

    frames: (T, H, W, 3), the time steps' pictures as the network sees them, flow as colours. seconds: their times.
    prediction: the explained label with its probability, and the frames looked at. answer: the model's own first label,
    or "none of these". answer_probability: that of its first label.
    flow: (T, H, W, 2) in pixels; None for a model of frames.
    """

    path: Path
    question: Question
    frames: Frames
    seconds: tuple[float, ...]
    prediction: Prediction
    answer: str
    answer_probability: float
    flow: Flow | None = None

    @property
    def label(self) -> str:
        """The explained label."""
        return self.prediction.label

    def title(self, what: str) -> str:
        """The first line of a picture: nod_0001: nod (93 %), what."""
        return f"{self.path.stem}: {self.label} ({self.prediction.probability:.0%}), {what}"


def label_number(predictor: Predictor, label: str | None) -> int | None:
    """The number of a class by its name, None for None. Raises UserError with the nearest name."""
    if label is not None and label not in predictor.classes:
        raise unknown("label", label, predictor.classes)
    return None if label is None else predictor.classes.index(label)


def show(predictor: Predictor, path: Path, label: str | None = None) -> Shown:
    """The first clip of the model's view plan of a video; `label` None stands for the model's answer.

    The video is decoded in a worker process.

    Raises:
        UserError: a label that the model does not know, or a file of flow.
        VideoError: the video cannot be decoded.
        KinesicsError: the model's scores are no numbers.
    """
    number = label_number(predictor, label)
    if path.name.endswith(SUFFIX):
        raise UserError(f"{path}: holds optical flow; name the video itself, its flow is computed here")
    model, plan = predictor.model, predictor.plan
    decoded = decode_one(VideoItem(str(path), path), ViewDecoder(plan, predictor.flow))
    clip = crop_views(torch.from_numpy(decoded.clips), plan)[0]
    inputs = model.input_norm(clip[None].to(predictor.device))
    asked = Question(model, inputs, number or 0, predictor.contract.multi_label)
    logits = asked.logits()
    try:
        probs = predictor.rule.probs(logits[None])[0]
    except KinesicsError as error:
        raise KinesicsError(f"{predictor.folder}: {error}") from error
    best = int(probs.argmax())
    number = best if number is None else number
    chosen = chosen_frame(model.name, plan.frames_per_segment)
    steps = slice(chosen, len(clip) * plan.frames_per_segment, plan.frames_per_segment)
    flow = flow_of(clip, chosen, predictor.flow.bound) if predictor.flow else None
    return Shown(
        path=path,
        question=Question(model, inputs, number, asked.multi_label),
        frames=pictures(clip, chosen) if flow is None else flow_pictures(flow),
        seconds=decoded.frame_seconds[steps],
        prediction=Prediction(
            str(path),
            (predictor.classes[number],),
            (float(probs[number]),),
            decoded.frame_indices[steps],
            decoded.frame_seconds[steps],
        ),
        answer=NONE_OF_THESE if predictor.rule.is_rejected(probs) else predictor.classes[best],
        answer_probability=float(probs[best]),
        flow=flow,
    )


def chosen_frame(model: str, frames: int) -> int:
    """Which of a time step's frames stands for it: the key frame of MDT-Net, else the middle one."""
    own = parts_of(model)[0].frames
    return KEY if own > 1 and frames == own else frames // 2


def pictures(clip_TCHW: Tensor, chosen: int) -> Frames:
    """(T, 3·F, H, W) uint8 → (T, H, W, 3)."""
    return np.ascontiguousarray(clip_TCHW[:, 3 * chosen : 3 * chosen + 3].permute(0, 2, 3, 1).numpy())


def flow_of(clip_TCHW: Tensor, chosen: int, bound: float) -> Flow:
    """(T, 2·F, H, W) uint8 → (T, H, W, 2) pixels."""
    values: npt.NDArray[np.uint8] = clip_TCHW[:, 2 * chosen : 2 * chosen + 2].permute(0, 2, 3, 1).numpy()
    return pixels(values, bound)


def flow_pictures(flow_THW2: Flow) -> Frames:
    """(T, H, W, 2) pixels → (T, H, W, 3) colours of one scale."""
    longest = longest_of(flow_THW2)
    return np.stack([flow_picture(flow, longest) for flow in flow_THW2])
