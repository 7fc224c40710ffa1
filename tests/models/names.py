"""Names and shapes of published networks, written down from their sources and not from this project's modules."""

from __future__ import annotations

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def norm(name: str, width: int) -> Shapes:
    parts = {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
    return {**parts, f"{name}.num_batches_tracked": ()}


def resnet(depths: tuple[int, ...], *, bottleneck: bool, classes: int = 1000) -> Shapes:
    """torchvision's ResNet."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64)}
    channels = 64
    for stage, depth in enumerate(depths):
        width = 64 << stage
        out = width * 4 if bottleneck else width
        for index in range(depth):
            block = f"layer{stage + 1}.{index}"
            if bottleneck:
                convs = [(width, channels, 1), (width, width, 3), (out, width, 1)]
            else:
                convs = [(width, channels, 3), (width, width, 3)]
            for number, (wide, narrow, kernel) in enumerate(convs, 1):
                shapes[f"{block}.conv{number}.weight"] = (wide, narrow, kernel, kernel)
                shapes |= norm(f"{block}.bn{number}", wide)
            if index == 0 and channels != out:
                shapes[f"{block}.downsample.0.weight"] = (out, channels, 1, 1)
                shapes |= norm(f"{block}.downsample.1", out)
            channels = out
    return {**shapes, "fc.weight": (classes, channels), "fc.bias": (classes,)}


RESNETS = {
    "resnet18": resnet((2, 2, 2, 2), bottleneck=False),
    "resnet34": resnet((3, 4, 6, 3), bottleneck=False),
    "resnet50": resnet((3, 4, 6, 3), bottleneck=True),
}


def res2net50(classes: int = 1000) -> Shapes:
    """res2net50_26w_4s of the Res2Net repository."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64)}
    channels = 64
    for stage, (depth, group) in enumerate(zip((3, 4, 6, 3), (26, 52, 104, 208), strict=True)):
        out = 256 << stage
        for index in range(depth):
            block = f"layer{stage + 1}.{index}"
            shapes |= {f"{block}.conv1.weight": (4 * group, channels, 1, 1), **norm(f"{block}.bn1", 4 * group)}
            for number in range(3):
                shapes |= {f"{block}.convs.{number}.weight": (group, group, 3, 3)}
                shapes |= norm(f"{block}.bns.{number}", group)
            shapes |= {f"{block}.conv3.weight": (out, 4 * group, 1, 1), **norm(f"{block}.bn3", out)}
            if index == 0:
                shapes[f"{block}.downsample.0.weight"] = (out, channels, 1, 1)
                shapes |= norm(f"{block}.downsample.1", out)
            channels = out
    return {**shapes, "fc.weight": (classes, channels), "fc.bias": (classes,)}


def tea_res2net50(classes: int) -> Shapes:
    """TEA by the names of its authors' code: Res2Net, motion excitation `me` and convolutions over time `shifts`."""
    shapes = res2net50(classes)
    for stage, (depth, group) in enumerate(zip((3, 4, 6, 3), (26, 52, 104, 208), strict=True), 1):
        width, small = 4 * group, 4 * group // 16
        for block in (f"layer{stage}.{index}" for index in range(depth)):
            shapes |= {f"{block}.me.conv1.weight": (small, width, 1, 1), **norm(f"{block}.me.bn1", small)}
            shapes |= {f"{block}.me.conv2.weight": (small, 1, 3, 3), f"{block}.me.conv3.weight": (width, small, 1, 1)}
            shapes |= norm(f"{block}.me.bn3", width)
            shapes |= {f"{block}.shifts.{number}.conv.weight": (group, 1, 3) for number in range(4)}
    return shapes


MOBILENET_GROUPS = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))


def mobilenetv2(style: str = "torchvision", classes: int = 1000) -> Shapes:
    """MobileNetV2 by torchvision's names, TSM's (`tsm`, layers in one row, shifts wrapped) or MMAction2's (`mm`)."""
    mm = style == "mm"

    def conv_norm(conv: str, bn: str, shape: tuple[int, ...]) -> Shapes:
        return {f"{conv}.weight": shape, **norm(bn, shape[0])}

    stem, last = ("conv1", "conv2") if mm else ("features.0", "features.18")
    parts = ("conv", "bn") if mm else ("0", "1")
    shapes = conv_norm(f"{stem}.{parts[0]}", f"{stem}.{parts[1]}", (32, 3, 3, 3))
    channels, number = 32, 1
    for group, (expansion, width, depth) in enumerate(MOBILENET_GROUPS, 1):
        for index in range(depth):
            inner = channels * expansion
            convs = [] if expansion == 1 else [(inner, channels, 1, 1)]
            convs += [(inner, 1, 3, 3), (width, inner, 1, 1)]
            block = f"layer{group}.{index}.conv" if mm else f"features.{number}.conv"
            wrapped = ".net" if style != "torchvision" and index > 0 else ""  # a shift stands before the first conv
            for place, shape in enumerate(convs):
                net = wrapped if place == 0 else ""
                if mm:
                    names = f"{block}.{place}{net}.conv", f"{block}.{place}{net}.bn"
                elif style == "tsm":
                    names = f"{block}.{3 * place}{net}", f"{block}.{3 * place + 1}"
                elif place < len(convs) - 1:
                    names = f"{block}.{place}.0", f"{block}.{place}.1"
                else:
                    names = f"{block}.{place}", f"{block}.{place + 1}"
                shapes |= conv_norm(*names, shape)
            channels, number = width, number + 1
    shapes |= conv_norm(f"{last}.{parts[0]}", f"{last}.{parts[1]}", (1280, 320, 1, 1))
    if style == "torchvision":
        shapes |= {"classifier.1.weight": (classes, 1280), "classifier.1.bias": (classes,)}
    return shapes


def filled(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Random tensors under these names."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.zeros((), dtype=torch.int64) if not shape else torch.rand(shape, generator=generator)
        for name, shape in shapes.items()
    }


def tsm_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A ResNet as the TSM repository saves it."""
    renamed = {}
    for name, tensor in state.items():
        if name.startswith("fc."):
            renamed[f"module.new_{name}"] = tensor
        else:
            wrapped = name.startswith("layer") and name.endswith("conv1.weight")
            renamed[f"module.base_model.{name[:-7]}.net.weight" if wrapped else f"module.base_model.{name}"] = tensor
    return renamed


def mmaction2_names(state: dict[str, Tensor], *, shift: bool = True) -> dict[str, Tensor]:
    """A ResNet as MMAction2 saves it."""
    renamed = {}
    for name, tensor in state.items():
        *block, layer, kind = name.split(".")
        if layer == "fc":
            renamed[f"cls_head.fc_cls.{kind}"] = tensor
            continue
        if block and block[-1] == "downsample":
            layer = {"0": "conv", "1": "bn"}[layer]
        elif layer.startswith("conv"):
            layer += ".conv.net" if shift and block and layer == "conv1" else ".conv"
        else:
            layer = f"conv{layer[2:]}.bn"
        renamed[".".join(["backbone", *block, layer, kind])] = tensor
    return renamed
