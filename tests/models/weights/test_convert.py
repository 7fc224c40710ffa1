"""Checkpoints of other projects load strictly, told by their names."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from kinesics.models.build import create_model
from kinesics.models.weights.convert import convert
from kinesics.models.weights.load import load_weights
from tests.models.names import filled, mmaction2_names, mobilenetv2, resnet, tea_res2net50, tsm_names


def expect_all(path: Path, name: str, state: dict[str, Tensor], *, kind: str, classes: int = 7) -> None:
    """The file loads strictly into the model, and every tensor stands where its public name says."""
    model = create_model(name, classes)
    report = load_weights(model, path)
    assert report.kind == kind
    assert report.missing == report.unexpected == ()
    assert report.adapted == {}
    assert len(report.matched) == len(model.state_dict())
    head = {"fc.", "classifier.1.", "_fc."}
    for public, tensor in state.items():
        ours = f"backbone.{public}"
        if any(public.startswith(start) for start in head):
            ours = f"head.fc.{public.rpartition('.')[2]}"
        assert torch.equal(model.state_dict()[ours], tensor), public


def test_names_of_others_by_hand() -> None:
    examples = {
        "module.base_model.conv1.weight": "backbone.conv1.weight",
        "module.base_model.layer1.0.conv1.net.weight": "backbone.layer1.0.conv1.weight",
        "module.base_model.layer1.0.downsample.0.weight": "backbone.layer1.0.downsample.0.weight",
        "module.new_fc.bias": "head.fc.bias",
    }
    kind, converted = convert({name: torch.zeros(1) for name in examples})
    assert kind == "TSN/TSM repository"
    assert list(converted) == list(examples.values())
    examples = {
        "backbone.conv1.conv.weight": "backbone.conv1.weight",
        "backbone.conv1.bn.running_var": "backbone.bn1.running_var",
        "backbone.layer1.0.conv1.conv.net.weight": "backbone.layer1.0.conv1.weight",
        "backbone.layer1.0.conv3.bn.weight": "backbone.layer1.0.bn3.weight",
        "backbone.layer1.0.downsample.conv.weight": "backbone.layer1.0.downsample.0.weight",
        "backbone.layer1.0.downsample.bn.bias": "backbone.layer1.0.downsample.1.bias",
        "cls_head.fc_cls.weight": "head.fc.weight",
    }
    kind, converted = convert({name: torch.zeros(1) for name in examples})
    assert kind == "MMAction2"
    assert list(converted) == list(examples.values())


def test_torchvision_files(tmp_path: Path) -> None:
    state = filled(resnet((2, 2, 2, 2), bottleneck=False, classes=7))
    torch.save(OrderedDict(state), tmp_path / "a.pth")
    expect_all(tmp_path / "a.pth", "tsm_resnet18", state, kind="backbone")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "a.safetensors")
    expect_all(tmp_path / "a.safetensors", "tsn_resnet18", state, kind="backbone")
    state = filled(mobilenetv2(classes=7))
    torch.save({"model": state}, tmp_path / "b.pt")
    expect_all(tmp_path / "b.pt", "tsm_mobilenetv2", state, kind="backbone")


@pytest.mark.parametrize(("name", "depths", "bottleneck"), [("18", (2, 2, 2, 2), False), ("50", (3, 4, 6, 3), True)])
def test_resnets_of_tsm_and_mmaction2(tmp_path: Path, name: str, depths: tuple[int, ...], bottleneck: bool) -> None:
    state = filled(resnet(depths, bottleneck=bottleneck, classes=7))
    wrapped = {"epoch": 3, "arch": "resnet", "state_dict": tsm_names(state), "optimizer": {}, "best_prec1": 71.2}
    torch.save(wrapped, tmp_path / "tsm.pth.tar")
    expect_all(tmp_path / "tsm.pth.tar", f"tsm_resnet{name}", state, kind="TSN/TSM repository")
    for shift in (False, True):
        torch.save({"meta": {"epoch": 1}, "state_dict": mmaction2_names(state, shift=shift)}, tmp_path / "mm.pth")
        expect_all(tmp_path / "mm.pth", f"tsm_resnet{name}", state, kind="MMAction2")


@pytest.mark.parametrize(
    ("style", "prefix", "head", "kind"),
    [
        ("tsm", "module.base_model.", "module.new_fc", "TSN/TSM repository"),
        ("mm", "backbone.", "cls_head.fc_cls", "MMAction2"),
    ],
)
def test_mobilenets_of_tsm_and_mmaction2(tmp_path: Path, style: str, prefix: str, head: str, kind: str) -> None:
    public = filled(mobilenetv2(classes=7))
    layers = [name for name in public if not name.startswith("classifier")]
    theirs = dict(zip(mobilenetv2(style), layers, strict=True))  # both tables list the layers in the same order
    state = {prefix + name: public[layer] for name, layer in theirs.items()}
    state |= {f"{head}.weight": public["classifier.1.weight"], f"{head}.bias": public["classifier.1.bias"]}
    torch.save({"state_dict": state}, tmp_path / "m.pth")
    expect_all(tmp_path / "m.pth", "tsm_mobilenetv2", public, kind=kind)


def test_torchvisions_mobilenet_with_a_wrapped_first_layer() -> None:
    _, converted = convert({"base_model.features.3.conv.0.net.0.weight": torch.zeros(1)})
    assert list(converted) == ["backbone.features.3.conv.0.0.weight"]


def test_tea_s_own_checkpoint_loads_whole(tmp_path: Path) -> None:
    state = filled(tea_res2net50(7))
    published = {
        f"module.new_fc.{name[3:]}" if name.startswith("fc.") else f"module.base_model.{name}": tensor
        for name, tensor in state.items()
    }
    torch.save({"state_dict": published}, tmp_path / "tea.pth")
    model = create_model("tea_res2net50", 7)
    report = load_weights(model, tmp_path / "tea.pth")
    assert report.missing == report.unexpected == ()
    assert report.adapted == {}
    loaded = model.state_dict()
    for ours, theirs in (
        ("temporal.me.reduce.weight", "me.conv1.weight"),
        ("temporal.me.reduce_bn.running_var", "me.bn1.running_var"),
        ("temporal.me.transform.weight", "me.conv2.weight"),
        ("temporal.me.expand.weight", "me.conv3.weight"),
        ("temporal.me.expand_bn.bias", "me.bn3.bias"),
        ("temporal.mta.3.weight", "shifts.3.conv.weight"),
    ):
        assert torch.equal(loaded[f"backbone.layer2.1.{ours}"], state[f"layer2.1.{theirs}"]), theirs
    assert torch.equal(loaded["head.fc.weight"], state["fc.weight"])
