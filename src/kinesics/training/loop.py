"""The training loop: from a recipe and labelled videos to a run folder that can be tested, resumed and trusted.

A run holds recipe.json, run.json (versions, seed, manifest, counts), log.csv, tensorboard/, last/ (to resume) and
best/ (to use: model.safetensors and model.json).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from kinesics.data.batches import EpochSampler, default_workers, epoch_batches, epoch_order, stack, train_loader
from kinesics.data.dataset import TrainClips, keyed_generator
from kinesics.data.mirror import flip_map
from kinesics.data.mixing import cutmix, mixup
from kinesics.data.transforms import train_transform
from kinesics.errors import KinesicsError
from kinesics.inference.scorer import score
from kinesics.metrics.accuracy import macro_f1
from kinesics.models.recognizer import Recognizer
from kinesics.progress import Stop, StopAsked, Watch, graceful_stop
from kinesics.runs.checkpoint import Progress, save_checkpoint
from kinesics.runs.log import RunLog
from kinesics.runs.model_file import Contract, save_model
from kinesics.settings import InputConfig, Recipe
from kinesics.training.optim import (
    AveragedWeights,
    class_weights,
    clip_losses,
    full_learning_rate,
    make_optimizer,
    rate_at,
    set_rates,
    term_losses,
    train_mode,
)
from kinesics.training.processes import any_process, copy_buffers, from_all_processes, sum_over_processes
from kinesics.training.state import restore, training_state
from kinesics.values import VideoItem
from kinesics.video.view_plan import view_plan


@dataclass(frozen=True)
class Task:
    """What is to be learned: the classes, the videos to learn from and those to choose the best epoch by."""

    classes: tuple[str, ...]
    train: Sequence[VideoItem]
    val: Sequence[VideoItem] = ()
    multi_label: bool = False


@dataclass
class Trainer:
    """The moving parts of one training."""

    recipe: Recipe
    task: Task
    model: Recognizer
    fabric: Fabric
    out: Path
    watch: Watch
    contract: Contract
    log: RunLog
    num_workers: int
    checkpoint_batches: int


def train_model(
    recipe: Recipe,
    task: Task,
    model: Recognizer,
    out: Path,
    *,
    fabric: Fabric,
    contract: Contract,
    watch: Watch,
    log: RunLog,
    resume: bool = False,
    num_workers: int | None = None,
    checkpoint_batches: int = 0,
) -> Path:
    """Train `model` as the recipe says and leave the best of it in `out`/best, the state to resume in `out`/last.

    Every random draw is keyed by (seed, epoch, index or batch): on a CPU a resumed run equals an uninterrupted one bit
    for bit, from the middle of an epoch too (`checkpoint_batches` saves every so many batches, 0 once an epoch).

    Raises:
        VideoError: a training video cannot be decoded.
        KinesicsError: the loss is not a number; the clips are named.
        StopAsked: Ctrl-C; the state was saved.
    """
    workers = default_workers() if num_workers is None else num_workers
    trainer = Trainer(recipe, task, model, fabric, out, watch, contract, log, workers, checkpoint_batches)
    model.channels_last()
    optimizer = make_optimizer(model, recipe.optim)
    network, optimizer = fabric.setup(model, optimizer)
    averaged = AveragedWeights(model, recipe.optim.ema) if recipe.optim.ema else None
    progress = restore(out, fabric, model, optimizer, averaged) if resume else Progress()

    transform = train_transform(recipe.input, flip_map(task.classes))
    clips = TrainClips(task.train, len(task.classes), recipe.input, transform, recipe.seed)
    sampler = EpochSampler()
    loader = train_loader(clips, sampler, workers)
    with graceful_stop() as stop:
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
            run_epoch(trainer, network, optimizer, averaged, iter(loader), len(batches), progress, stop)
            end_epoch(trainer, averaged, progress)
            progress.epoch, progress.batch, progress.loss_sum, progress.clips_seen = progress.epoch + 1, 0, 0.0, 0
            if fabric.is_global_zero:
                save_checkpoint(out, training_state(fabric, model, optimizer, averaged, progress))
            if any_process(fabric, stop.asked):
                raise StopAsked(f"stopped after epoch {progress.epoch}; go on with --resume")
    log.finish(progress.rows)
    return out


def run_epoch(
    trainer: Trainer,
    network: Any,
    optimizer: Any,
    averaged: AveragedWeights | None,
    batches: Iterator[Any],
    num_batches: int,
    progress: Progress,
    stop: Stop,
) -> None:
    """The rest of one epoch, from batch `progress.batch` on."""
    optim, fabric, model = trainer.recipe.optim, trainer.fabric, trainer.model
    weights = None
    if optim.balance == "weights":
        weights = class_weights(trainer.task.train, len(trainer.task.classes)).to(fabric.device)
    train_mode(model, optim)
    full_rate = full_learning_rate(optim, fabric.world_size)
    started, waited, seen = time.perf_counter(), 0.0, 0
    for number in range(progress.batch, num_batches):
        asked = time.perf_counter()
        batch = stack(next(batches))
        waited += time.perf_counter() - asked

        step_seed = keyed_generator(trainer.recipe.seed, progress.epoch, number, fabric.global_rank)
        torch.manual_seed(step_seed.initial_seed())  # dropout
        clips, targets = fabric.to_device(batch.clips[:, 0]), fabric.to_device(batch.targets)
        clips, targets = mix(model.input_norm(clips), targets, trainer.recipe.input, step_seed)
        set_rates(optimizer, full_rate * rate_at(optim, progress.epoch + number / num_batches))
        last_of_step = (number + 1) % optim.accumulate == 0 or number + 1 == num_batches
        group = optim.accumulate
        if number >= num_batches - num_batches % optim.accumulate:
            group = num_batches % optim.accumulate
        with fabric.no_backward_sync(network, enabled=not last_of_step):
            losses = term_losses(
                network(clips, terms=True),
                targets,
                multi_label=trainer.task.multi_label,
                smoothing=optim.label_smoothing,
                weights=weights,
            )
            refuse_non_finite(fabric, losses, batch.ids, progress.epoch)
            fabric.backward(losses.mean() / group)
        if last_of_step:
            if optim.clip_norm:
                fabric.clip_gradients(network, optimizer, max_norm=optim.clip_norm, error_if_nonfinite=False)
            optimizer.step()
            optimizer.zero_grad()
            if averaged:
                averaged.update(model)

        progress.batch = number + 1
        progress.loss_sum += float(losses.detach().sum())
        progress.clips_seen += len(batch.ids)
        seen += len(batch.ids)
        elapsed = time.perf_counter() - started
        facts = {
            "loss": progress.loss_sum / progress.clips_seen,
            "clips_per_second": seen * fabric.world_size / elapsed,
            "data_wait": waited / elapsed,
        }
        trainer.watch.batch(progress.epoch, number + 1, num_batches, facts)
        trainer.log.facts = facts
        if not last_of_step or number + 1 == num_batches:
            continue
        due = trainer.checkpoint_batches and (number + 1) % trainer.checkpoint_batches == 0
        stops = any_process(fabric, stop.asked)
        if due or stops:
            shares = from_all_processes(fabric, (progress.loss_sum, progress.clips_seen))
            if fabric.is_global_zero:
                state = training_state(fabric, model, optimizer, averaged, progress)
                save_checkpoint(trainer.out, {**state, "shares": shares})
            if stops:
                fabric.barrier()  # torchrun ends all processes with the first: none leaves before the state is saved
                raise StopAsked(f"stopped in epoch {progress.epoch + 1}; go on with --resume")


def end_epoch(trainer: Trainer, averaged: AveragedWeights | None, progress: Progress) -> None:
    """Score the validation split, keep the model if it is the best, and write the log."""
    recipe, task, model, fabric = trainer.recipe, trainer.task, trainer.model, trainer.fabric
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
        scores = score(
            model,
            task.val,
            task.classes,
            view_plan("one", recipe.input),
            multi_label=task.multi_label,
            batch_size=recipe.optim.batch_size,
            num_workers=trainer.num_workers,
            fabric=fabric,
            watch=trainer.watch,
        )
        losses = clip_losses(
            torch.from_numpy(scores.logits),
            torch.from_numpy(scores.targets).float(),
            multi_label=task.multi_label,
        )
        row["val_loss"] = float(losses.mean())
        row["val_macro_f1"] = macro_f1(scores)
        row["val_top1"] = float((scores.targets[range(len(scores.ids)), scores.logits.argmax(1)]).mean())
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
    trainer.watch.epoch(row, recipe.optim.epochs)
    fabric.barrier()


def mix(clips: Tensor, targets: Tensor, settings: InputConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The batch after mixup and cutmix; where both are on, one of them by a coin."""
    kinds: list[tuple[Callable[..., tuple[Tensor, Tensor]], float]] = [
        (blend, alpha) for blend, alpha in ((mixup, settings.mixup), (cutmix, settings.cutmix)) if alpha > 0
    ]
    if not kinds:
        return clips, targets
    blend, alpha = kinds[int(torch.randint(len(kinds), (), generator=generator))]
    return blend(clips, targets, alpha, generator)


def refuse_non_finite(fabric: Fabric, losses: Tensor, ids: Sequence[str], epoch: int) -> None:
    """Raises KinesicsError in all processes, naming the clips of any process whose loss is not a finite number."""
    bad = [name for name, finite in zip(ids, losses.detach().isfinite().tolist(), strict=True) if not finite]
    if any_process(fabric, bool(bad)):
        bad = [name for names in from_all_processes(fabric, bad) for name in names]
        raise KinesicsError(
            f"the loss is not a finite number in epoch {epoch + 1} for {', '.join(bad)}; "
            "look at these clips, or lower the learning rate; the last checkpoint is kept"
        )


def finished(progress: Progress, recipe: Recipe) -> bool:
    """Whether `patience` epochs have gone by without a better macro F1."""
    patience = recipe.optim.patience
    return patience > 0 and progress.best_epoch >= 0 and progress.epoch - 1 - progress.best_epoch >= patience
