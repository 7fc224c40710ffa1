"""What a system has inside, by its name: arrays for programs, and a picture of them for people.

A new system adds its view to SYSTEM_VIEWS: a function from what is shown to arrays, and one that draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.explanation.shown import Shown
from kinesics.models.backbones.backbone import STAGES
from kinesics.models.heads.crops import crops_at, peaks, starts
from kinesics.models.heads.keypoints import KeyPointHead
from kinesics.models.heads.local import LocalHead
from kinesics.models.heads.pyramid import PyramidHead
from kinesics.models.recognizer import Recognizer
from kinesics.models.registry import parts_of
from kinesics.models.temporal.mdt import FRAMES, MotionStream
from kinesics.models.temporal.salience import gain, motion_salience
from kinesics.models.temporal.tefe import TemporalExtraction
from kinesics.plots.flow_wheel import plot_flow
from kinesics.plots.inside import plot_kernels, plot_peaks, plot_points, plot_pyramid
from kinesics.plots.saliency import plot_saliency, scaled

POINT_ROWS = 3
"""Channels whose key points are shown."""
Arrays = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class View:
    """One look inside. arrays: the numbers. picture: writes a PNG of them. lacks: why a model has none of it, or ""."""

    name: str
    title: str
    arrays: Callable[[Shown], Arrays]
    picture: Callable[[Shown, Arrays, Path], None]
    lacks: Callable[[Recognizer], str] = lambda model: ""


@torch.no_grad()
def peak_arrays(shown: Shown) -> Arrays:
    """MLFE: where the label's map peaks in each frame, and what is cut out there of each low stage.

    cam (T, h, w), signed; peak (T,), its highest cell; and of each low stage STAGE_box (T, 4), top, left, bottom and
    right as shares of the picture, STAGE_saliency (T, h, w), the mean size of its channels, and STAGE_patch (T, h, w),
    the same of the local features.
    """
    model, label = shown.question.model, shown.question.label
    head = model.head
    assert isinstance(head, LocalHead)  # noqa: S101 - `lacks` was asked
    features = {name: x[0] for name, x in model.backbone.forward_stages(shown.question.clip, head.needs).items()}
    deep = features["layer5"]
    cells = deep.shape[-2:]
    peak_T1 = peaks(deep, head.fc.weight)[:, [label]]
    found = {"cam": torch.einsum("tchw,c->thw", deep, head.fc.weight[label]), "peak": peak_T1[:, 0]}
    for name in head.layers:
        x, scale = features[name], 2 ** (len(STAGES) - 1 - STAGES.index(name))
        height, width = x.shape[-2:]
        top, tall = starts(peak_T1[:, 0] // cells[1], cells[0], height, scale)
        left, wide = starts(peak_T1[:, 0] % cells[1], cells[1], width, scale)
        box = [top / height, left / width, (top + tall) / height, (left + wide) / width]
        crops, counts, _ = crops_at(x, peak_T1, cells, scale, "class")
        local = head.blocks[name].maps(crops, counts) if name in head.blocks else crops  # type: ignore[operator]
        found[f"{name}_box"] = torch.stack(box, dim=1)
        found[f"{name}_saliency"] = x.abs().mean(dim=1)
        found[f"{name}_patch"] = local.abs().mean(dim=1)
    return numbers(found)


def draw_peaks(shown: Shown, arrays: Arrays, path: Path) -> None:
    """The lowest stage that has patches, as figure 4 of the MLFE paper."""
    head = shown.question.model.head
    assert isinstance(head, LocalHead)  # noqa: S101
    stage = head.layers[0]
    plot_peaks(
        shown.frames,
        arrays["cam"].clip(0),
        arrays[f"{stage}_box"],
        arrays[f"{stage}_saliency"],
        arrays[f"{stage}_patch"],
        shown.seconds,
        stage,
        shown.title("where its map peaks, and what is cut out there"),
        path,
    )


@torch.no_grad()
def level_arrays(shown: Shown) -> Arrays:
    """STP: adds (S, 2^levels − 1), what each cell of each segment's pyramid adds to the score, coarse to fine; bias.

    With the bias they add up to the score (`Question.score`).
    """
    question = shown.question
    head = question.model.head
    assert isinstance(head, PyramidHead)  # noqa: S101
    parts_SPD = head.segments(question.model.backbone.forward_stages(question.clip, head.needs))[0]
    cells_SLD = torch.einsum("lp,spd->sld", head.pyramid.to(parts_SPD.dtype), parts_SPD)
    weight_LD = torch.unflatten(question.score(head.fc.weight.T), 0, (-1, head.width))
    adds_SL = torch.einsum("sld,ld->sl", cells_SLD, weight_LD) / len(cells_SLD)
    return numbers({"adds": adds_SL, "bias": question.score(head.fc.bias[None])})


def draw_levels(shown: Shown, arrays: Arrays, path: Path) -> None:
    """The pyramid of every segment below its frames."""
    head = shown.question.model.head
    assert isinstance(head, PyramidHead)  # noqa: S101
    title = shown.title("what each level of the pyramid adds")
    plot_pyramid(shown.frames, arrays["adds"], head.levels, shown.seconds, title, path)


@torch.no_grad()
def kernel_arrays(shown: Shown) -> Arrays:
    """TEFE, per module of temporal extraction: NAME_mix (C, 3), weights of the last, this and the next frame; NAME_gate
    (T, C)."""
    means: dict[str, Tensor] = {}
    modules = extractions(shown.question.model)
    hooks = [
        module.gate_conv1.register_forward_pre_hook(lambda _, inputs, name=name: means.update({name: inputs[0]}))
        for name, module in modules.items()
    ]
    try:
        shown.question.logits()
    finally:
        for hook in hooks:
            hook.remove()
    found: dict[str, Tensor] = {}
    for name, module in modules.items():
        gate_NTC, mix_NC3 = module.weights(means[name].transpose(1, 2))
        found |= {f"{name}_mix": mix_NC3[0], f"{name}_gate": gate_NTC[0]}
    return numbers(found)


def extractions(model: nn.Module) -> dict[str, TemporalExtraction]:
    """The modules of temporal extraction in their order: TE 1, TE 2 and so on."""
    found = [module for module in model.modules() if isinstance(module, TemporalExtraction)]
    return {f"TE {number}": module for number, module in enumerate(found, start=1)}


def draw_kernels(shown: Shown, arrays: Arrays, path: Path) -> None:
    """A row a module."""
    parts = {
        part: {name.removesuffix(part): x for name, x in arrays.items() if name.endswith(part)}
        for part in ("_mix", "_gate")
    }
    plot_kernels(parts["_mix"], parts["_gate"], shown.title("weights of the frames, and gates"), path)


@torch.no_grad()
def point_arrays(shown: Shown) -> Arrays:
    """KPSEM: the channels whose key point shifts add most to the score, each in the set that adds most of it.

    adds (R,), what a row adds, to first order; places (R, 2), its set and channel. points (R, T', K, 2), its key points
    as x and y from 0 to 1 across the picture; shifts (R, T'−1, K, 2) on that scale; weights (R, T'−1, K), its regions'.
    """
    question = shown.question
    head = question.model.head
    assert isinstance(head, KeyPointHead)  # noqa: S101 - `lacks` was asked
    features = question.model.backbone.forward_stages(question.clip, head.needs)
    found = head.shifts(features[head.stage])
    with torch.enable_grad():
        ways = found.shifts.detach().requires_grad_()
        summary = head.joined(features, head.embedding(replace(found, shifts=ways)))
        (gradient,) = torch.autograd.grad(question.score(head.fc(summary)).sum(), ways)
    adds_GC = (gradient * found.shifts)[0].sum(dim=(0, 2, 4))
    best_C, set_C = adds_GC.max(dim=0)
    channel_R = best_C.topk(min(POINT_ROWS, len(best_C))).indices
    set_R = set_C[channel_R]
    cells = torch.tensor(features[head.stage].shape[:2:-1], dtype=torch.float32)  # W, H
    picked = [x[0].cpu()[:, set_R.cpu(), :, channel_R.cpu()] for x in (found.points, found.shifts, found.weights)]
    return numbers(
        {
            "adds": best_C[channel_R],
            "places": torch.stack([set_R, channel_R], dim=1),
            "points": (picked[0] * (cells - 1) + 0.5) / cells,
            "shifts": picked[1] * (cells - 1) / cells,
            "weights": picked[2],
        }
    )


def draw_points(shown: Shown, arrays: Arrays, path: Path) -> None:
    """Crosses and arrows on the frames, as figure 10 of the KPSEM paper."""
    stride = -(-len(shown.frames) // arrays["points"].shape[1])
    plot_points(
        shown.frames[::stride],
        arrays,
        shown.seconds[::stride],
        shown.title("key points, and where they go"),
        path,
    )


@torch.no_grad()
def salience_arrays(shown: Shown) -> Arrays:
    """MDT-Net: salience (T, h, w), 0 and up, and the gain (T, h, w) that its motion stream makes of it."""
    stream = shown.question.model.backbone.temporal_stream
    assert isinstance(stream, MotionStream)  # noqa: S101
    frames = torch.unflatten(shown.question.clip, 2, (FRAMES, 3))
    weights: Tensor = stream.luminance.view(3, 1, 1)  # type: ignore[operator]
    salience = motion_salience((frames.float() * weights).sum(dim=3))
    return numbers({"salience": salience[0], "gain": gain(salience)[0]})


def draw_salience(shown: Shown, arrays: Arrays, path: Path) -> None:
    """Salience over the key frames."""
    title, note = shown.title("motion salience"), "it is computed from the pixels alone; nothing of it is learned"
    plot_saliency(shown.frames, scaled(arrays["salience"]), shown.seconds, title, path, note=note)


def flow_arrays(shown: Shown) -> Arrays:
    """The flow that a model of flow looks at: flow (T, H, W, 2) in pixels, right and down."""
    assert shown.flow is not None  # noqa: S101
    return {"flow": shown.flow}


def draw_flow(shown: Shown, arrays: Arrays, path: Path) -> None:
    """Its colours, and the wheel that explains them."""
    plot_flow(arrays["flow"], shown.seconds, shown.title("optical flow"), path)


def numbers(found: Mapping[str, Tensor]) -> Arrays:
    """Tensors as float32 arrays."""
    return {name: x.float().cpu().numpy() for name, x in found.items()}


def no_extraction(model: Recognizer) -> str:
    """A TEFE of feature enhancement alone has no kernels."""
    return "" if extractions(model) else "it was made without temporal extraction"


def no_salience(model: Recognizer) -> str:
    """An MDT-Net may be made without."""
    stream = model.backbone.temporal_stream
    return "" if isinstance(stream, MotionStream) and stream.salience else "it was made without motion salience"


SYSTEM_VIEWS: dict[str, View] = {
    "mlfe": View("peaks", "where the label's map peaks, and the patches cut out there", peak_arrays, draw_peaks),
    "stp": View("pyramid", "what each cell of the pyramid adds to the label's score", level_arrays, draw_levels),
    "tefe": View(
        "kernels", "the weights of the last, this and the next frame, and the gates", kernel_arrays, draw_kernels,
        no_extraction,
    ),
    "kpsem": View(
        "points", "the key points whose shifts add most to the score, and where they go", point_arrays, draw_points
    ),
    "mdt": View("salience", "where something moves by itself", salience_arrays, draw_salience, no_salience),
}  # fmt: skip
"""The view of each system that has one."""
FLOW_VIEW = View("flow", "the optical flow that the model looks at, in colours", flow_arrays, draw_flow)
"""The view of every model that looks at flow."""


def views_of(model: Recognizer) -> dict[str, View]:
    """The views that a model has, by their names."""
    own = SYSTEM_VIEWS.get(parts_of(model.name)[0].name)
    found = [own] if own and not own.lacks(model) else []
    return {view.name: view for view in [*found, *([FLOW_VIEW] if model.modality == "flow" else [])]}


def chosen_views(model: Recognizer, wanted: str) -> list[View]:
    """The views that are meant: "all" that the model has, "none", or one by its name.

    Raises:
        UserError: the model has no such view; the line says which it has, and whose that one is.
    """
    has = views_of(model)
    if wanted in ("all", "none"):
        return list(has.values()) if wanted == "all" else []
    if wanted in has:
        return [has[wanted]]
    owners = {view.name: system for system, view in SYSTEM_VIEWS.items()} | {"flow": "models of optical flow"}
    there = f"it has {', '.join(has)}" if has else "it has none of its own"
    if wanted not in owners:
        raise UserError(f"unknown view '{wanted}'; known: all, none, {', '.join(owners)}")
    own = SYSTEM_VIEWS.get(parts_of(model.name)[0].name)
    why = f" ({own.lacks(model)})" if own and own.name == wanted else f", which belongs to {owners[wanted]}"
    raise UserError(f"{model.name} has no view '{wanted}'{why}; {there}")
