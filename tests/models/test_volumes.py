"""C3D, R(2+1)D and I3D-ResNet-50: published counts and names, their weights' files, and inflated kernels."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from kinesics.errors import UserError
from kinesics.metrics.cost import cost
from kinesics.models.backbones.c3d import C3D
from kinesics.models.backbones.i3d import I3D50
from kinesics.models.backbones.r2plus1d import R2Plus1D18, R2Plus1D34
from kinesics.models.backbones.resnet import ResNet
from kinesics.models.build import create_model
from kinesics.models.registry import list_models
from kinesics.models.weights import sources
from kinesics.models.weights.load import load_weights
from tests.models.names import RESNETS, Shapes, filled
from tests.models.volume_names import c3d, r2plus1d


@pytest.mark.parametrize(
    ("name", "published", "classes"),
    [("plain_c3d", c3d(), 487), ("plain_r2plus1d18", r2plus1d(), 400)],
)
def test_published_files_load_whole(name: str, published: Shapes, classes: int, tmp_path: Path) -> None:
    state = filled(published)
    torch.save(state, tmp_path / "published.pth")
    model = create_model(name, classes)
    report = load_weights(model, tmp_path / "published.pth")
    assert report.missing == report.unexpected == ()
    assert report.adapted == {}
    assert len(report.matched) == len(state) == len(model.state_dict())
    first = f"{model.backbone.first_conv}.weight"
    assert torch.equal(model.backbone.state_dict()[first], state[first])
    last = "fc8.weight" if "fc8.weight" in state else "fc.weight"
    assert torch.equal(model.head.fc.weight, state[last])


@pytest.mark.parametrize(
    ("name", "classes", "shape", "parameters", "giga"),
    [
        ("plain_c3d", 101, (16, 112), 78_409_573, 38.5474),
        ("plain_r2plus1d18", 400, (16, 112), 31_505_325, 40.5193),
        ("plain_r2plus1d34", 400, (32, 112), 63_697_175, 152.3563),
        ("plain_i3d50", 400, (32, 224), 28_043_472, 152.4839),
    ],
)
def test_counts_are_the_published_ones(
    name: str, classes: int, shape: tuple[int, int], parameters: int, giga: float
) -> None:
    with torch.device("meta"):
        model = create_model(name, classes)
    counted = cost(model, (1, shape[0], 3, shape[1], shape[1]))
    assert counted.parameters == parameters
    assert counted.macs / 1e9 == pytest.approx(giga, abs=1e-4)


def test_r2plus1d34_has_its_authors_channels_between() -> None:
    state = R2Plus1D34().state_dict()
    found = [state[f"layer{stage}.0.conv2.0.0.weight"].shape[0] for stage in (1, 2, 3, 4)]
    assert found == [144, 288, 576, 1152]
    assert R2Plus1D18().layer2[0].conv2[0][0].out_channels == 230


def test_long_clips_halve_stage_by_stage() -> None:
    x = torch.randn(1, 17, 3, 32, 32)
    for backbone, times in ((C3D(), [9, 5, 3, 2]), (R2Plus1D18(), [17, 9, 5, 3])):
        with torch.no_grad():
            found = backbone.eval().forward_stages(x, ("layer2", "layer3", "layer4", "layer5"))
        assert [features.shape[1] for features in found.values()] == times


def test_c3d_s_end_is_the_port_s_at_its_own_size() -> None:
    backbone = C3D().eval()
    x = torch.rand(2, 512, 2, 7, 7)
    with torch.no_grad():
        y = F.max_pool3d(F.relu(backbone.conv5b(F.relu(backbone.conv5a(x)))), 2, 2, padding=(0, 1, 1))
        y = F.relu(backbone.fc7(F.relu(backbone.fc6(y.reshape(2, 8192)))))
        found = backbone.stage("layer5", x, 2)
    assert found.shape == (2, 4096, 1, 1, 1)
    assert y.std() > 1e-3
    assert torch.allclose(found.flatten(1), y, atol=1e-5)


def test_still_clips_give_the_features_of_the_2d_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    flat = create_model("tsn_resnet50", 7).eval()
    backbone = flat.backbone
    assert isinstance(backbone, ResNet)
    for module in backbone.modules():  # so that the norms do something
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    names = backbone.state_dict() | {"fc.weight": flat.head.fc.weight.detach(), "fc.bias": flat.head.fc.bias.detach()}
    torch.save(names, tmp_path / "resnet50.pth")
    model = create_model("plain_i3d50", 7)
    report = load_weights(model, tmp_path / "resnet50.pth")
    assert report.missing == report.unexpected == ()
    assert report.adapted.pop("backbone.conv1.weight") == "inflated over 5 frames"
    assert set(report.adapted.values()) == {"inflated over 3 frames"}
    assert len(report.adapted) == 3 + 2 + 3 + 1
    wide = copy.deepcopy(backbone)  # as I3D's, the last stage keeps the stride of 16
    wide.layer4[0].conv2.stride = wide.layer4[0].downsample[0].stride = (1, 1)
    frame = torch.randn(1, 1, 3, 32, 32)
    with torch.no_grad():
        wanted = wide.forward_stages(frame, ("layer2", "layer3", "layer4", "layer5"))
        found = model.eval().backbone.forward_stages(frame.expand(-1, 41, -1, -1, -1), tuple(wanted))
    # So many time steps from each end, the clip's end is seen: 5 frames in layer2, then 6, 10, 16 and 18.
    for (name, features), end in zip(found.items(), (5, 5, 8, 9), strict=True):
        inside = features[:, end:-end]
        assert inside.shape[1] >= 3
        assert torch.allclose(inside, wanted[name].expand_as(inside), rtol=1e-3, atol=1e-3 * float(inside.std())), name
        assert not torch.allclose(features[:, 0], wanted[name][:, 0], rtol=0.1)


def test_flow_is_adapted_before_it_is_inflated(tmp_path: Path) -> None:
    state = filled(RESNETS["resnet50"])
    torch.save(state, tmp_path / "resnet50.pth")
    model = create_model("plain_i3d50", 3, modality="flow")
    report = load_weights(model, tmp_path / "resnet50.pth")
    kernel = model.backbone.conv1.weight
    assert report.adapted["backbone.conv1.weight"] == "mean of 3 input channels for each of 2, inflated over 5 frames"
    assert torch.allclose(kernel.sum(dim=2)[:, 0], state["conv1.weight"].mean(dim=1), atol=1e-6)
    assert isinstance(model.backbone, I3D50)


def test_which_public_weights_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    def fetch(public: sources.PublicFile) -> Path:
        fetched.append(public.name)
        return tmp_path / public.name

    monkeypatch.setattr(sources, "fetch", fetch)
    sources.find_weights("kinetics", "plain_r2plus1d18")
    sources.find_weights("imagenet", "plain_i3d50")
    sources.find_weights("imagenet", "tsm_resnet50")
    sources.find_weights("kinetics", "tsm_resnet50")
    sources.find_weights("kinetics", "mlfe_resnet50")
    tsm = "tsm_r50_256p_1x1x8_50e_kinetics400_rgb_20200726-020785e2.pth"
    assert fetched == ["r2plus1d_18-91a641e6.pth", "resnet50-0676ba61.pth", "resnet50-0676ba61.pth", tsm, tsm]
    for source, model, message in (
        ("imagenet", "plain_r2plus1d18", "no imagenet weights are known for plain_r2plus1d18.*; kinetics weights are"),
        ("kinetics", "tsn_resnet50", "no kinetics weights are known for tsn_resnet50.*; imagenet weights are"),
        ("kinetics", "plain_r2plus1d34", "ig65m"),
        ("kinetics", "kpsem_mfnet", r"MFNet3D_Kinetics-400_72\.8\.pth, at https://"),
        ("imagenet", "plain_c3d", "c3d.pickle"),
    ):
        with pytest.raises(UserError, match=message):
            sources.find_weights(source, model)


def test_key_points_want_stages_of_the_same_time_steps() -> None:
    backbones = {name.partition("_")[2] for name in list_models("kpsem_*")}
    assert {"mfnet", "r3d50"} <= backbones
    assert not backbones & {"c3d", "r2plus1d18", "r2plus1d34", "i3d50"}
