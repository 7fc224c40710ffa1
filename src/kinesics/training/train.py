"""A training run from its manifest: find the videos, build the model, train, and say what was done."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from kinesics.allocator import keep_freed_memory
from kinesics.data.manifest import Manifest, read_manifest
from kinesics.data.mirror import unpaired
from kinesics.devices import make_fabric
from kinesics.errors import UserError
from kinesics.files import PathLike, write_json
from kinesics.models.build import create_model, fixes_steps
from kinesics.models.recognizer import Recognizer
from kinesics.models.weights.load import load_weights
from kinesics.progress import Watch
from kinesics.runs.checkpoint import CHECKPOINT
from kinesics.runs.lock import locked
from kinesics.runs.log import RunLog, machine, versions, write_record
from kinesics.runs.model_file import WEIGHTS_NAME, Contract
from kinesics.runs.run import RECIPE_NAME, Run, path_record
from kinesics.settings import Recipe
from kinesics.training.head_fit import start_head
from kinesics.training.loop import Task, train_model
from kinesics.values import VideoItem
from kinesics.video.view_plan import view_plan


def train(
    recipe: Recipe | None,
    data: PathLike | None,
    out: PathLike,
    *,
    flow: PathLike | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    device: str = "auto",
    num_workers: int | None = None,
    checkpoint_batches: int = 0,
) -> Run:
    """Train on split `train` of the manifest `data`, choose the best epoch by `val`; gives the run in the folder `out`.

    flow: the folder of `kinesics flow`, for a recipe that takes flow.
    resume: go on with the run in `out`; recipe, data and flow are those of its record where they are None. Its number
    of epochs may be larger than before, which the record says.
    Under `torchrun` all of its processes train together. A run that ended before its first checkpoint starts again.

    Raises:
        UserError: the manifest, the recipe or the run folder do not fit; the message says why.
        VideoError, KinesicsError: a video or the loss failed on the way; the last checkpoint is kept.
    """
    if resume:
        before = Run(Path(out))
        recipe = before.recipe if recipe is None else recipe
        flow = before.flow if flow is None and data is None else flow
        data = before.manifest if data is None else data
    if recipe is None or data is None:
        raise UserError("a new training needs a recipe and a manifest; only a resumed one knows them from its record")
    manifest = read_manifest(Path(data), None if flow is None else Path(flow))
    task = Task(
        manifest.classes,
        labelled(manifest.items("train"), manifest, "train"),
        manifest.items("val"),
        manifest.multi_label,
    )
    return train_task(
        recipe,
        task,
        manifest,
        Path(out),
        resume=resume,
        watch=watch,
        device=device,
        num_workers=num_workers,
        checkpoint_batches=checkpoint_batches,
    )


def train_task(
    recipe: Recipe,
    task: Task,
    manifest: Manifest,
    out: Path,
    *,
    resume: bool = False,
    watch: Watch | None = None,
    device: str = "auto",
    num_workers: int | None = None,
    checkpoint_batches: int = 0,
) -> Run:
    """`train` on videos that are already chosen, such as all folds but one."""
    watch = watch or Watch()
    check_modality(recipe.input.modality, manifest)
    if out.is_file():
        raise UserError(f"{out}: is a file; expected a folder for the run")
    fabric = make_fabric(recipe.optim.precision, device)
    watch = watch if fabric.is_global_zero else Watch()  # one process speaks for all
    if fabric.device.type == "cpu":
        keep_freed_memory()
    with locked(out) if fabric.is_global_zero else nullcontext():
        has_state = check_run_folder(out, recipe, manifest, resume=resume)
        with fabric.rank_zero_first():
            model = build(recipe, task, watch)
        announce(recipe, task, fabric, watch)
        if recipe.optim.head_start == "probe" and not has_state:
            start_head(model, task, recipe, fabric=fabric, watch=watch, num_workers=num_workers)
        if fabric.is_global_zero:
            write_records(out, recipe, task, manifest, fabric, has_state=has_state)
        train_model(
            recipe,
            task,
            model,
            out,
            fabric=fabric,
            contract=contract_of(recipe, task, manifest, model),
            watch=watch,
            log=RunLog(out, enabled=fabric.is_global_zero),
            resume=has_state,
            num_workers=num_workers,
            checkpoint_batches=checkpoint_batches,
        )
    return Run(out)


def contract_of(recipe: Recipe, task: Task, manifest: Manifest, model: Recognizer) -> Contract:
    """What the trained model's file says about itself."""
    return Contract(
        model=recipe.model.name,
        arguments=model.arguments,
        classes=task.classes,
        multi_label=task.multi_label,
        modality=recipe.input.modality,
        mean=tuple(model.mean),
        std=tuple(model.std),
        plan=view_plan("one", recipe.input).to_dict(),
        record={"recipe": recipe.name, "seed": recipe.seed, "manifest_sha256": manifest.sha256} | flow_record(manifest),
    )


