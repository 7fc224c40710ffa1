"""A model file is read as data from a stranger: every field checked, nothing else opened, no memory before that."""

from __future__ import annotations

import builtins
import json
import os
import resource
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from kinesics.errors import UserError
from kinesics.models.build import create_model
from kinesics.runs.model_file import CONTRACT_NAME, WEIGHTS_NAME, Contract, load_model, save_model
from kinesics.video.view_plan import ViewPlan

REMOVED = object()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    model = create_model("tsm_resnet18", 2, head="ordered", moments=2)
    contract = Contract(
        model="tsm_resnet18",
        arguments=model.arguments,
        classes=("left", "right"),
        multi_label=False,
        modality="rgb",
        mean=model.mean,
        std=model.std,
        plan=ViewPlan(num_segments=3, resize=32, size=32).to_dict(),
        record={"recipe": "tsm"},
    )
    save_model(folder, model.state_dict(), contract)
    return folder


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder with the good model's weights; the contract is for the test to write."""
    os.link(good / WEIGHTS_NAME, tmp_path / WEIGHTS_NAME)
    yield tmp_path


def changed(good: Path, **changes: Any) -> str:
    values = json.loads((good / CONTRACT_NAME).read_text())
    for name, value in changes.items():
        first, _, last = name.partition("__")
        place = values[first] if last else values
        if value is REMOVED:
            del place[last or first]
        else:
            place[last or first] = value
    return json.dumps(values)


def test_a_good_file_loads_and_leaves_the_random_state(good: Path) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    model, contract = load_model(good)
    assert torch.equal(torch.get_rng_state(), before)
    assert contract.classes == ("left", "right")
    assert not model.training
    weights = load_file(good / WEIGHTS_NAME)
    assert model.state_dict().keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


def test_sizes_are_whole_numbers_or_rectangles(good: Path, copy: Path) -> None:
    old = json.loads((good / CONTRACT_NAME).read_text())["plan"]
    assert (old["resize"], old["size"]) == (32, 32), "as before there were rectangles"
    (copy / CONTRACT_NAME).write_text(changed(good, plan__resize="64x48", plan__size="64x40"))
    _, contract = load_model(copy)
    assert (contract.view_plan.resize, contract.view_plan.size) == ("64x48", "64x40")
    assert contract.plan == contract.view_plan.to_dict()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": "ab"}, "classes is 'ab'; expected a list, each of it a text"),
        ({"classes": []}, "classes are 0; expected 1 to"),
        ({"classes": ["a", "a"]}, "classes are not all different"),
        ({"classes": ["a", ""]}, "or one has no name"),
        ({"classes": ["a", 2]}, "expected a list, each of it a text"),
        ({"classes": ["a", "b\0"]}, "expected a list, each of it a text"),
        ({"classes": ["a", "b", "c"]}, r"expected \[3, 1024\], found \[2, 1024\]"),
        ({"classes": [str(k) for k in range(99_999)]}, "does not hold the weights"),
        ({"classes": [str(k) for k in range(100_001)]}, "classes are 100001; expected 1 to 100000 names"),
        ({"classes": REMOVED}, "classes is missing"),
        ({"model": "tsm_resnet19"}, "unknown model 'tsm_resnet19'; did you mean"),
        ({"model": ["tsm_resnet18"]}, "model is .*; expected a text"),
        ({"model": "tsn_resnet50"}, "does not hold the weights of tsn_resnet50"),
        ({"arguments__weights": "/etc/passwd"}, "arguments.weights is none of the model's own"),
        ({"arguments__num_classes": 3}, "arguments.num_classes is none of the model's own"),
        ({"arguments__name": "x"}, "arguments.name is none of the model's own"),
        ({"arguments__modality": "flow"}, "arguments.modality is none of the model's own"),
        ({"arguments__secret": 1}, "unknown argument .* 'secret'"),
        ({"arguments__fold_div": "8"}, "argument fold_div is '8'; expected a whole number"),
        ({"arguments__fold_div": True}, "argument fold_div is True; expected a whole number"),
        ({"arguments__fold_div": 0}, "fold_div"),
        ({"arguments__direction": "future"}, "argument direction is 'future'; expected both or past"),
        ({"arguments__moments": 10**9}, "arguments.moments is 1000000000; expected numbers and lengths up to 65,536"),
        ({"arguments__moments": 60_000}, "does not hold the weights"),
        ({"arguments__moments": {"a": 1}}, "arguments.moments is .*; expected numbers"),
        ({"arguments__dropout": 1.0}, "dropout is 1.0; expected a number from 0 to below 1"),
        ({"arguments__dropout": "0"}, "dropout is '0'; expected a number"),
        ({"arguments__head": "average"}, "unknown argument of tsm_resnet18 with head average 'moments'"),
        ({"arguments__head": 3}, "head is 3; expected a text or none"),
        ({"arguments__frames_per_segment": 1.5}, "frames_per_segment is 1.5; expected a whole number"),
        ({"arguments__frames_per_segment": 5}, r"expected \[64, 15, 7, 7\], found \[64, 3, 7, 7\]"),
        ({"arguments": []}, "arguments is .*; expected an object"),
        ({"multi_label": "no"}, "multi_label is 'no'; expected true or false"),
        ({"multi_label": 0}, "multi_label is 0; expected true or false"),
        ({"modality": "sound"}, "modality is 'sound'; expected rgb or flow"),
        ({"modality": "flow"}, "plan.modality is rgb; expected the model's, flow"),
        ({"mean": [0.5, 0.5]}, "mean has 2 channels and std 3"),
        ({"mean": [0.5, 0.5, 0.5]}, "mean is .*; expected tsm_resnet18's"),
        ({"std": [0.2, 0.2, 0.0]}, "std is .*; expected a list, each of it a number above 0"),
        ({"mean": [0.5, 0.5, float("nan")]}, "mean is .*; expected a list"),
        ({"plan": []}, "plan is .*; expected an object"),
        ({"plan__size": "0x32"}, "view plan: size is '0x32'; expected a whole number from 1 to 8192, or WIDTHxHEIGHT"),
        ({"plan__resize": "32-40"}, "view plan: resize is '32-40'; expected"),
        ({"plan__size": "8192x8192", "plan__resize": "8192x8192", "plan__num_segments": 4096}, "numbers per video"),
        ({"plan__size": 64}, "view plan"),
        ({"plan__size": "32"}, "view plan: size is '32'; expected a whole number"),
        ({"plan__num_segments": 10**9}, "num_segments is 1000000000; expected a whole number from 1 to 4096"),
        ({"plan__num_segments": 4096, "plan__num_clips": 4096}, "plan needs .* numbers per video"),
        ({"plan__seize": 3}, "unknown setting of a view plan 'seize'; did you mean 'size'"),
        ({"temperature": 0}, "temperature is 0; expected a number above 0"),
        ({"threshold": float("inf")}, "threshold is inf; expected a number from 0 up"),
        ({"calibration": 3}, "calibration is 3; expected an object"),
        ({"record": "x"}, "record is 'x'; expected an object"),
        ({"version": 1}, "version is 1; expected a text"),
        ({"format": 2}, "format 2, written by .*; kinesics .* reads formats up to 1"),
        ({"format": 0}, "format 0, written by"),
        ({"format": True}, "format True, written by"),
        ({"format": "1"}, "format '1', written by"),
        ({"format": REMOVED}, "format None, written by"),
        ({"code": "import os"}, "unknown setting 'code'"),
    ],
)
def test_a_wrong_field_is_named(good: Path, copy: Path, changes: dict[str, Any], message: str) -> None:
    (copy / CONTRACT_NAME).write_text(changed(good, **changes))
    with pytest.raises(UserError, match=message) as error:
        load_model(copy)
    assert str(error.value).startswith(str(copy))
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "not JSON"), ("[]", "not a JSON object"), ("[" * 99_999, "not JSON"), ('{"format": 1}', "model is missing")],
)
def test_a_file_of_another_kind_is_named(copy: Path, text: str, message: str) -> None:
    (copy / CONTRACT_NAME).write_text(text)
    with pytest.raises(UserError, match=rf"model\.json: {message}"):
        load_model(copy)


