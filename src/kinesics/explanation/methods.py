"""The methods by name: a question in, a map for every time step out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from kinesics.errors import UserError, unknown
from kinesics.explanation.guided import guided_gradient
from kinesics.explanation.pixels import GRID, STEPS, Baseline, integrated_gradients, occlusion
from kinesics.explanation.question import Question
from kinesics.models.backbones.backbone import STAGES
from kinesics.models.recognizer import Recognizer


@dataclass(frozen=True)
class How:
    """What a method may be told. stage: whose features are weighed, None for the default. Else see `pixels`."""

    stage: str | None = None
    baseline: Baseline = "grey"
    steps: int = STEPS
    grid: int = GRID

    def __post_init__(self) -> None:
        if self.stage is not None and self.stage not in STAGES:
            raise unknown("stage", self.stage, STAGES)


@dataclass(frozen=True)
class Method:
    """maps: (question, how) → (T', h, w) float32, 0 and up. caveat: what its maps cannot say.

    uses_stage: whether it weighs the features of a stage. stage: the one it takes by default; None for the backbone's
    `heat_stage`.
    """

    maps: Callable[[Question, How], Tensor]
    caveat: str
    uses_stage: bool = False
    stage: str | None = None


def cam(features: Tensor, gradient: Tensor) -> Tensor:
    """(T, C, h, w) twice → (T, h, w): what each place adds to the score, to first order.

    After layer5 the heads are linear (but for MLFE's local scores): this is the class activation map of Zhou et al.
    (CVPR 2016), with the weight that a frame has in the head, and all places of all frames add up to the score less
    the classifier's bias. Before layer5 it is HiResCAM (Draelos and Carin, 2020).
    """
    return (features * gradient).sum(dim=1).relu()


def gradcam(features: Tensor, gradient: Tensor) -> Tensor:
    """(T, C, h, w) twice → (T, h, w). Channels are weighed by their mean gradient in their own frame.

    Source: Selvaraju et al., ICCV 2017. One weight for all frames would lose when something mattered.
    """
    return (features * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1).relu()


def gradcam_pp(features: Tensor, gradient: Tensor) -> Tensor:
    """(T, C, h, w) twice → (T, h, w). Gradients above 0 are weighed by place, so that several places can count.

    Source: Chattopadhay et al., Grad-CAM++, WACV 2018, equation 19.
    """
    square = gradient.square()
    below = 2 * square + (features * square * gradient).sum(dim=(2, 3), keepdim=True)
    alpha = torch.where(below.abs() > 1e-30, square / below, 0)
    weight = (alpha * gradient.relu()).sum(dim=(2, 3), keepdim=True)
    return (features * weight).sum(dim=1).relu()


COARSE = "a cell of the map is many pixels wide, so edges mean little"
CELL = 8
"""Pixels that are added up in integrated gradients, each way: neighbours' signs differ and their sum is steadier."""


def of_stage(way: Callable[[Tensor, Tensor], Tensor], caveat: str, stage: str | None = None) -> Method:
    """A method that weighs the features of a stage."""
    return Method(lambda question, how: way(*weighed(question, how, stage)), caveat, True, stage)


def weighed(question: Question, how: How, stage: str | None = None) -> tuple[Tensor, Tensor]:
    """Features (T', C, h, w) and gradient of the stage that was asked for, else of `stage`, else of the backbone's."""
    return question.stage(how.stage or stage or question.model.backbone.heat_stage)


def guided_gradcam(question: Question, how: How) -> Tensor:
    """(T, H, W): the guided gradient's size where Grad-CAM is high. Source: Selvaraju et al., section 3.2."""
    where = gradcam(*weighed(question, how))
    fine = guided_gradient(question).abs().sum(dim=1)
    return fine * enlarged(where, fine.shape)


def pooled(maps: Tensor) -> Tensor:
    """(T, H, W) → means over cells of CELL pixels, or fewer where the picture is small."""
    height, width = (max(1, round(side / CELL)) for side in maps.shape[1:])
    return F.adaptive_avg_pool2d(maps, (height, width))


def enlarged(maps: Tensor, shape: tuple[int, ...] | torch.Size) -> Tensor:
    """(T', h, w) → `shape` (T, H, W), linear between the middles of the cells, in time too where T' is not T."""
    return F.interpolate(maps[None, None], tuple(shape), mode="trilinear")[0, 0]


NO_PROOF = "it shows what the network responds to, not that a change there would change the answer"
METHODS: Mapping[str, Method] = {
    "cam": of_stage(
        cam, f"{COARSE}; in backbones whose cells see far, a place stands for its surroundings too", "layer5"
    ),
    "gradcam": of_stage(gradcam, f"{COARSE}; {NO_PROOF}"),
    "gradcam++": of_stage(gradcam_pp, f"{COARSE}; it counts gradients above zero only, and so flatters weak labels"),
    "guided-gradcam": Method(
        guided_gradcam,
        "its fine lines follow edges of the picture whatever was learned; trust where, not what",
        uses_stage=True,
    ),
    "integrated-gradients": Method(
        lambda question, how: pooled(integrated_gradients(question, how.baseline, how.steps).sum(dim=1)).relu(),
        "it explains the difference from the baseline clip; what equals the baseline gets no heat",
    ),
    "occlusion": Method(
        lambda question, how: occlusion(question, how.baseline, how.grid).relu(),
        "a covered cell of one frame is itself a sudden change, which a network that looks at motion may answer to",
    ),
}
"""By default first the quickest that serves every model."""


def stage_of(method: str, model: Recognizer, stage: str | None = None) -> str | None:
    """The stage whose features are weighed: the one asked for, else the method's own (the last with places, if that has
    none), else the backbone's.

    None where the method looks at pixels.

    Raises:
        UserError: the stage asked for has no places in this model.
    """
    mapped = model.backbone.mapped
    if not METHODS[method].uses_stage:
        return None
    if stage is None:
        own = METHODS[method].stage or model.backbone.heat_stage
        return own if own in mapped else mapped[-1]
    if stage not in mapped:
        raise UserError(f"stage: the features of {stage} have no places in {model.name}; {', '.join(mapped)} have")
    return stage


def explain(question: Question, method: str, how: How | None = None) -> Tensor:
    """(T', h, w) float32 on the CPU, 0 and up: the heat of each place at each time, on one scale for the clip.

    Raises:
        UserError: an unknown method or stage, or a stage without places.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    how = how or How()
    how = replace(how, stage=stage_of(method, question.model, how.stage))
    return METHODS[method].maps(question, how).float().cpu()