def announce(recipe: Recipe, task: Task, fabric: Fabric, watch: Watch) -> None:
    """Say what is not in the recipe: the scaled learning rate, and classes that flipping does not swap."""
    scale = fabric.world_size * recipe.optim.accumulate
    if scale > 1:
        watch.say(
            f"learning rate {recipe.optim.learning_rate:g} × {scale} = {recipe.optim.learning_rate * scale:g}, for "
            f"{fabric.world_size} devices × {recipe.optim.accumulate} accumulated batches of {recipe.optim.batch_size}"
        )
    for name in unpaired(task.classes) if recipe.input.flip else ():
        watch.say(f"flip: class '{name}' names a side, and no class is its mirror image; it keeps its label")


def build(recipe: Recipe, task: Task, watch: Watch) -> Recognizer:
    """The recipe's network with its weights loaded, and `watch` hears what was loaded."""
    torch.manual_seed(recipe.seed)
    settings = recipe.model
    arguments = {"frames_per_segment": recipe.input.frames_per_segment, **settings.arguments}
    if fixes_steps(settings.name, settings.arguments.get("head")):
        arguments.setdefault("num_steps", recipe.input.num_segments * recipe.input.steps_per_segment)
    model = create_model(
        settings.name,
        len(task.classes),
        modality=recipe.input.modality,
        dropout=settings.dropout,
        **arguments,
    )
    if settings.weights:
        for line in load_weights(model, settings.weights).lines():
            watch.say(line)
    return model


def check_modality(modality: str, manifest: Manifest) -> None:
    """Raise UserError where flow is needed and not given, or given and not used."""
    if modality == "flow" and manifest.flow is None:
        raise UserError("this takes optical flow; expected the folder of its flow, which `kinesics flow` makes")
    if modality != "flow" and manifest.flow is not None:
        raise UserError(
            f"{manifest.flow.path}: flow is given, and this takes frames; leave it out, or take a recipe for flow"
        )


def flow_record(manifest: Manifest) -> dict[str, Any]:
    """How the flow was made, for the record of who learned from it; nothing without flow."""
    return {"flow": dataclasses.asdict(manifest.flow.settings)} if manifest.flow else {}


def labelled(items: Sequence[VideoItem], manifest: Manifest, split: str) -> Sequence[VideoItem]:
    """`items`, if there are any and at least two classes among them. Raises UserError otherwise."""
    if not items:
        found = Counter(row.split or "(empty)" for row in manifest.rows)
        counts = ", ".join(f"{name}: {count}" for name, count in found.items())
        raise UserError(
            f"{manifest.path}: no usable rows with split '{split}' (found {counts}); `kinesics prepare` assigns splits"
        )
    if len({label for item in items for label in item.labels}) < 2:
        raise UserError(f"{manifest.path}: split '{split}' has one class; expected two or more")
    return items


