"""Visualizations of what is inside a system: arrays for programs, and a picture of them for people.

A new system adds its visualization to SYSTEM_VISUALIZATIONS: a function from a clip to arrays, and one that draws them.
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
from kinesics.explanation.explained_clip import ExplainedClip
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
from kinesics.plots.internals import plot_kernels, plot_peaks, plot_points, plot_pyramid
from kinesics.plots.saliency import plot_saliency, scaled

NUM_CHANNELS = 3
"""How many channels of key points are drawn."""
Arrays = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Visualization:
    """One visualization. arrays: the numbers. draw: writes a PNG. missing: why a model does not have it, or ""."""

    name: str
    title: str
    arrays: Callable[[ExplainedClip], Arrays]
    draw: Callable[[ExplainedClip, Arrays, Path], None]
    missing: Callable[[Recognizer], str] = lambda model: ""


@torch.no_grad()
def peak_arrays(clip: ExplainedClip) -> Arrays:
    """MLFE: the peak of the label's map in each frame, and the patch of each low stage that is cut out there.

    cam (T, h, w), signed; peak (T,), the index of its highest cell. For each low stage: STAGE_box (T, 4), top, left,
    bottom and right as shares of the picture; STAGE_saliency (T, h, w), the mean absolute value of its channels;
    STAGE_patch (T, h, w), the same for the local features.
    """
    model, class_index = clip.class_score.model, clip.class_score.class_index
    head = model.head
    assert isinstance(head, LocalHead)  # noqa: S101 - see `missing`
    stages = model.backbone.forward_stages(clip.class_score.clip, head.needs)
    features = {name: x[0] for name, x in stages.items()}
    deep = features["layer5"]
    cells = deep.shape[-2:]
    peak_T1 = peaks(deep, head.fc.weight)[:, [class_index]]
    arrays = {"cam": torch.einsum("tchw,c->thw", deep, head.fc.weight[class_index]), "peak": peak_T1[:, 0]}
    for name in head.layers:
        x, scale = features[name], 2 ** (len(STAGES) - 1 - STAGES.index(name))
        height, width = x.shape[-2:]
        top, box_height = starts(peak_T1[:, 0] // cells[1], cells[0], height, scale)
        left, box_width = starts(peak_T1[:, 0] % cells[1], cells[1], width, scale)
        box = [top / height, left / width, (top + box_height) / height, (left + box_width) / width]
        crops, counts, _ = crops_at(x, peak_T1, cells, scale, "class")
        local = head.blocks[name].maps(crops, counts) if name in head.blocks else crops  # type: ignore[operator]
        arrays[f"{name}_box"] = torch.stack(box, dim=1)
        arrays[f"{name}_saliency"] = x.abs().mean(dim=1)
        arrays[f"{name}_patch"] = local.abs().mean(dim=1)
    return to_numpy(arrays)


def draw_peaks(clip: ExplainedClip, arrays: Arrays, path: Path) -> None:
    """Draw the lowest stage that has patches, like figure 4 of the MLFE paper."""
    head = clip.class_score.model.head
    assert isinstance(head, LocalHead)  # noqa: S101
    stage = head.layers[0]
    plot_peaks(
        clip.frames,
        arrays["cam"].clip(0),
        arrays[f"{stage}_box"],
        arrays[f"{stage}_saliency"],
        arrays[f"{stage}_patch"],
        clip.seconds,
        stage,
        clip.title("the peak of its map, and the patch cut out there"),
        path,
    )


@torch.no_grad()
def level_arrays(clip: ExplainedClip) -> Arrays:
    """STP: adds (S, 2^levels − 1), what each cell of each segment's pyramid adds to the score, coarse to fine; bias.

    All cells and the bias add up to the score (`ClassScore.of_logits`).
    """
    class_score = clip.class_score
    head = class_score.model.head
    assert isinstance(head, PyramidHead)  # noqa: S101
    parts_SPD = head.segments(class_score.model.backbone.forward_stages(class_score.clip, head.needs))[0]
    cells_SLD = torch.einsum("lp,spd->sld", head.pyramid.to(parts_SPD.dtype), parts_SPD)
    weight_LD = torch.unflatten(class_score.of_logits(head.fc.weight.T), 0, (-1, head.width))
    adds_SL = torch.einsum("sld,ld->sl", cells_SLD, weight_LD) / len(cells_SLD)
    return to_numpy({"adds": adds_SL, "bias": class_score.of_logits(head.fc.bias[None])})


def draw_levels(clip: ExplainedClip, arrays: Arrays, path: Path) -> None:
    """Draw the pyramid of each segment below its frames."""
    head = clip.class_score.model.head
    assert isinstance(head, PyramidHead)  # noqa: S101
    title = clip.title("what each level of the pyramid adds")
    plot_pyramid(clip.frames, arrays["adds"], head.levels, clip.seconds, title, path)


@torch.no_grad()
def kernel_arrays(clip: ExplainedClip) -> Arrays:
    """TEFE: per module of temporal extraction, the weights of three frames, and the gates.

    NAME_mix (C, 3), weights of the last, this and the next frame; NAME_gate (T, C).
    """
    means: dict[str, Tensor] = {}
    modules = extractions(clip.class_score.model)
    hooks = [
        module.gate_conv1.register_forward_pre_hook(lambda _, inputs, name=name: means.update({name: inputs[0]}))
        for name, module in modules.items()
    ]
    try:
        clip.class_score.logits()
    finally:
        for hook in hooks:
            hook.remove()
    arrays: dict[str, Tensor] = {}
    for name, module in modules.items():
        gate_NTC, mix_NC3 = module.weights(means[name].transpose(1, 2))
        arrays |= {f"{name}_mix": mix_NC3[0], f"{name}_gate": gate_NTC[0]}
    return to_numpy(arrays)


def extractions(model: nn.Module) -> dict[str, TemporalExtraction]:
    """The modules of temporal extraction, in order: TE 1, TE 2 and so on."""
    modules = [module for module in model.modules() if isinstance(module, TemporalExtraction)]
    return {f"TE {number}": module for number, module in enumerate(modules, start=1)}


def draw_kernels(clip: ExplainedClip, arrays: Arrays, path: Path) -> None:
    """Draw one row per module."""
    parts = {
        part: {name.removesuffix(part): x for name, x in arrays.items() if name.endswith(part)}
        for part in ("_mix", "_gate")
    }
    plot_kernels(parts["_mix"], parts["_gate"], clip.title("weights of the frames, and gates"), path)


@torch.no_grad()
def point_arrays(clip: ExplainedClip) -> Arrays:
    """KPSEM: the R channels whose key point shifts add most to the score, each with the set that adds most.

    adds (R,), what a channel adds, to first order; places (R, 2), its set and channel. points (R, T', K, 2), its key
    points, x and y from 0 to 1 across the picture; shifts (R, T'−1, K, 2) on that scale; weights (R, T'−1, K), the
    weights of its regions.
    """
    class_score = clip.class_score
    head = class_score.model.head
    assert isinstance(head, KeyPointHead)  # noqa: S101 - see `missing`
    features = class_score.model.backbone.forward_stages(class_score.clip, head.needs)
    key_points = head.shifts(features[head.stage])
    with torch.enable_grad():
        shifts = key_points.shifts.detach().requires_grad_()
        embedding = head.joined(features, head.embedding(replace(key_points, shifts=shifts)))
        (gradient,) = torch.autograd.grad(class_score.of_logits(head.fc(embedding)).sum(), shifts)
    adds_GC = (gradient * key_points.shifts)[0].sum(dim=(0, 2, 4))
    best_C, set_C = adds_GC.max(dim=0)
    channel_R = best_C.topk(min(NUM_CHANNELS, len(best_C))).indices
    set_R = set_C[channel_R]
    cells = torch.tensor(features[head.stage].shape[:2:-1], dtype=torch.float32)  # W, H
    points, moves, weights = (
        x[0].cpu()[:, set_R.cpu(), :, channel_R.cpu()]
        for x in (key_points.points, key_points.shifts, key_points.weights)
    )
    return to_numpy(
        {
            "adds": best_C[channel_R],
            "places": torch.stack([set_R, channel_R], dim=1),
            "points": (points * (cells - 1) + 0.5) / cells,
            "shifts": moves * (cells - 1) / cells,
            "weights": weights,
        }
    )


def draw_points(clip: ExplainedClip, arrays: Arrays, path: Path) -> None:
    """Draw crosses and arrows on the frames, like figure 10 of the KPSEM paper."""
    stride = -(-len(clip.frames) // arrays["points"].shape[1])
    title = clip.title("key points, and how they shift")
    plot_points(clip.frames[::stride], arrays, clip.seconds[::stride], title, path)


@torch.no_grad()
def salience_arrays(clip: ExplainedClip) -> Arrays:
    """MDT-Net: salience (T, h, w), 0 and up, and the gain (T, h, w) that its motion stream computes from it."""
    stream = clip.class_score.model.backbone.temporal_stream
    assert isinstance(stream, MotionStream)  # noqa: S101
    frames = torch.unflatten(clip.class_score.clip, 2, (FRAMES, 3))
    weights: Tensor = stream.luminance.view(3, 1, 1)  # type: ignore[operator]
    salience = motion_salience((frames.float() * weights).sum(dim=3))
    return to_numpy({"salience": salience[0], "gain": gain(salience)[0]})


def draw_salience(clip: ExplainedClip, arrays: Arrays, path: Path) -> None:
    """Draw salience over the key frames."""
    title, note = clip.title("motion salience"), "it is computed from the pixels only; it is not learned"
    plot_saliency(clip.frames, scaled(arrays["salience"]), clip.seconds, title, path, note=note)


def flow_arrays(clip: ExplainedClip) -> Arrays:
    """The input of a model of flow: flow (T, H, W, 2) in pixels, right and down."""
    assert clip.flow is not None  # noqa: S101
    return {"flow": clip.flow}


def draw_flow(clip: ExplainedClip, arrays: Arrays, path: Path) -> None:
    """Draw the flow as colours, with the colour wheel as the key."""
    plot_flow(arrays["flow"], clip.seconds, clip.title("optical flow"), path)


def to_numpy(tensors: Mapping[str, Tensor]) -> Arrays:
    """Tensors as float32 arrays."""
    return {name: x.float().cpu().numpy() for name, x in tensors.items()}


def missing_extraction(model: Recognizer) -> str:
    """A TEFE with only feature enhancement has no kernels."""
    return "" if extractions(model) else "it has no temporal extraction"


def missing_salience(model: Recognizer) -> str:
    """An MDT-Net may have no motion salience."""
    stream = model.backbone.temporal_stream
    return "" if isinstance(stream, MotionStream) and stream.salience else "it has no motion salience"


SYSTEM_VISUALIZATIONS: dict[str, Visualization] = {
    "mlfe": Visualization(
        "peaks", "the peak of the label's map, and the patches cut out there", peak_arrays, draw_peaks
    ),
    "stp": Visualization(
        "pyramid", "what each cell of the pyramid adds to the label's score", level_arrays, draw_levels
    ),
    "tefe": Visualization(
        "kernels", "the weights of the last, this and the next frame, and the gates", kernel_arrays, draw_kernels,
        missing_extraction,
    ),
    "kpsem": Visualization(
        "points", "the key points whose shifts add most to the score, and their shifts", point_arrays, draw_points
    ),
    "mdt": Visualization(
        "salience", "where something moves by itself", salience_arrays, draw_salience, missing_salience
    ),
}  # fmt: skip
"""The visualization of each system that has one."""
FLOW_VISUALIZATION = Visualization("flow", "the model's input, optical flow, as colours", flow_arrays, draw_flow)
"""The visualization of every model of flow."""


def visualizations_of(model: Recognizer) -> dict[str, Visualization]:
    """The visualizations that a model has, by name."""
    of_system = SYSTEM_VISUALIZATIONS.get(parts_of(model.name)[0].name)
    available = [of_system] if of_system and not of_system.missing(model) else []
    available += [FLOW_VISUALIZATION] if model.modality == "flow" else []
    return {visualization.name: visualization for visualization in available}


def chosen_visualizations(model: Recognizer, view: str) -> list[Visualization]:
    """The visualizations that `view` names: "all" that the model has, "none", or one by name.

    Raises:
        UserError: the model has no such view; the message says which it has, and which system has this one.
    """
    available = visualizations_of(model)
    if view in ("all", "none"):
        return list(available.values()) if view == "all" else []
    if view in available:
        return [available[view]]
    owners = {each.name: system for system, each in SYSTEM_VISUALIZATIONS.items()} | {"flow": "models of optical flow"}
    if view not in owners:
        raise UserError(f"unknown view '{view}'; expected one of all, none, {', '.join(owners)}")
    of_system = SYSTEM_VISUALIZATIONS.get(parts_of(model.name)[0].name)
    reason = of_system.missing(model) if of_system and of_system.name == view else f"it belongs to {owners[view]}"
    raise UserError(
        f"{model.name} has no view '{view}': {reason}; expected one of {', '.join(['all', 'none', *available])}"
    )
