"""What is looked at before a training starts: its clips, and the folder that it writes to."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kinesics.data.manifest import Manifest
from kinesics.errors import UserError
from kinesics.runs.checkpoint import CHECKPOINT
from kinesics.runs.model_file import WEIGHTS_NAME
from kinesics.runs.run import RECIPE_NAME, Run
from kinesics.settings import Recipe
from kinesics.values import VideoItem


def check_modality(modality: str, manifest: Manifest) -> None:
    """Raise UserError where flow is needed and not given, or given and not used."""
    if modality == "flow" and manifest.flow is None:
        raise UserError("this takes optical flow; expected the folder of its flow, which `kinesics flow` makes")
    if modality != "flow" and manifest.flow is not None:
        raise UserError(
            f"{manifest.flow.path}: flow is given, and this takes frames; leave it out, or take a recipe for flow"
        )


def check_flow(warped: bool | None, manifest: Manifest) -> None:
    """Raise UserError where the manifest's flow is warped and plain flow is expected, or the other way round."""
    if warped is None or manifest.flow is None or manifest.flow.settings.warp == warped:
        return
    kinds = {False: "plain flow", True: "warped flow (`kinesics flow --warp`)"}
    raise UserError(
        f"{manifest.flow.path}: holds {kinds[not warped]}; input.warped is {warped}: expected {kinds[warped]}"
    )


def labelled(items: Sequence[VideoItem], manifest: Manifest, split: str) -> Sequence[VideoItem]:
    """`items`, if there are any and at least two classes among them. Raises UserError otherwise."""
    if not items and split == "all":
        raise UserError(f"{manifest.path}: no usable rows")
    if not items:
        found = Counter(row.split or "(empty)" for row in manifest.rows)
        counts = ", ".join(f"{name}: {count}" for name, count in found.items())
        raise UserError(
            f"{manifest.path}: no usable rows with split '{split}' (found {counts}); `kinesics prepare` assigns splits"
        )
    if len({label for item in items for label in item.labels}) < 2:
        place = "" if split == "all" else f"split '{split}' "
        raise UserError(f"{manifest.path}: {place}has one class; expected two or more")
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