def check_run_folder(out: Path, recipe: Recipe, manifest: Manifest, *, resume: bool) -> bool:
    """Whether the run in `out` goes on from a checkpoint; it starts from the beginning otherwise.

    Raises:
        RunExistsError: `out` holds a run and it is not to be resumed.
        UserError: there is no run to resume, or one with other settings or of another manifest.
    """
    if not (out / RECIPE_NAME).is_file():
        if resume:
            raise UserError(f"{out / RECIPE_NAME}: no such file; expected the recipe of a run to resume")
        return False
    before = Run(out)
    num_epochs = len(before.log)
    if not (out / CHECKPOINT).is_file():
        has_model = (out / "best" / WEIGHTS_NAME).is_file()
        if has_model and (num_epochs != 1 or before.recipe.optim.epochs == 1):
            raise UserError(f"{out}: holds a trained model and no checkpoint to go on from; name another folder")
        return False  # it ended before its first checkpoint
    if not resume:
        raise RunExistsError(f"{out}: already holds a run; resume it, or name another folder")
    settings = before.recipe
    changed = differing(
        dataclasses.asdict(settings.with_changes({"optim.epochs": recipe.optim.epochs})), dataclasses.asdict(recipe)
    )
    if changed:
        raise UserError(f"{out}: was trained with other settings ({'; '.join(changed)}); resume with the same")
    if recipe.optim.epochs < min(num_epochs, settings.optim.epochs):
        raise UserError(f"{out}: optim.epochs is {recipe.optim.epochs}; expected {num_epochs}, which are done, or more")
    if before.record.get("manifest_sha256") != manifest.sha256:
        raise UserError(f"{out}: was trained on another manifest than {manifest.path} is now; start a new run")
    return True


class RunExistsError(UserError):
    """A new training was asked for in the folder of a run."""


def differing(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    """Where two settings differ.

    >>> differing({"optim": {"epochs": 50, "lr": 0.1}}, {"optim": {"epochs": 60, "lr": 0.1}})
    ['optim.epochs: 50 then, 60 now']
    """
    lines = []
    for name, value in before.items():
        if isinstance(value, dict) and isinstance(now[name], dict) and set(value) == set(now[name]):
            lines += differing(value, now[name], f"{prefix}{name}.")
        elif value != now[name]:
            lines.append(f"{prefix}{name}: {value} then, {now[name]} now")
    return lines


def write_records(
    out: Path, recipe: Recipe, task: Task, manifest: Manifest, fabric: Fabric, *, has_state: bool
) -> None:
    """Write recipe.json and run.json of a new run; of a resumed one, what has changed since."""
    if not has_state:
        write_json(out / RECIPE_NAME, recipe)
        write_record(out, run_record(recipe, task, manifest, fabric, out))
        return
    before = Run(out)
    epochs = before.recipe.optim.epochs
    if epochs == recipe.optim.epochs:
        return
    change = {"setting": "optim.epochs", "before": epochs, "now": recipe.optim.epochs, "after_epoch": len(before.log)}
    record = before.record
    write_record(out, {**record, "changes": [*record.get("changes", []), change]})
    write_json(out / RECIPE_NAME, recipe)


def run_record(recipe: Recipe, task: Task, manifest: Manifest, fabric: Fabric, out: Path) -> dict[str, Any]:
    """run.json: all that is needed to say what this run is."""
    return {
        "recipe": recipe.name,
        "model": recipe.model.name,
        "seed": recipe.seed,
        **path_record("manifest", manifest.path, out),
        "manifest_sha256": manifest.sha256,
        **path_record("flow_folder", manifest.flow.path if manifest.flow else None, out),
        "classes": len(task.classes),
        "videos": {"train": len(task.train), "val": len(task.val)},
        "status": dict(Counter(row.status or "unchecked" for row in manifest.rows)),
        "devices": fabric.world_size,
        "learning_rate_scaled": recipe.optim.learning_rate * fabric.world_size * recipe.optim.accumulate,
        "versions": versions(),
        "machine": machine(),
    }
