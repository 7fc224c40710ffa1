"""Official splits: train and test on each manifest of a data set that has several splits, then take the mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinesics.analysis.evaluate import test, write_results
from kinesics.analysis.several_runs import check_taught, kept_scores, recipe_of_runs, spread, train_or_go_on
from kinesics.data.manifest import Manifest, read_manifest
from kinesics.data.problems import check_files_exist
from kinesics.errors import UserError
from kinesics.files import write_json
from kinesics.metrics.accuracy import Metrics
from kinesics.metrics.hierarchy import find_hierarchy
from kinesics.progress import Listener
from kinesics.runs.run import SCORES_NAME, path_record
from kinesics.settings import Recipe
from kinesics.training.checks import labelled
from kinesics.training.loop import Execution, Task
from kinesics.values import Scores

RESULT_NAME = "splits.json"


@dataclass(frozen=True)
class SplitResult:
    """What one official split came to. number: from 1, in the order of the manifests. folder: of its run."""

    number: int
    manifest: Path
    folder: Path
    scores: Scores
    metrics: Metrics


@dataclass(frozen=True)
class OfficialSplits:
    """The splits and the folder of their runs. Their clips are not pooled: a clip may be tested in several splits."""

    splits: tuple[SplitResult, ...]
    folder: Path

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the figures, such as top1 and macro_f1."""
        return self.splits[0].metrics.names

    def spread(self, metric: str) -> tuple[float, float]:
        """Mean and standard deviation (of the sample) of a metric over the splits."""
        return spread([split.metrics for split in self.splits], metric)


def official_splits(
    recipe: Recipe,
    data: Sequence[Path | str],
    out: Path | str,
    *,
    flow: Path | str | None = None,
    views: str = "one",
    hierarchy: Path | str | None = None,
    device: str = "auto",
    num_workers: int | None = None,
    listener: Listener | None = None,
) -> OfficialSplits:
    """Train and test a recipe on each official split of a data set, and take the mean.

    For sets such as UCF101 and HMDB51, whose three splits share clips, so that they cannot be folds of one manifest.
    Split k is the k-th manifest; its run goes to `out`/split-k, the test to test-VIEWS in that folder, and the figures
    of all splits with mean and standard deviation to `out`/splits.json. A split is trained for all epochs of the
    recipe: choosing an epoch by the clips that are tested would flatter it, and clips of the split `val` are not used.
    Called again after an interruption, it goes on where it stopped; finished splits are kept.

    Args:
        recipe: The settings.
        data: The manifests, one per official split, each with the splits train and test.
        out: Folder of the splits' runs and of their figures.
        flow: Folder of `kinesics flow` with the flow of all manifests, for recipes that take flow.
        views: View plan of the test: one, two-clip, ten-by-three, 25x10, 25x1 or whole-256x224, as in `test`.
        hierarchy: CSV or JSON file with the parent of each class, or ma52; names such as head/nod need none.
        device: Where to compute.
        num_workers: Decoding processes; as many as cores by default.
        listener: Hears what is said and how far the work is.

    Raises:
        UserError: fewer than two manifests, one of them twice, other classes than in the first, a manifest without
            clips of train or of test, or a run in `out` with other settings.
        VideoError: a clip is gone, or cannot be decoded.
    """
    out, listener = Path(out), listener or Listener()
    manifests = read_manifests([data] if isinstance(data, str) else data, flow)
    levels = find_hierarchy(hierarchy, manifests[0].classes)
    plain = recipe_of_runs(recipe, views, listener)
    execution = Execution(device, num_workers, listener=listener)
    folders = [out / f"split-{number}" for number in range(1, len(manifests) + 1)]
    tests = [folder / f"test-{views}" for folder in folders]
    kept = [
        kept_scores(tested / SCORES_NAME, folder, plain, manifest, views)
        for manifest, folder, tested in zip(manifests, folders, tests, strict=True)
    ]
    for manifest, scores in zip(manifests, kept, strict=True):
        if scores is None:  # all that is missing is found before the first training
            check_files_exist([*manifest.items("train"), *manifest.items("test")])
    results = []
    for number, (manifest, folder, tested, scores) in enumerate(zip(manifests, folders, tests, kept, strict=True), 1):
        if scores is None:
            train_or_go_on(plain, task_without_val(manifest, listener), manifest, folder, execution)
            found = test(
                folder,
                manifest.path,
                flow=manifest.flow.path if manifest.flow else None,
                views=views,
                hierarchy=hierarchy,
                out=tested,
                device=device,
                num_workers=num_workers,
                listener=listener,
            )
            scores, metrics = found.scores, found.metrics
        else:  # its other files may be missing
            metrics = write_results(scores, tested, levels, {row.id: row.group for row in manifest.rows})
        results.append(SplitResult(number, manifest.path, folder, scores, metrics))
        figure = metrics.names[0]
        listener.say(
            f"split {number} ({manifest.path.name}): {figure} {metrics.value(figure):.3f} over {len(scores.ids)} videos"
        )
    result = OfficialSplits(tuple(results), out)
    write_json(out / RESULT_NAME, summary_of(result))
    return result


