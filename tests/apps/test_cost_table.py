"""The papers' figures and ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinesics.apps.cost_table import lines, markdown
from kinesics.cli.commands import COMMANDS
from kinesics.errors import UserError

DOCUMENT = Path(__file__).parents[2] / "docs" / "cost.md"


def test_every_figure_is_within_a_per_cent_and_the_document_is_the_output() -> None:
    found = lines()
    for line in found:
        for deviation in line.deviations:
            assert deviation is None or abs(deviation) <= 0.01, line.printed.row
    assert any(line.printed.cost for line in found)
    assert DOCUMENT.read_text(encoding="utf-8").endswith(markdown(found))


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    COMMANDS["cost"].run(["--table", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {"table", "row", "parameters", "printed_millions", "size_deviation"} <= set(rows[0])
    with pytest.raises(UserError, match="--table"):
        COMMANDS["cost"].run([])
