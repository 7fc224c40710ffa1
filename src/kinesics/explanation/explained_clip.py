"""The clip that is explained: as the model sees it, with its prediction, the pictures to draw on and their times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinesics.data.dataset import crop_views
from kinesics.errors import KinesicsError, UserError, unknown
from kinesics.explanation.class_score import ClassScore
from kinesics.inference.decoding import ViewDecoder, decode_one
from kinesics.inference.predictor import Predictor
from kinesics.models.registry import parts_of
from kinesics.models.temporal.mdt import KEY
from kinesics.plots.flow_wheel import Flow, flow_picture, flow_scale
from kinesics.plots.saliency import Frames
from kinesics.values import NONE_OF_THESE, Prediction, VideoItem
from kinesics.video.flow_file import SUFFIX, pixels


@dataclass(frozen=True)
class ExplainedClip:
    """One clip of a video and the score that is explained.

    frames: (T, H, W, 3), the pictures of the time steps as the network sees them; flow is shown as colours. seconds:
    their times. prediction: the explained label with its probability, and the frames of the clip. answer: the model's
    own label, or "none of these". answer_probability: the probability of the model's own label.
    flow: (T, H, W, 2) in pixels; None for a model of frames.
    """

    path: Path
    class_score: ClassScore
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

    def title(self, subject: str) -> str:
        """The title of a picture: "nod_0001: nod (93%), SUBJECT"."""
        return f"{self.path.stem}: {self.label} ({self.prediction.probability:.0%}), {subject}"


def index_of_label(predictor: Predictor, label: str | None) -> int | None:
    """The index of a class by its name; None for None. Raises UserError with the nearest name."""
    if label is not None and label not in predictor.classes:
        raise unknown("label", label, predictor.classes)
    return None if label is None else predictor.classes.index(label)


def predict_clip(predictor: Predictor, path: Path, label: str | None = None) -> ExplainedClip:
    """Decode the first clip of a video, by the model's view plan, and predict it; `label` None explains the answer.

    The video is decoded in a worker process.

    Raises:
        UserError: the model has no such label, or the file holds optical flow.
        VideoError: the video cannot be decoded.
        KinesicsError: the model's scores are not finite.
    """
    class_index = index_of_label(predictor, label)
    if path.name.endswith(SUFFIX):
        raise UserError(f"{path}: holds optical flow; give the video itself, its flow is computed here")
    model, plan = predictor.model, predictor.plan
    decoded = decode_one(VideoItem(str(path), path), ViewDecoder(plan, predictor.flow))
    clip = crop_views(torch.from_numpy(decoded.clips), plan)[0]
    inputs = model.input_norm(clip[None].to(predictor.device))
    multi_label = predictor.contract.multi_label
    logits = ClassScore(model, inputs, class_index or 0, multi_label).logits()
    try:
        probs = predictor.rule.probs(logits[None])[0]
    except KinesicsError as error:
        raise KinesicsError(f"{predictor.folder}: {error}") from error
    answer_index = int(probs.argmax())
    class_index = answer_index if class_index is None else class_index
    frame_index = drawn_frame(model.name, plan.frames_per_segment)
    drawn = slice(frame_index, len(clip) * plan.frames_per_segment, plan.frames_per_segment)
    flow = flow_of(clip, frame_index, predictor.flow.bound) if predictor.flow else None
    return ExplainedClip(
        path=path,
        class_score=ClassScore(model, inputs, class_index, multi_label),
        frames=pictures(clip, frame_index) if flow is None else flow_pictures(flow),
        seconds=decoded.frame_seconds[drawn],
        prediction=Prediction(
            str(path),
            (predictor.classes[class_index],),
            (float(probs[class_index]),),
            decoded.frame_indices[drawn],
            decoded.frame_seconds[drawn],
        ),
        answer=NONE_OF_THESE if predictor.rule.is_rejected(probs) else predictor.classes[answer_index],
        answer_probability=float(probs[answer_index]),
        flow=flow,
    )


def drawn_frame(model: str, num_frames: int) -> int:
    """Which of the frames of a time step is drawn: the key frame of MDT-Net, else the middle one."""
    system_frames = parts_of(model)[0].frames
    return KEY if system_frames > 1 and num_frames == system_frames else num_frames // 2


def pictures(clip_TCHW: Tensor, frame_index: int) -> Frames:
    """(T, 3·F, H, W) uint8 → (T, H, W, 3)."""
    return np.ascontiguousarray(clip_TCHW[:, 3 * frame_index : 3 * frame_index + 3].permute(0, 2, 3, 1).numpy())


def flow_of(clip_TCHW: Tensor, frame_index: int, bound: float) -> Flow:
    """(T, 2·F, H, W) uint8 → (T, H, W, 2) pixels."""
    values: npt.NDArray[np.uint8] = clip_TCHW[:, 2 * frame_index : 2 * frame_index + 2].permute(0, 2, 3, 1).numpy()
    return pixels(values, bound)


def flow_pictures(flow_THW2: Flow) -> Frames:
    """(T, H, W, 2) pixels → (T, H, W, 3) colours on one scale."""
    full_length = flow_scale(flow_THW2)
    return np.stack([flow_picture(flow, full_length) for flow in flow_THW2])
