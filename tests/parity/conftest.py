"""What the parity tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that computes in float32 on purpose, also under autocast, computes in float64: its equations are the same.

    It says `x.float()`; here that is `x.double()`.
    """
    monkeypatch.setattr(Tensor, "float", Tensor.double)


@pytest.fixture(autouse=True)
def same_numbers() -> Iterator[None]:
    """Random inputs are the same in every run, and nothing has a gradient unless a test asks for it."""
    torch.manual_seed(0)
    with torch.no_grad():
        yield
