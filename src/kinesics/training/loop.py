"""The training loop: from a recipe and labelled videos to a run folder that can be tested, resumed and trusted.

A run holds recipe.json, run.json (versions, seed, manifest, counts), log.csv, tensorboard/, last/ (to resume) and
best/ (to use: model.safetensors and model.json).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from kinesics.data.batches import EpochSampler, epoch_batches, epoch_order
from kinesics.data.dataset import TrainClips
from kinesics.data.loader import Batch, Batches, train_batches, worker_deaths_named
from kinesics.data.mirror import flip_map
from kinesics.data.transforms import train_transform
from kinesics.inference.scorer import batches_of, score
from kinesics.metrics.accuracy import macro_f1
from kinesics.models.recognizer import Recognizer
from kinesics.progress import Listener, Stop, StopAsked, graceful_stop
from kinesics.runs.checkpoint import Progress, save_checkpoint
from kinesics.runs.log import RunLog
from kinesics.runs.model_file import Contract, save_model
from kinesics.settings import Recipe
from kinesics.training.optim import (
    AveragedWeights,
    class_weights,
    clip_losses,
    full_learning_rate,
    make_optimizer,
    rate_at,
    train_mode,
)
from kinesics.training.processes import (
    any_process,
    copy_buffers,
    from_all_processes,
    share_statistics,
    sum_over_processes,
)
from kinesics.training.state import restore, training_state
from kinesics.training.step import Learner, learn
from kinesics.values import VideoItem
from kinesics.video.view_plan import view_plan


@dataclass(frozen=True)
class Task:
    """What is to be learned: the classes, the videos to learn from and those to choose the best epoch by.

    split: what the videos to learn from are called in the record.
    """

    classes: tuple[str, ...]
    train: Sequence[VideoItem]
    val: Sequence[VideoItem] = ()
    multi_label: bool = False
    split: str = "train"


@dataclass(frozen=True)
class Execution:
    """How a training is carried out: what is in no recipe.

    device: auto, cpu, cuda or mps. num_workers: decoding processes, as many as cores by default. checkpoint_batches:
    the state is saved after so many batches too, not only after each epoch. listener: hears how far the work is.
    """

    device: str = "auto"
    num_workers: int | None = None
    checkpoint_batches: int = 0
    listener: Listener = field(default_factory=Listener)


@dataclass
class Trainer:
    """A training that is ready to run: what is learned, by which model, and where it is written.

    resume: go on from the state in `out`/last.
    """

    recipe: Recipe
    task: Task
    model: Recognizer
    out: Path
    fabric: Fabric
    contract: Contract
    log: RunLog
    execution: Execution
    resume: bool = False
    val_batches: Batches | None = None


def train_model(trainer: Trainer) -> None:
    """Train the model as the recipe says and leave the best of it in `out`/best, the state to resume in `out`/last.

    Every random draw is keyed by (seed, epoch, index or batch): on a CPU a resumed run equals an uninterrupted one bit
    for bit, from the middle of an epoch too.

    Raises:
        VideoError: a training video cannot be decoded.
        KinesicsError: the loss is not a number (the clips are named), or a process that decodes died.
        StopAsked: Ctrl-C; the state was saved.
    """
    recipe, task, model, fabric = trainer.recipe, trainer.task, trainer.model, trainer.fabric
    model.channels_last()
    if recipe.optim.sync_batch_norm:
        share_statistics(fabric, model)
    optimizer = make_optimizer(model, recipe.optim)
    network, optimizer = fabric.setup(model, optimizer)
    averaged = AveragedWeights(model, recipe.optim.ema) if recipe.optim.ema else None
    weights = class_weights(task.train, len(task.classes)).to(fabric.device)
    learner = Learner(
        recipe,
        fabric,
        model,
        network,
        optimizer,
        averaged,
        task.multi_label,
        weights if recipe.optim.balance == "weights" else None,
    )
    progress = restore(trainer.out, fabric, model, optimizer, averaged) if trainer.resume else Progress()

    transform = train_transform(recipe.input, flip_map(task.classes))
    clips = TrainClips(task.train, len(task.classes), recipe.input, transform, recipe.seed)
    sampler = EpochSampler()
    loader = train_batches(clips, sampler, recipe.optim.batch_size, trainer.execution.num_workers)
    with worker_deaths_named(), graceful_stop() as stop:
        while progress.epoch < recipe.optim.epochs and not finished(progress, recipe):
            order = epoch_order(task.train, progress.epoch, recipe.seed, recipe.optim.balance)
            batches = epoch_batches(
                order,
                progress.epoch,
                recipe.optim.batch_size,
                rank=fabric.global_rank,
                world_size=fabric.world_size,
            )
            sampler.batches = batches[progress.batch :]
            run_epoch(trainer, learner, loader.on(fabric.device), len(batches), progress, stop)
            end_epoch(trainer, learner, progress)
            progress.epoch, progress.batch, progress.loss_sum, progress.clips_seen = progress.epoch + 1, 0, 0.0, 0
            save(trainer, learner, progress)
            if any_process(fabric, stop.asked):
                raise StopAsked(f"stopped after epoch {progress.epoch}; go on with --resume")
    trainer.log.finish(progress.rows)


def run_epoch(
    trainer: Trainer, learner: Learner, batches: Iterator[Batch], num_batches: int, progress: Progress, stop: Stop
) -> None:
    """The rest of one epoch, from batch `progress.batch` on."""
    fabric = learner.fabric
    train_mode(learner.model, trainer.recipe.optim)
    started, waited, seen = time.perf_counter(), 0.0, 0
    for number in range(progress.batch, num_batches):
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        loss_sum, ends_step = learn(learner, batch, progress.epoch, number, num_batches)
        progress.batch = number + 1
        progress.loss_sum += loss_sum
        progress.clips_seen += len(batch.ids)
        seen += len(batch.ids)
        elapsed = time.perf_counter() - started
        trainer.log.facts = {
            "loss": progress.loss_sum / progress.clips_seen,
            "clips_per_second": seen * fabric.world_size / elapsed,
            "data_wait": waited / elapsed,
        }
        trainer.execution.listener.batch(progress.epoch, number + 1, num_batches, trainer.log.facts)
        if not ends_step or number + 1 == num_batches:
            continue
        due = trainer.execution.checkpoint_batches and (number + 1) % trainer.execution.checkpoint_batches == 0
        stops = any_process(fabric, stop.asked)
        if due or stops:
            save(trainer, learner, progress, from_all_processes(fabric, (progress.loss_sum, progress.clips_seen)))
        if stops:
            fabric.barrier()  # torchrun ends all processes with the first: none leaves before the state is saved
            raise StopAsked(f"stopped in epoch {progress.epoch + 1}; go on with --resume")


def save(trainer: Trainer, learner: Learner, progress: Progress, shares: list[tuple[float, int]] | None = None) -> None:
    """Write the checkpoint, from the first process. shares: each process's sums, in the middle of an epoch."""
    fabric = learner.fabric
    if fabric.is_global_zero:
        state = training_state(fabric, learner.model, learner.optimizer, learner.averaged, progress)
        save_checkpoint(trainer.out, state if shares is None else {**state, "shares": shares})


