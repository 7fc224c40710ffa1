"""Names of published checkpoints → names of the recognizer, found from the names themselves.

A backbone's tensors come out as `backbone.` + torchvision's (or the package's) name, its classifier as `head.fc.`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from torch import Tensor

CLASSIFIERS = ("fc", "fc8", "_fc", "last_linear", "classifier", "classifier.1", "new_fc", "cls_head.fc_cls")
"""What the published networks call their last layer."""

# The blocks features.1 … features.17 of MobileNetV2 that MMAction2's layer1 … layer7 begin with.
FIRST_BLOCKS = (1, 2, 4, 7, 11, 14, 17)
TEA_LAYERS = {"conv1": "reduce", "bn1": "reduce_bn", "conv2": "transform", "conv3": "expand", "bn3": "expand_bn"}
"""The layers of motion excitation: their names in the authors' code and here."""


def convert(state: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """(the kind of checkpoint, its tensors by the recognizer's names, or their own where there is none), for example
    `module.base_model.layer1.0.conv1.net.weight` → `backbone.layer1.0.conv1.weight`.
    """
    if state and all(name.startswith("module.") for name in state):  # written from DataParallel
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    kind, to_public = converter(state)
    return kind, {to_public(name): tensor for name, tensor in state.items()}


def converter(names: Iterable[str]) -> tuple[str, Callable[[str], str]]:
    """The kind of checkpoint that has these names, and the function that renames them."""
    names = set(names)
    starts = {name.partition(".")[0] for name in names}
    wrapped = any(re.match(r"backbone\.conv1\.(conv|bn)\.", name) for name in names)  # as in our MFNet, without layer1
    if "cls_head" in starts or (wrapped and any(name.startswith("backbone.layer1.") for name in names)):
        inverted = any(re.match(r"backbone\.layer\d\.\d\.conv\.", name) for name in names)
        rename = mmaction2_mobilenet if inverted else mmaction2_resnet
        return "MMAction2", lambda name: ours(rename(name)) if name.startswith(("backbone.", "cls_head.fc")) else name
    if "base_model" in starts:
        flat = "base_model.features.1.conv.3.weight" in names
        rename = (lambda name: flat_mobilenet(tsm(name))) if flat else tsm
        return (
            "TSN/TSM repository",
            lambda name: ours(rename(name)) if name.startswith(("base_model.", "new_fc.")) else name,
        )
    if starts & {"backbone", "head"}:
        return "kinesics", lambda name: name
    flat = "features.1.conv.3.weight" in names and "features.1.conv.0.0.weight" not in names
    return "backbone", lambda name: ours(flat_mobilenet(name) if flat else name)


def ours(name: str) -> str:
    """fc.weight → head.fc.weight, conv1.weight → backbone.conv1.weight."""
    layer, _, kind = name.rpartition(".")
    return f"head.fc.{kind}" if layer in CLASSIFIERS else f"backbone.{name}"


def tsm(name: str) -> str:
    """base_model.layer1.0.conv1.net.weight → layer1.0.conv1.weight, as wrapped by tsn-pytorch, TSM and TEA."""
    return tea(name.removeprefix("base_model.").replace(".net.", "."))


def tea(name: str) -> str:
    """layer1.0.me.conv1.weight → layer1.0.temporal.me.reduce.weight, layer1.0.shifts.2.conv.weight → ….mta.2.weight.

    The names of TEA's two modules in its authors' code, github.com/Phoenix1327/tea-action-recognition.
    """
    if found := re.fullmatch(r"(layer\d\.\d+)\.me\.(\w+)\.(\w+)", name):
        return f"{found[1]}.temporal.me.{TEA_LAYERS[found[2]]}.{found[3]}" if found[2] in TEA_LAYERS else name
    return re.sub(r"^(layer\d\.\d+)\.shifts\.(\d)\.conv\.", r"\1.temporal.mta.\2.", name)


def flat_mobilenet(name: str) -> str:
    """features.2.conv.3.weight → features.2.conv.1.0.weight: TSM's MobileNetV2 has its layers in one row.

    There conv, norm and activation count one each; torchvision groups them in threes, but the last conv and norm.
    """
    found = re.fullmatch(r"features\.(\d+)\.conv\.(\d+)\.(\w+)", name)
    if not found:
        return name
    block, layer, kind = int(found[1]), int(found[2]), found[3]
    last = 3 if block == 1 else 6  # block 1 does not expand
    place = f"{layer // 3}.{layer % 3}" if layer < last else f"{last // 3 + layer - last}"
    return f"features.{block}.conv.{place}.{kind}"


def mmaction2_resnet(name: str) -> str:
    """backbone.layer1.0.conv1.conv.net.weight → layer1.0.conv1.weight, …conv1.bn.bias → …bn1.bias."""
    name = name.removeprefix("backbone.").replace(".net.", ".")
    name = name.replace("downsample.conv.", "downsample.0.").replace("downsample.bn.", "downsample.1.")
    return re.sub(r"\bconv(\d)\.bn\.", r"bn\1.", re.sub(r"\bconv(\d)\.conv\.", r"conv\1.", name))


def mmaction2_mobilenet(name: str) -> str:
    """backbone.layer2.0.conv.1.bn.bias → features.2.conv.1.1.bias; conv1 and conv2 are features.0 and features.18."""
    name = name.removeprefix("backbone.").replace(".net.", ".")
    found = re.fullmatch(r"layer(\d)\.(\d)\.conv\.(\d)\.(conv|bn)\.(\w+)", name)
    if found:
        block, layer = FIRST_BLOCKS[int(found[1]) - 1] + int(found[2]), int(found[3])
        is_norm = found[4] == "bn"
        last = 1 if block == 1 else 2
        place = f"{layer}.{int(is_norm)}" if layer < last else f"{layer + is_norm}"
        return f"features.{block}.conv.{place}.{found[5]}"
    found = re.fullmatch(r"conv([12])\.(conv|bn)\.(\w+)", name)
    if found:
        return f"features.{0 if found[1] == '1' else 18}.{int(found[2] == 'bn')}.{found[3]}"
    return name