def read_manifests(data: Sequence[Path | str], flow: Path | str | None = None) -> list[Manifest]:
    """The manifests of the splits, which fit each other.

    Raises:
        UserError: as `official_splits` does; the message names the file.
    """
    manifests = [read_manifest(Path(path), flow) for path in data]
    if len(manifests) < 2:
        found = f"{manifests[0].path}: is the only manifest" if manifests else "there is no manifest"
        raise UserError(
            f"{found}; expected one per official split, two or more (`kinesics cross-validate` takes one with folds)"
        )
    seen: dict[tuple[Path, str], Path] = {}
    for manifest in manifests:
        key = (manifest.path.resolve().parent, manifest.sha256)  # rows name their clips as seen from that folder
        if key in seen:
            raise UserError(
                f"{manifest.path}: has the same rows as {seen[key]}; expected another manifest for each official split"
            )
        seen[key] = manifest.path
    for manifest in manifests:
        check_same_classes(manifests[0], manifest)
        train, tested = (labelled(manifest.items(split), manifest, split) for split in ("train", "test"))
        check_taught(manifest, train, tested, "split 'test'", "clip of split 'train'")
    return manifests


def check_same_classes(first: Manifest, other: Manifest) -> None:
    """Raise UserError where the classes of two manifests differ, or where only one has clips with several labels."""
    if first.classes != other.classes:
        differences = [
            f"{', '.join(name for name in a.classes if name not in b.classes)} only in {a.path}"
            for a, b in ((first, other), (other, first))
            if set(a.classes) - set(b.classes)
        ]
        raise UserError(
            f"{other.path}: its {len(other.classes)} classes are not the {len(first.classes)} of {first.path} "
            f"({'; '.join(differences)}); expected the same in all manifests"
        )
    if first.multi_label != other.multi_label:
        single, several = (other, first) if first.multi_label else (first, other)
        raise UserError(
            f"{several.path}: has clips with several labels, {single.path} has none; expected the same kind of labels"
        )


def task_without_val(manifest: Manifest, listener: Listener) -> Task:
    """What is to be learned of the split train, for all epochs; says how many clips of `val` are not used."""
    if unused := sum(row.usable and row.split == "val" for row in manifest.rows):
        listener.say(f"{manifest.path}: {unused} clips of split 'val' are not used; the last epoch is tested")
    return Task(manifest.classes, manifest.items("train"), (), manifest.multi_label, "train")


def summary_of(result: OfficialSplits) -> dict[str, object]:
    """splits.json: what each split came to and how, and the mean and standard deviation of each figure."""
    splits = [
        {
            "split": split.number,
            **path_record("manifest", split.manifest, result.folder),
            "folder": split.folder.name,
            **split.metrics.to_dict(),
            "record": dict(split.scores.record),
        }
        for split in result.splits
    ]
    return {"splits": splits, "mean_and_std": {name: result.spread(name) for name in result.names}}
