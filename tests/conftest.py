"""What all tests may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.tiny import make_set, train_runs

settings.register_profile("same", derandomize=True, deadline=None)  # machines are busy at times
settings.load_profile("same")  # a test that fails for one fails for all


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen clips of two classes that differ in the order of their frames only."""
    return make_set(tmp_path_factory.mktemp("tiny"), folds=2)


@pytest.fixture(scope="session")
def tiny_runs(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs, `tsn` and `tsm`, trained on `tiny_set` for two epochs and tested."""
    return train_runs(tiny_set, tmp_path_factory.mktemp("runs"))
