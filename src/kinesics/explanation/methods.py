"""The explanation methods by name: each gives one heat map per time step for the score of a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from kinesics.errors import UserError, unknown
from kinesics.explanation.class_score import ClassScore
from kinesics.explanation.guided import guided_gradient
from kinesics.explanation.pixels import GRID, STEPS, Baseline, integrated_gradients, occlusion
from kinesics.models.backbones.backbone import STAGES
from kinesics.models.recognizer import Recognizer


@dataclass(frozen=True)
class MethodSettings:
    """The settings of a method. stage: whose features are weighted, None for the default. The others: see `pixels`."""

    stage: str | None = None
    baseline: Baseline = "grey"
    steps: int = STEPS
    grid: int = GRID

    def __post_init__(self) -> None:
        if self.stage is not None and self.stage not in STAGES:
            raise unknown("stage", self.stage, STAGES)


@dataclass(frozen=True)
class Method:
    """One method. maps: (class score, settings) → (T', h, w) float32, 0 and up. caveat: what its maps cannot show.

    uses_stage: whether it weights the features of a stage. stage: its default stage; None for the backbone's
    `heat_stage`.
    """

    maps: Callable[[ClassScore, MethodSettings], Tensor]
    caveat: str
    uses_stage: bool = False
    stage: str | None = None


def cam(features: Tensor, gradient: Tensor) -> Tensor:
    """(T, C, h, w) twice → (T, h, w): what each place adds to the score, to first order.

    After layer5 the heads are linear (except MLFE's local scores). There it is the class activation map of Zhou et al.
    (CVPR 2016), with the weight that a frame has in the head; before the ReLU, all places of all frames add up to the
    score minus the classifier's bias. Before layer5 it is HiResCAM (Draelos and Carin, 2020).
    """
    return (features * gradient).sum(dim=1).relu()


def gradcam(features: Tensor, gradient: Tensor) -> Tensor:
    """(T, C, h, w) twice → (T, h, w). Each channel's weight is its mean gradient in the same frame.

    Source: Selvaraju et al., ICCV 2017. One weight for all frames would lose the time at which something mattered.
    """
    return (features * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1).relu()


def gradcam_pp(features: Tensor, gradient: Tensor) -> Tensor:
    """(T, C, h, w) twice → (T, h, w). Positive gradients have a weight per place, so that several places can count.

    Source: Chattopadhay et al., Grad-CAM++, WACV 2018, equation 19: the features are summed over the places of a
    channel, the cube of the gradient is that of the place.
    """
    square = gradient.square()
    denominator = 2 * square + features.sum(dim=(2, 3), keepdim=True) * square * gradient
    alpha = torch.where(denominator.abs() > 1e-30, square / denominator, 0)
    weight = (alpha * gradient.relu()).sum(dim=(2, 3), keepdim=True)
    return (features * weight).sum(dim=1).relu()


COARSE = "a cell of the map is many pixels wide, so edges mean little"
CELL_PIXELS = 8
"""Height and width of the cells over which integrated gradients are averaged: single pixels differ in sign."""


def stage_method(weigh: Callable[[Tensor, Tensor], Tensor], caveat: str, stage: str | None = None) -> Method:
    """A method that weights the features of a stage; `stage` is its default."""
    return Method(
        lambda class_score, settings: weigh(*stage_features(class_score, settings, stage)), caveat, True, stage
    )


def stage_features(
    class_score: ClassScore, settings: MethodSettings, stage: str | None = None
) -> tuple[Tensor, Tensor]:
    """Features (T', C, h, w) and gradient of the stage in the settings, else of `stage`, else of the backbone's."""
    return class_score.features_and_gradient(settings.stage or stage or class_score.model.backbone.heat_stage)


def guided_gradcam(class_score: ClassScore, settings: MethodSettings) -> Tensor:
    """(T, H, W): the size of the guided gradient times Grad-CAM. Source: Selvaraju et al., section 3.2."""
    coarse = gradcam(*stage_features(class_score, settings))
    fine = guided_gradient(class_score).abs().sum(dim=1)
    return fine * enlarged(coarse, fine.shape)


def pooled(maps: Tensor) -> Tensor:
    """(T, H, W) → means over cells of about CELL_PIXELS × CELL_PIXELS."""
    height, width = (max(1, round(side / CELL_PIXELS)) for side in maps.shape[1:])
    return F.adaptive_avg_pool2d(maps, (height, width))


def enlarged(maps: Tensor, shape: tuple[int, ...] | torch.Size) -> Tensor:
    """(T', h, w) → `shape` (T, H, W), linear between the centres of the cells; also in time where T' is not T."""
    return F.interpolate(maps[None, None], tuple(shape), mode="trilinear")[0, 0]


NO_PROOF = "it shows what the network responds to, not that a change there would change the answer"
METHODS: Mapping[str, Method] = {
    "cam": stage_method(
        cam, f"{COARSE}; in backbones with large receptive fields, a place includes its surroundings", "layer5"
    ),
    "gradcam": stage_method(gradcam, f"{COARSE}; {NO_PROOF}"),
    "gradcam++": stage_method(
        gradcam_pp, f"{COARSE}; it counts only positive gradients, so weak labels look better than they are"
    ),
    "guided-gradcam": Method(
        guided_gradcam,
        "its fine lines follow the edges of the picture, no matter what the model has learned; trust where, not what",
        uses_stage=True,
    ),
    "integrated-gradients": Method(
        lambda class_score, settings: pooled(
            integrated_gradients(class_score, settings.baseline, settings.steps).sum(dim=1)
        ).relu(),
        "it explains the difference from the baseline clip; what equals the baseline gets no heat",
    ),
    "occlusion": Method(
        lambda class_score, settings: occlusion(class_score, settings.baseline, settings.grid).relu(),
        "a covered cell of one frame is itself a sudden change, and a network that uses motion may respond to it",
    ),
}
"""The methods by name."""


def stage_of(method: str, model: Recognizer, stage: str | None = None) -> str | None:
    """The stage whose features are weighted: `stage`, else the method's default, else the backbone's.

    A default whose features have no places is replaced by the last stage with places. None for methods that use pixels.

    Raises:
        UserError: the features of `stage` have no places in this model.
    """
    mapped = model.backbone.mapped
    if not METHODS[method].uses_stage:
        return None
    if stage is None:
        default = METHODS[method].stage or model.backbone.heat_stage
        return default if default in mapped else mapped[-1]
    if stage not in mapped:
        raise UserError(
            f"stage: the features of {stage} have no places in {model.name}; expected one of {', '.join(mapped)}"
        )
    return stage


def explain(class_score: ClassScore, method: str, settings: MethodSettings | None = None) -> Tensor:
    """(T', h, w) float32 on the CPU, 0 and up: the heat of each place at each time, on one scale for the clip.

    Raises:
        UserError: an unknown method or stage, or a stage without places.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    settings = settings or MethodSettings()
    settings = replace(settings, stage=stage_of(method, class_score.model, settings.stage))
    return METHODS[method].maps(class_score, settings).float().cpu()