def end_epoch(trainer: Trainer, learner: Learner, progress: Progress) -> None:
    """Score the validation split, keep the model if it is the best, and write the log."""
    recipe, task = trainer.recipe, trainer.task
    model, fabric, averaged = learner.model, learner.fabric, learner.averaged
    loss_sum, num_clips = sum_over_processes(fabric, progress.loss_sum, progress.clips_seen)
    row: dict[str, Any] = {
        "epoch": progress.epoch + 1,
        "train_loss": loss_sum / max(num_clips, 1),
        "learning_rate": full_learning_rate(recipe.optim, fabric.world_size) * rate_at(recipe.optim, progress.epoch),
        "clips_per_second": trainer.log.facts.get("clips_per_second", 0.0),
        "data_wait": trainer.log.facts.get("data_wait", 0.0),
    }
    copy_buffers(fabric, model)
    trained = {name: tensor.clone() for name, tensor in model.state_dict().items()} if averaged else None
    if averaged:
        model.load_state_dict(averaged.state)
        copy_buffers(fabric, model)  # each process averaged its own
    if task.val:
        row |= validate(trainer, model, fabric)
    better = row.get("val_macro_f1", float("inf")) > progress.best or not task.val
    if better:
        progress.best, progress.best_epoch = row.get("val_macro_f1", float("-inf")), progress.epoch
    row["best"] = better
    progress.rows.append(row)
    if fabric.is_global_zero:
        if better:
            save_model(trainer.out / "best", model.state_dict(), trainer.contract)
        trainer.log.write(progress.rows)
    if trained is not None:
        model.load_state_dict(trained)
    trainer.execution.listener.epoch(row, recipe.optim.epochs)
    fabric.barrier()


def validate(trainer: Trainer, model: Recognizer, fabric: Fabric) -> dict[str, float]:
    """Loss, macro F1 and accuracy on the validation split. Its decoding processes live through the training."""
    task, optim, plan = trainer.task, trainer.recipe.optim, view_plan("one", trainer.recipe.input)
    if trainer.val_batches is None:
        trainer.val_batches = batches_of(
            task.val, model.num_classes, plan, optim.batch_size, trainer.execution.num_workers, fabric
        )
    scores = score(
        model,
        task.val,
        task.classes,
        plan,
        multi_label=task.multi_label,
        fabric=fabric,
        listener=trainer.execution.listener,
        batches=trainer.val_batches,
    )
    losses = clip_losses(
        torch.from_numpy(scores.logits), torch.from_numpy(scores.targets).float(), multi_label=task.multi_label
    )
    return {
        "val_loss": float(losses.mean()),
        "val_macro_f1": macro_f1(scores),
        "val_top1": float((scores.targets[range(len(scores.ids)), scores.logits.argmax(1)]).mean()),
    }


def finished(progress: Progress, recipe: Recipe) -> bool:
    """Whether `patience` epochs have gone by without a better macro F1."""
    patience = recipe.optim.patience
    return patience > 0 and progress.best_epoch >= 0 and progress.epoch - 1 - progress.best_epoch >= patience
