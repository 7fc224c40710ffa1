"""Predict what happens in videos with a trained run, or with several models that answer together."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kinesics.data.dataset import crop_views
from kinesics.devices import pick_device
from kinesics.errors import KinesicsError, UserError
from kinesics.files import sha256
from kinesics.flow.flow_folder import FlowSettings
from kinesics.inference.answer import AnswerRule
from kinesics.inference.classifier import Decoded, Outcome, VideoClassifier
from kinesics.inference.decoding import ViewDecoder
from kinesics.inference.runtimes.torch import TorchScorer
from kinesics.inference.scorer import Scorer, view_logits
from kinesics.models.recognizer import Recognizer
from kinesics.runs.ensemble_file import holds_ensemble, read_ensemble
from kinesics.runs.model_file import ENSEMBLE_NAME, WEIGHTS_NAME, Contract, find_model, has_model, load_model
from kinesics.video.view_plan import ViewPlan

__all__ = ["Ensemble", "Outcome", "Predictor", "load", "load_predictor"]


@dataclass(frozen=True)
class Predictor(VideoClassifier):
    """A trained model, ready for videos."""

    model: Recognizer
    contract: Contract
    folder: Path
    device: torch.device

    @property
    def rule(self) -> AnswerRule:
        """How its logits become an answer."""
        return AnswerRule.of(self.contract)

    @property
    def scorer(self) -> Scorer:
        """What gives clips their logits."""
        return TorchScorer(self.model)

    @property
    def plan(self) -> ViewPlan:
        """The views it looks at where no others are asked for."""
        return self.contract.view_plan

    @property
    def flow(self) -> FlowSettings | None:
        """How the flow is computed that it looks at; None where it looks at frames."""
        settings = self.contract.record.get("flow")
        return FlowSettings(**settings) if settings else None

    def decoders(self, plan: ViewPlan | str | None = None) -> tuple[ViewDecoder, ...]:
        """See VideoClassifier."""
        return (ViewDecoder(self.views(plan), self.flow),)

    def probs(self, decoded: Sequence[Decoded], decoders: Sequence[ViewDecoder]) -> Tensor:
        """See VideoClassifier. Raises KinesicsError where the model's scores are no finite numbers."""
        plan = decoders[0].plan
        clips = [crop_views(torch.from_numpy(views.clips).to(self.device), plan) for (views,) in decoded]
        with torch.inference_mode():
            logits = view_logits(self.scorer, torch.stack(clips), plan, multi_label=self.contract.multi_label).cpu()
        try:
            return self.rule.probs(logits)
        except KinesicsError as error:
            raise KinesicsError(f"{self.folder}: {error}") from error

    def views(self, plan: ViewPlan | str | None = None) -> ViewPlan:
        """The view plan that is meant: the model's own, one by name, or one given, if it fits the model."""
        if plan is None:
            return self.plan
        if isinstance(plan, str):
            return self.plan.named(plan)
        if plan.frames_per_segment != self.plan.frames_per_segment:
            raise UserError(
                f"{self.folder}: the model takes {self.plan.frames_per_segment} frames a time step, "
                f"the view plan gives {plan.frames_per_segment}"
            )
        return plan

    def maker(self, plan: ViewPlan | str | None = None) -> str:
        """Twelve letters made from weights, view plan and calibration: equal letters mean equal answers."""
        made_of: list[object] = [sha256(self.folder / WEIGHTS_NAME), self.views(plan).to_dict(), list(self.classes)]
        calibrated = [self.contract.temperature, self.contract.threshold]
        made_of += calibrated if calibrated != [1.0, 0.0] else []
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Ensemble(VideoClassifier):
    """Several models that answer together: the weighted mean of their probabilities.

    members: with the same classes. shares: their weights, which sum to 1. threshold: see AnswerRule.
    """

    members: tuple[Predictor, ...]
    shares: tuple[float, ...]
    threshold: float
    folder: Path

    @property
    def rule(self) -> AnswerRule:
        """How the mean of the probabilities becomes an answer."""
        contract = self.members[0].contract
        return AnswerRule(contract.classes, contract.multi_label, threshold=self.threshold)

    def decoders(self, plan: ViewPlan | str | None = None) -> tuple[ViewDecoder, ...]:
        """See VideoClassifier."""
        return tuple(decoder for member in self.members for decoder in member.decoders(plan))

    def probs(self, decoded: Sequence[Decoded], decoders: Sequence[ViewDecoder]) -> Tensor:
        """See VideoClassifier."""
        total = torch.zeros(len(decoded), len(self.classes))
        for place, (member, share) in enumerate(zip(self.members, self.shares, strict=True)):
            total += share * member.probs([(views[place],) for views in decoded], [decoders[place]])
        return total

    def maker(self, plan: ViewPlan | str | None = None) -> str:
        """See VideoClassifier."""
        made_of = [[member.maker(plan) for member in self.members], self.shares, self.threshold]
        return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]


def load(run: Path | str, *, device: str = "auto") -> VideoClassifier:
    """What answers in a folder, ready to predict: a model, or several together.

    run: a run (its best model), a folder with a model, or a model file. Of a cross-validation, its final model where it
    has one, else the mean of its folds' models; of what `fuse` wrote, the weighted mean of the fused runs' models.

    Raises:
        UserError: there is none, it is damaged, or it takes flow and does not say which.
    """
    if not holds_ensemble(run) or has_model(run):
        return load_predictor(run, device=device)
    folder = Path(run)
    described = read_ensemble(folder)
    members = []
    for member in described.members:
        found = load_predictor(member.find(folder), device=device)
        contract = dataclasses.replace(found.contract, temperature=described.temperature, threshold=0.0)
        members.append(dataclasses.replace(found, contract=contract))
        first, own = members[0].contract, contract
        if (own.classes, own.multi_label) != (first.classes, first.multi_label):
            raise UserError(
                f"{folder / ENSEMBLE_NAME}: {found.folder} has the classes {', '.join(own.classes)}; expected those of "
                f"{members[0].folder}, {', '.join(first.classes)}"
            )
    return Ensemble(tuple(members), described.shares, described.threshold, folder)


def load_predictor(run: Path | str, *, device: str = "auto") -> Predictor:
    """The one model of a run, of a folder with a model, or of a model file, ready to predict.

    Raises:
        UserError: there is none, it is damaged, or it takes flow and does not say which.
    """
    run = Path(run)
    model, contract = load_model(run)
    if contract.modality == "flow" and "flow" not in contract.record:
        raise UserError(f"{run}: the model takes flow, and its record does not say of which method and bound")
    where = pick_device(device)
    return Predictor(model.to(where).eval(), contract, find_model(run), where)
