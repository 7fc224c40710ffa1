"""Clips are the same where their content is, in whatever folder their manifest lies."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from kinesics.analysis.compare import compare
from kinesics.analysis.evaluate import test as test_run
from kinesics.analysis.fuse import fuse as fuse_runs
from kinesics.data.manifest import Manifest, read_manifest, write_manifest
from kinesics.data.prepare import prepare
from kinesics.errors import UserError
from kinesics.reporting.report_data import gather
from kinesics.values import Scores


@pytest.fixture(scope="module")
def two_places(
    tiny_set: Path, tiny_runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Path], list[Path]]:
    """Two runs, tested on the same clips by manifests in two folders: their score files, and the manifests."""
    folder = tmp_path_factory.mktemp("places")
    shutil.copytree(tiny_set.parent, folder / "a" / "copy")
    manifests = [folder / "a" / "set.csv", folder / "b" / "set.csv"]
    for source, out in zip((folder / "a/copy/set.csv", tiny_set), manifests, strict=True):
        out.parent.mkdir(exist_ok=True)
        prepare(source, out, format="csv")
    read = read_manifest(manifests[1])
    write_manifest(Manifest(read.path, read.rows[::-1]), read.path)  # other paths, and another order
    files = []
    for run, data in zip(tiny_runs, manifests, strict=True):
        test_run(run, data, out=data.parent / "scores", device="cpu", num_workers=0)
        files.append(data.parent / "scores" / "scores.npz")
    return files, manifests


def test_runs_of_two_manifests_are_compared_fused_and_reported(
    two_places: tuple[list[Path], list[Path]], tmp_path: Path
) -> None:
    files, manifests = two_places
    first, second = map(Scores.load, files)
    assert set(first.ids).isdisjoint(second.ids)
    assert first.digests == second.digests[::-1]
    found = compare(files, data=manifests[0])
    assert found.matches[0].pair.num_videos == 4
    assert found.unit == "2 groups of clips"
    assert {*found.matches[0].pair.only_first, *found.matches[0].pair.only_second} <= set(first.ids)
    assert compare(files, data=manifests[1]).unit == "2 groups of clips"  # it names the clips of the first by others
    assert compare(files, common=True).num_left_out == 0

    fuse_runs(files, tmp_path / "both", weights=(1, 1))
    fused = Scores.load(tmp_path / "both" / "scores.npz")
    assert fused.ids == first.ids
    assert fused.digests == first.digests
    assert np.allclose(fused.probs(), (first.probs() + second.probs()[::-1]) / 2, atol=1e-6)

    for data in manifests:
        clips = gather(files, data=data, device="cpu").clips
        assert {clip.id for clip in clips} == set(first.ids)
        assert all(clip.item is not None and clip.item.path.is_file() for clip in clips)


def test_a_part_of_a_video_is_not_the_whole(tmp_path: Path, tiny_set: Path) -> None:
    row = dataclasses.replace(read_manifest(tiny_set).rows[0], digest="d")
    part = dataclasses.replace(row, start_seconds=0.25, end_seconds=0.5)
    assert (row.content, part.content) == ("d", "d#0.25-0.5")
    assert dataclasses.replace(part, digest="").content == ""


def test_the_same_name_of_another_content_is_another_clip(two_places: tuple[list[Path], list[Path]]) -> None:
    files, _ = two_places
    first = Scores.load(files[0])
    other = dataclasses.replace(first, digests=("other", *first.digests[1:]))
    other.save(files[0].parent / "other" / "scores.npz")
    with pytest.raises(UserError, match=r"the content of .* is not the same in both"):
        compare([files[0], files[0].parent / "other" / "scores.npz"])
