"""Two tiny trainings give the losses that were recorded; a change that moves them says so in the history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.loss_compare import add_to_history, compare, measure, newest

GOLDEN = Path(__file__).parent / "assets" / "golden_losses.json"
BETWEEN_PROCESSORS = 1e-3
"""MLFE's patches lie where a map is highest: another rounding takes another of two all but equal cells (2.4e-4 seen).

The benchmark is stricter, 1e-6, for the same machine and version of torch.
"""


def test_losses_are_the_recorded_ones() -> None:
    expected = newest(GOLDEN)
    differences = compare(measure()["losses"], expected["losses"], BETWEEN_PROCESSORS)
    how = f'python benchmarks/loss_compare.py --record {GOLDEN.relative_to(GOLDEN.parents[2])} --reason "why"'
    assert not differences, (
        f"{differences}, recorded with torch {expected['torch']} at {expected['commit']}. If it is meant: {how}"
    )


def test_every_recorded_change_has_its_reason() -> None:
    for entry in json.loads(GOLDEN.read_text())["history"]:
        assert entry["reason"]
        assert entry["commit"] not in ("", "unknown")
        assert entry["losses"].keys() == {"tsm", "mlfe"}


@pytest.mark.parametrize(
    ("changed", "num_lines"),
    [
        ({"tsm": [{"train_loss": 1.0, "val_loss": 2.0}]}, 0),
        ({"tsm": [{"train_loss": 1.0 + 1e-9, "val_loss": 2.0}]}, 0),
        ({"tsm": [{"train_loss": 1.00001, "val_loss": 2.0}]}, 1),
        ({"tsm": [{"train_loss": float("nan"), "val_loss": 3.0}]}, 2),
        ({"tsm": [{"train_loss": 1.0}]}, 1),
        ({"tsm": []}, 1),
        ({}, 1),
        ({"tsm": [{"train_loss": 1.0, "val_loss": 2.0}], "mlfe": [{"train_loss": 1.0}]}, 1),
    ],
)
def test_each_difference_is_a_line(changed: dict[str, list[dict[str, float]]], num_lines: int) -> None:
    assert len(compare(changed, {"tsm": [{"train_loss": 1.0, "val_loss": 2.0}]}, 1e-6)) == num_lines


def test_the_newest_entry_counts(tmp_path: Path) -> None:
    for number in (1, 2):
        add_to_history(tmp_path / "golden.json", {"losses": {"tsm": [{"train_loss": number}]}}, f"reason {number}")
    assert newest(tmp_path / "golden.json") == {"reason": "reason 2", "losses": {"tsm": [{"train_loss": 2}]}}
