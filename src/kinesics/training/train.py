"""A training run from its manifest: find the videos, build the model, train, and say what was done."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from kinesics.allocator import keep_freed_memory
from kinesics.data.manifest import Manifest, read_manifest
from kinesics.data.mirror import unpaired
from kinesics.devices import make_fabric
from kinesics.errors import UserError
from kinesics.files import read_text, write_json
from kinesics.models.build import create_model, fixes_steps
from kinesics.models.recognizer import Recognizer
from kinesics.models.weights.load import load_weights
from kinesics.progress import Watch
from kinesics.runs.log import RunLog, machine, versions, write_record
from kinesics.runs.model_file import Contract
from kinesics.settings import Recipe, from_json
from kinesics.training.head_fit import start_head
from kinesics.training.loop import Task, train_model
from kinesics.values import VideoItem
from kinesics.video.view_plan import view_plan


def train(
    recipe: Recipe,
    data: Path | str,
    out: Path | str,
    *,
    flow: Path | str | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    device: str = "auto",
    num_workers: int | None = None,
    checkpoint_batches: int = 0,
) -> Path:
    """Train on split `train` of the manifest `data`, choose the best epoch by `val`; gives the run folder, `out`.

    flow: the folder of `kinesics flow`, for a recipe that takes flow.
    Under `torchrun` all of its processes train together.

    Raises:
        UserError: the manifest, the recipe or the run folder do not serve; the line says why.
        VideoError, KinesicsError: a video or the loss failed on the way; the last checkpoint is kept.
    """
    manifest = read_manifest(Path(data), flow)
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
) -> Path:
    """`train` on videos that are already chosen, such as all folds but one."""
    watch = watch or Watch()
    check_modality(recipe.input.modality, manifest)
    check_run_folder(out, recipe, manifest, resume=resume)
    fabric = make_fabric(recipe.optim.precision, device)
    if fabric.device.type == "cpu":
        keep_freed_memory()
    with fabric.rank_zero_first():
        model = build(recipe, task, watch)
    contract = Contract(
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
    scale = fabric.world_size * recipe.optim.accumulate
    if scale > 1:
        watch.say(
            f"learning rate {recipe.optim.learning_rate:g} × {scale} = {recipe.optim.learning_rate * scale:g}, for "
            f"{fabric.world_size} devices × {recipe.optim.accumulate} accumulated batches of {recipe.optim.batch_size}"
        )
    for name in unpaired(task.classes) if recipe.input.flip else ():
        watch.say(
            f"flip: class '{name}' speaks of a side but has no mirror image among the classes; it keeps its label"
        )
    if recipe.optim.head_start == "probe" and not resume:
        start_head(model, task, recipe, fabric=fabric, watch=watch, num_workers=num_workers)
    if fabric.is_global_zero and not resume:
        write_json(out / "recipe.json", recipe)
        write_record(out, run_record(recipe, task, manifest, fabric, scale))
    return train_model(
        recipe,
        task,
        model,
        out,
        fabric=fabric,
        contract=contract,
        watch=watch if fabric.is_global_zero else Watch(),
        log=RunLog(out, enabled=fabric.is_global_zero),
        resume=resume,
        num_workers=num_workers,
        checkpoint_batches=checkpoint_batches,
    )


def build(recipe: Recipe, task: Task, watch: Watch) -> Recognizer:
    """The recipe's network with its weights loaded, and what was loaded told to `watch`."""
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
    """Raise UserError where flow is wanted and not given, or given and not wanted."""
    if modality == "flow" and manifest.flow is None:
        raise UserError(
            "this takes optical flow: name its folder with --flow; `kinesics flow set.csv --out …` makes one"
        )
    if modality != "flow" and manifest.flow is not None:
        raise UserError(
            f"{manifest.flow.path}: flow is given, and this takes frames; leave --flow out or take a flow recipe"
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
            f"{manifest.path}: no usable rows with split '{split}' (found {counts}); "
            f"`kinesics prepare {manifest.path.name} --format csv --split random --out …` assigns splits"
        )
    if len({label for item in items for label in item.labels}) < 2:
        raise UserError(f"{manifest.path}: split '{split}' has one class; wanted two or more to tell apart")
    return items


def check_run_folder(out: Path, recipe: Recipe, manifest: Manifest, *, resume: bool) -> None:
    """Raises UserError where `out` cannot take this run: it holds another, or nothing that could be resumed."""
    stored = out / "recipe.json"
    if not resume:
        if out.is_file():
            raise UserError(f"{out}: is a file; wanted a folder for the run")
        if stored.exists():
            raise UserError(f"{out}: already holds a run; add --resume to go on with it, or name another folder")
        return
    before = from_json(Recipe, read_text(stored, "the recipe of a run to resume"), str(stored))
    if before != recipe:
        changed = differing(dataclasses.asdict(before), dataclasses.asdict(recipe))
        raise UserError(f"{out}: was trained with other settings ({'; '.join(changed)}); resume with the same")
    from_run = read_text(out / "run.json", "the record of a run to resume")
    if manifest.sha256 not in from_run:
        raise UserError(f"{out}: was trained on another manifest than {manifest.path} is now; start a new run")


def differing(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    """Where two settings differ: ["optim.epochs: 50 then, 60 now"]."""
    lines = []
    for name, value in before.items():
        if isinstance(value, dict) and isinstance(now[name], dict) and set(value) == set(now[name]):
            lines += differing(value, now[name], f"{prefix}{name}.")
        elif value != now[name]:
            lines.append(f"{prefix}{name}: {value} then, {now[name]} now")
    return lines


def run_record(recipe: Recipe, task: Task, manifest: Manifest, fabric: Fabric, scale: int) -> dict[str, Any]:
    """run.json: all that is needed to say what this run is."""
    return {
        "recipe": recipe.name,
        "model": recipe.model.name,
        "seed": recipe.seed,
        "manifest": str(manifest.path.resolve()),
        "manifest_sha256": manifest.sha256,
        "flow_folder": str(manifest.flow.path.resolve()) if manifest.flow else None,
        "classes": len(task.classes),
        "videos": {"train": len(task.train), "val": len(task.val)},
        "status": dict(Counter(row.status or "unchecked" for row in manifest.rows)),
        "devices": fabric.world_size,
        "learning_rate_scaled": recipe.optim.learning_rate * scale,
        "versions": versions(),
        "machine": machine(),
    }