def test_a_contract_without_end_is_not_read(copy: Path) -> None:
    with (copy / CONTRACT_NAME).open("wb") as file:
        file.truncate(2**40)  # sparse
    with pytest.raises(UserError, match=r"model\.json: has 1,099,511,627,776 bytes; expected at most"):
        load_model(copy)


def header_of(length: int, text: bytes) -> bytes:
    return struct.pack("<Q", length) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        header_of(2**63, b"{}"),
        header_of(2, b"{}"),
        header_of(60, b'{"a":{"dtype":"F32","shape":[1000000000],"data_offsets":[0,4]}}'[:60]),
    ],
)
def test_damaged_weights_are_named(good: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / CONTRACT_NAME).write_text((good / CONTRACT_NAME).read_text())
    (tmp_path / WEIGHTS_NAME).write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors: does not hold the weights of tsm_resnet18"):
        load_model(tmp_path)


def test_weights_with_a_tensor_more_or_less_are_named(good: Path, tmp_path: Path) -> None:
    (tmp_path / CONTRACT_NAME).write_text((good / CONTRACT_NAME).read_text())
    state = load_file(good / WEIGHTS_NAME)
    save_file({**state, "extra": torch.zeros(1)}, tmp_path / WEIGHTS_NAME)
    with pytest.raises(UserError, match=r"'extra': expected None, found \[1\]"):
        load_model(tmp_path)
    first = next(iter(state))
    save_file({name: state[name] for name in state if name != first}, tmp_path / WEIGHTS_NAME)
    with pytest.raises(UserError, match=rf"'{first}': expected \[.*\], found None"):
        load_model(tmp_path)


def test_a_huge_model_is_refused_before_it_takes_memory(good: Path, copy: Path) -> None:
    (copy / CONTRACT_NAME).write_text(
        changed(good, classes=[str(k) for k in range(99_999)], arguments__moments=60_000)  # 12 PB of weights
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="does not hold the weights"):
        load_model(copy)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_loading_opens_no_file_but_the_models(good: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / CONTRACT_NAME).write_text(changed(good, arguments__weights=str(copy / "other.pt")))
    (copy / "other.pt").write_bytes(b"secret")
    opened: list[str] = []
    true_open = builtins.open

    def watched(path: Any, *args: Any, **kwargs: Any) -> Any:
        opened.append(str(path))
        return true_open(path, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", watched)
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("torch.load was called"))
    with pytest.raises(UserError, match=r"arguments.weights is none of the model's own"):
        load_model(copy)
    assert not any("other.pt" in path for path in opened)
