"""One rule from logits to an answer, and everyone who answers uses it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from kinesics.analysis.tested_runs import read_tested
from kinesics.errors import KinesicsError
from kinesics.explanation.explained_clip import predict_clip
from kinesics.explanation.probability_curve import probability_curve
from kinesics.inference.answer import AnswerRule
from kinesics.inference.predictor import load
from kinesics.reporting.report_data import answers
from kinesics.runs.model_file import find_model, load_model, write_contract
from tests.tiny import make_set, train_runs

LOGITS = torch.tensor([2.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("rule", "labels", "label"),
    [
        (AnswerRule(("a", "b", "c")), (0,), "a"),
        (AnswerRule(("a", "b", "c"), threshold=0.6), (0,), "a"),
        (AnswerRule(("a", "b", "c"), threshold=0.7), (), "none of these"),
        (AnswerRule(("a", "b", "c"), temperature=2.0, threshold=0.6), (), "none of these"),
        (AnswerRule(("a", "b", "c"), multi_label=True), (0, 1), "a"),
        (AnswerRule(("a", "b", "c"), multi_label=True, threshold=0.9), (), "none of these"),
    ],
)
def test_the_rule(rule: AnswerRule, labels: tuple[int, ...], label: str) -> None:
    (probs,) = rule.probs(LOGITS[None])
    assert rule.labels(probs) == labels
    assert rule.prediction("p", probs, top=1).label == label
    scaled = LOGITS / rule.temperature
    assert torch.allclose(probs, scaled.sigmoid() if rule.multi_label else scaled.softmax(0))


def test_logits_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(KinesicsError, match="not finite numbers"):
        AnswerRule(("a", "b")).probs(torch.tensor([[1.0, float("nan")]]))


def test_a_calibrated_run_gives_one_answer_everywhere(tmp_path: Path) -> None:
    data = make_set(tmp_path, train=2, val=1, test=2)
    run, _ = train_runs(data, tmp_path)
    clip = tmp_path / "clips/left_4.mp4"
    for temperature, threshold in ((0.3, 0.0), (3.0, 0.99)):
        _, contract = load_model(run)
        contract = dataclasses.replace(contract, temperature=temperature, threshold=threshold)
        write_contract(find_model(run), contract)
        predictor = load(run, device="cpu")
        prediction = predictor.predict(clip)
        assert prediction.rejected == (threshold > 0)
        explained_clip = predict_clip(predictor, clip)
        assert explained_clip.answer == prediction.label
        assert explained_clip.answer_probability == pytest.approx(prediction.probability, abs=1e-6)
        over_time = probability_curve(predictor, clip, window_seconds=100.0)
        assert np.sort(over_time.probs[0])[::-1] == pytest.approx(prediction.probabilities, abs=1e-6)
        (tested,) = read_tested([run])
        answer = answers(tested)["clips/left_4.mp4"]
        assert answer.probabilities[0] == pytest.approx(prediction.probability, abs=1e-4)
        assert answer.rejected == prediction.rejected
