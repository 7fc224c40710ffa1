"""A training run from its manifest: find the videos, build the model, train, and say what was done."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric

from kinesics.data.dataset import keyed_generator
from kinesics.data.manifest import Manifest, read_manifest
from kinesics.data.mirror import unpaired
from kinesics.data.problems import check_files_exist
from kinesics.devices import make_fabric
from kinesics.errors import UserError, unknown
from kinesics.files import PathLike, write_json
from kinesics.models.build import argument_names, create_model
from kinesics.models.recognizer import Recognizer
from kinesics.models.weights.load import load_weights
from kinesics.progress import Listener
from kinesics.runs.lock import locked
from kinesics.runs.log import RunLog, machine, versions, write_record
from kinesics.runs.model_file import WEIGHTS_NAME, Contract, find_model
from kinesics.runs.run import RECIPE_NAME, Run, path_record, write_train_clips
from kinesics.settings import Recipe
from kinesics.training.checks import check_flow, check_modality, check_run_folder, labelled
from kinesics.training.head_fit import start_head
from kinesics.training.loop import Execution, Task, Trainer, train_model
from kinesics.training.reproducible import deterministic_algorithms, own_random_state
from kinesics.video.view_plan import view_plan

NORMS_LEARN = "no weights are loaded, so all BatchNorms learn"
TrainSplit = Literal["train", "all"]


def train(
    recipe: Recipe | None,
    data: PathLike | None,
    out: PathLike,
    *,
    flow: PathLike | None = None,
    split: TrainSplit = "train",
    resume: bool = False,
    device: str = "auto",
    num_workers: int | None = None,
    checkpoint_batches: int = 0,
    listener: Listener | None = None,
) -> Run:
    """Train a recipe on a manifest; the best epoch is chosen by the split `val`.

    Under `torchrun` all of its processes train together. A run that ended before its first checkpoint starts again.

    Args:
        recipe: The settings; the run's own where it is resumed and this is None.
        data: The manifest that `kinesics prepare` wrote.
        out: Folder of the run.
        flow: Folder of `kinesics flow`, for recipes that take flow.
        split: What to learn from: the split train, or all clips for a final model, without validation.
        resume: Go on with the run in `out` where it stopped; nothing else is needed. There may be more epochs.
        device: Where to compute.
        num_workers: Decoding processes; as many as cores by default.
        checkpoint_batches: Save the state every so many batches too, not only after each epoch.
        listener: Hears what is said and how far the work is.

    Raises:
        UserError: the manifest, the recipe or the run folder do not fit; the message says why.
        VideoError, KinesicsError: a video or the loss failed on the way; the last checkpoint is kept.
    """
    if resume:
        before = Run(Path(out))
        recipe = before.recipe if recipe is None else recipe
        flow = before.flow if flow is None and data is None else flow
        data = before.manifest if data is None else data
        split = before.record.get("split", split)
    if recipe is None or data is None:
        raise UserError("a new training needs a recipe and a manifest; only a resumed one knows them from its record")
    manifest = read_manifest(Path(data), None if flow is None else Path(flow))
    recipe = recipe if split == "train" else without_patience(recipe)
    execution = Execution(device, num_workers, checkpoint_batches, listener or Listener())
    with prepared(recipe, task_of(manifest, split), manifest, Path(out), execution, resume=resume) as trainer:
        train_model(trainer)
    return Run(Path(out))


def task_of(manifest: Manifest, split: TrainSplit) -> Task:
    """What is to be learned of a manifest. Raises UserError where there are no clips, or of one class only."""
    if split not in ("train", "all"):
        raise unknown("split to train on", split, ("train", "all"))
    items = labelled(manifest.items(None if split == "all" else "train"), manifest, split)
    val = manifest.items("val") if split == "train" else ()
    return Task(manifest.classes, items, val, manifest.multi_label, split)


def without_patience(recipe: Recipe) -> Recipe:
    """The recipe for a training without validation, which lasts all epochs."""
    return recipe.with_changes({"optim.patience": 0})


@contextmanager
def prepared(
    recipe: Recipe, task: Task, manifest: Manifest, out: Path, execution: Execution, *, resume: bool = False
) -> Iterator[Trainer]:
    """A training that `train_model` can run; its folder is locked and its records are written.

    Raises:
        UserError: as `train` does.
    """
    recipe.check_kept()
    given, recipe = recipe, recipe.with_learning_norms()
    check_modality(recipe.input.modality, manifest)
    check_flow(recipe.input.warped, manifest)
    if out.is_file():
        raise UserError(f"{out}: is a file; expected a folder for the run")
    check_files_exist([*task.train, *task.val])
    fabric = make_fabric(recipe.optim.precision, execution.device)
    if not fabric.is_global_zero:  # one process speaks for all
        execution = dataclasses.replace(execution, listener=Listener())
    listener = execution.listener
    with ExitStack() as held:
        held.enter_context(own_random_state(fabric.device))
        held.enter_context(deterministic_algorithms(recipe.optim.deterministic))
        if fabric.is_global_zero:
            held.enter_context(locked(out))
        has_state = check_run_folder(out, recipe, manifest, resume=resume)
        with fabric.rank_zero_first():
            model = build(recipe, task, listener)
        if recipe != given:
            listener.say(NORMS_LEARN)
        announce(recipe, task, fabric, listener)
        if recipe.optim.head_start == "probe" and not has_state:
            start_head(model, task, recipe, fabric=fabric, listener=listener, num_workers=execution.num_workers)
        if fabric.is_global_zero:
            write_records(out, recipe, task, manifest, fabric, has_state=has_state)
        contract, log = contract_of(recipe, task, manifest, model), RunLog(out, enabled=fabric.is_global_zero)
        yield Trainer(recipe, task, model, out, fabric, contract, log, execution, resume=has_state)


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


def announce(recipe: Recipe, task: Task, fabric: Fabric, listener: Listener) -> None:
    """Say what is not in the recipe: the scaled learning rate, and classes that flipping does not swap."""
    scale = fabric.world_size * recipe.optim.accumulate
    if scale > 1:
        listener.say(
            f"learning rate {recipe.optim.learning_rate:g} × {scale} = {recipe.optim.learning_rate * scale:g}, for "
            f"{fabric.world_size} devices × {recipe.optim.accumulate} accumulated batches of {recipe.optim.batch_size}"
        )
    for name in unpaired(task.classes) if recipe.input.flip else ():
        listener.say(f"flip: class '{name}' names a side, and no class is its mirror image; it keeps its label")


def build(recipe: Recipe, task: Task, listener: Listener) -> Recognizer:
    """The recipe's network with its weights loaded, and `listener` hears what was loaded."""
    torch.manual_seed(keyed_generator("weights", recipe.seed).initial_seed())
    settings = recipe.model
    model = create_model(
        settings.name,
        len(task.classes),
        modality=recipe.input.modality,
        dropout=settings.dropout,
        **model_arguments(recipe, task, listener),
    )
    if settings.weights:
        folder = Path(settings.weights).expanduser()
        weights = find_model(folder) / WEIGHTS_NAME if folder.is_dir() else settings.weights
        for line in load_weights(model, weights).lines():
            listener.say(line)
    return model


