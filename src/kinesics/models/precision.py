"""What must be computed in float32, also under autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """Autocast off, where x is. On the meta device, which computes nothing, there is none."""
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)
