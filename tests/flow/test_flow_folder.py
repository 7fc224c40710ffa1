"""Flow instead of frames: located, checked, mirrored and trained on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from kinesics.analysis.cross_validate import cross_validate
from kinesics.analysis.evaluate import test as evaluate
from kinesics.data.dataset import read_clip
from kinesics.data.extract_flow import extract_flow
from kinesics.data.manifest import read_manifest
from kinesics.data.transforms import mirrored, random_flip, test_crops, train_transform
from kinesics.errors import UserError
from kinesics.flow.flow_folder import FlowFolder, FlowSettings
from kinesics.recipes import recipe
from kinesics.settings import InputConfig, ModelConfig, OptimConfig, Recipe
from kinesics.training.train import train
from kinesics.video.flow_file import FlowInfo, FlowReader, write_flow
from kinesics.video.sampling import segment_indices
from tests.tiny import random_weights

test_crops.__test__ = False  # type: ignore[attr-defined]
SETTINGS = FlowSettings(method="farneback", bound=5.0, short_side=32)


@pytest.fixture(scope="module")
def flow(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flow")
    extract_flow(tiny_set, folder, **dataclasses.asdict(SETTINGS), num_workers=2)
    return folder


def small(frames: int = 5, system: str = "tsn") -> Recipe:
    return Recipe(
        model=ModelConfig(system, "resnet18", weights=None),
        input=InputConfig(modality="flow", num_segments=3, frames_per_segment=frames, resize=32, size=32),
        optim=OptimConfig(epochs=3, batch_size=4, learning_rate=0.01, batch_norm="train"),
    )


def test_a_clip_of_flow_has_two_channels_a_frame(tiny_set: Path, flow: Path) -> None:
    item = read_manifest(tiny_set, flow).items("train")[0]
    clip, indices, seconds = read_clip(item, 48, lambda n: segment_indices(n, 3, frames_per_segment=5))
    assert clip.shape == (3, 10, 48, 48)
    assert indices.shape == seconds.shape == (3, 5)
    reader = FlowReader(item.path)
    assert (reader.num_frames, reader.height, reader.width) == (12, 32, 32)
    assert reader.fps == pytest.approx(12)
    assert torch.equal(reader.frames_at(torch.tensor([7, 2, 7]))[0], reader.frames_at(torch.tensor([7]))[0])


def test_in_a_mirror_what_moves_right_moves_left() -> None:
    flow = torch.tensor([[[[100, 128, 255]], [[100, 128, 255]]]], dtype=torch.uint8)  # (1, 2, 1, 3)
    assert mirrored(flow, "flow").tolist() == [[[[1, 128, 156]], [[255, 128, 100]]]]
    assert torch.equal(mirrored(mirrored(flow, "flow"), "flow"), flow)
    assert mirrored(flow, "rgb").tolist() == [[[[255, 128, 100]], [[255, 128, 100]]]]
    stacked = torch.randint(1, 256, (4, 10, 8, 8), dtype=torch.uint8)
    crops = test_crops(stacked, resize=8, size=4, crops=10, modality="flow")
    assert torch.equal(crops[5:], mirrored(crops[:5], "flow"))
    generator = torch.Generator().manual_seed(0)
    seen = {
        torch.equal(random_flip(stacked, torch.eye(2)[0], (1, 0), generator, "flow")[0], mirrored(stacked, "flow"))
        for _ in range(20)
    }
    assert seen == {True, False}


def test_flow_alone_tells_left_from_right(tiny_set: Path, flow: Path, tmp_path: Path) -> None:
    settings = small(1)
    settings = dataclasses.replace(
        settings,
        model=dataclasses.replace(
            settings.model, dropout=0.0, weights=random_weights(tmp_path, "tsn_resnet18", modality="flow")
        ),
        optim=dataclasses.replace(
            settings.optim, epochs=2, learning_rate=1e-4, optimizer="adamw", head_start="probe", batch_norm="frozen"
        ),
    )
    run = train(settings, tiny_set, tmp_path / "run", flow=flow, num_workers=0, device="cpu")
    metrics = evaluate(run, num_workers=0, device="cpu").metrics  # of the training's folder, as its record says
    assert metrics.value("top1") == 1.0


def test_folds_of_flow_at_two_levels(tiny_set: Path, flow: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(small(), optim=dataclasses.replace(small().optim, epochs=1))
    out, parents = tmp_path / "folds", tmp_path / "parents.csv"
    with pytest.raises(UserError, match="ma52: has no parent for the class 'left'"):
        cross_validate(settings, tiny_set, out, flow=flow, hierarchy="ma52", num_workers=0, device="cpu")
    assert not out.exists(), "the error comes before anything is trained"
    parents.write_text("class,parent\nnicken – ja,head\nleft,sideways\nright,sideways\n", encoding="utf-8")
    result = cross_validate(settings, tiny_set, out, flow=flow, hierarchy=parents, num_workers=0, device="cpu")
    assert len(result.folds) == 2
    assert result.pooled.value("coarse_top1") >= result.pooled.value("top1")
    assert (out / "prediction.csv").is_file()


def test_flow_that_does_not_fit_is_refused(tiny_set: Path, flow: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="takes optical flow; expected the folder of its flow"):
        train(small(), tiny_set, tmp_path / "a", num_workers=0, device="cpu")
    rgb = dataclasses.replace(small(), input=dataclasses.replace(small().input, modality="rgb"))
    with pytest.raises(UserError, match="flow is given, and this takes frames"):
        train(rgb, tiny_set, tmp_path / "b", flow=flow, num_workers=0, device="cpu")
    with pytest.raises(UserError, match=r"flow.json: no such file; expected a folder of flow"):
        read_manifest(tiny_set, tmp_path)
    once = dataclasses.replace(small(), optim=dataclasses.replace(small().optim, epochs=1))
    run = train(once, tiny_set, tmp_path / "run", flow=flow, num_workers=0, device="cpu")
    extract_flow(tiny_set, tmp_path / "other", method="farneback", bound=10.0, short_side=32, num_workers=2)
    with pytest.raises(UserError, match=r"holds flow of bound 10\.0; the model learned from .*bound=5\.0"):
        evaluate(run, flow=tmp_path / "other", num_workers=0, device="cpu")
    with pytest.raises(UserError, match="takes optical flow; expected the folder"):
        evaluate(run, tiny_set, num_workers=0, device="cpu")
    record = run / "run.json"
    values = json.loads(record.read_text())
    record.write_text(json.dumps({**values, "flow_folder": "../gone", "flow_folder_absolute": str(tmp_path / "gone")}))
    with pytest.raises(UserError, match="takes optical flow; expected the folder"):
        evaluate(run, num_workers=0, device="cpu")


@pytest.mark.parametrize(("warped", "expected"), [(True, "expected warped flow"), (False, None), (None, None)])
def test_a_recipe_says_which_kind_of_flow_it_takes(
    warped: bool | None, expected: str | None, tiny_set: Path, flow: Path, tmp_path: Path
) -> None:
    once = small().with_changes({"optim.epochs": 1, "input.warped": warped})
    if expected is None:
        train(once, tiny_set, tmp_path / "run", flow=flow, num_workers=0, device="cpu")
        return
    with pytest.raises(UserError, match=f"holds plain flow; input.warped is True: {expected}"):
        train(once, tiny_set, tmp_path / "run", flow=flow, num_workers=0, device="cpu")
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_missing_and_foreign_files_are_named(tiny_set: Path, tmp_path: Path) -> None:
    ids = [item.id for item in read_manifest(tiny_set).items()]
    folder = FlowFolder.make(tmp_path, SETTINGS)
    with pytest.raises(UserError, match=rf"no flow of 16 of 16 videos: {ids[0]}: missing; .* and 11 more"):
        read_manifest(tiny_set, tmp_path).items()
    still = [np.full((32, 32, 2), 128, np.uint8)]
    info = FlowInfo(ids[0], "farneback", 5.0, 32, 32, 1)
    for change, message in (
        ({}, ""),
        ({"method": "dis"}, "holds method dis"),
        ({"bound": 6.0}, "holds bound 6.0"),
        ({"warped": True}, "holds warp True"),
        ({"id": "x.mp4"}, "is of x.mp4"),
    ):
        write_flow(folder.file(ids[0]), still, dataclasses.replace(info, **change))
        assert message in folder.problem(ids[0])
        assert bool(message) == bool(folder.problem(ids[0]))
    other = dataclasses.replace(info, height=16, width=16)
    write_flow(folder.file(ids[0]), [np.full((16, 16, 2), 128, np.uint8)], other)
    assert "holds short_side 16" in folder.problem(ids[0])


def test_flow_has_no_colours() -> None:
    with pytest.raises(UserError, match="no colours"):
        train_transform(InputConfig(modality="flow", color_jitter=0.2), (0, 1))
    assert recipe("stp_flow", preset="few").input.color_jitter == 0.0


def test_recipes_of_flow_have_ten_channels() -> None:
    for name in ("stp_flow", "stp_warped", "mlfe_flow"):
        settings = recipe(name)
        assert (settings.input.modality, settings.input.frames_per_segment) == ("flow", 5)
        assert settings.input.warped is (name == "stp_warped")