def model_arguments(recipe: Recipe, task: Task, listener: Listener) -> dict[str, Any]:
    """The model's arguments in the recipe, and those that follow from its input and from the task.

    Raises:
        UserError: an argument contradicts the input.
    """
    given, taken = recipe.model.arguments, argument_names(recipe.model.name, recipe.model.arguments.get("head"))
    follow: dict[str, Any] = {"frames_per_segment": recipe.input.frames_per_segment}
    steps = recipe.input.steps_per_segment
    if "num_steps" in taken:
        follow["num_steps"] = recipe.input.num_segments * steps
    if "parts" in taken and steps > 1:
        follow["parts"] = steps
        if given.get("parts", steps) != steps:
            raise UserError(
                f"model.arguments.parts is {given['parts']} and input.steps_per_segment is {steps}; expected the same"
            )
    if "scores" in taken and task.multi_label and "scores" not in given:
        follow["scores"] = "logits"
        listener.say("clips have several labels: the local scores are logits, since a softmax allows one label only")
    return {**follow, **given}


def flow_record(manifest: Manifest) -> dict[str, Any]:
    """How the flow was made, for the record of who learned from it; nothing without flow."""
    return {"flow": dataclasses.asdict(manifest.flow.settings)} if manifest.flow else {}


def write_records(
    out: Path, recipe: Recipe, task: Task, manifest: Manifest, fabric: Fabric, *, has_state: bool
) -> None:
    """Write recipe.json and run.json of a new run; of a resumed one, what has changed since."""
    if not has_state:
        write_json(out / RECIPE_NAME, recipe)
        write_train_clips(out, task.train)
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
        "arguments": dict(recipe.model.arguments),
        "seed": recipe.seed,
        **path_record("manifest", manifest.path, out),
        "manifest_sha256": manifest.sha256,
        **path_record("flow_folder", manifest.flow.path if manifest.flow else None, out),
        "classes": len(task.classes),
        "split": task.split,
        "videos": {"train": len(task.train), "val": len(task.val)},
        "status": dict(Counter(row.status or "unchecked" for row in manifest.rows)),
        "devices": fabric.world_size,
        "learning_rate_scaled": recipe.optim.learning_rate * fabric.world_size * recipe.optim.accumulate,
        **({} if recipe.model.weights else {"batch_norm": NORMS_LEARN}),
        "versions": versions(),
        "machine": machine(),
    }
