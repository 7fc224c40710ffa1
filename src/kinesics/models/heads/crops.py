"""Where a class responds most, and the patches of lower stages that lie there.

Source: the MLFE paper, section 3.2, equations 5 and 6. B frames, K classes; a map of H5 × W5 cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from kinesics.models.precision import full_precision

Way = Literal["class", "cells", "unique"]
"""How local features are computed; the answer is the same. class: one crop per class. cells: one crop per cell of the
map, for any K. unique: only the cells where some class peaks."""


def peaks(x_BDHW: Tensor, weight_KD: Tensor) -> Tensor:
    """(B, K) int64: the cell, counted row by row, where each class's activation map is highest; the first of equals.

    Without gradient, and in float32 under any autocast: half the bits would move a peak now and then.
    """
    with torch.no_grad(), full_precision(x_BDHW):
        maps_BKP = weight_KD.float() @ x_BDHW.float().flatten(2)
        return maps_BKP.argmax(dim=2)


def starts(peak: Tensor, num_cells: int, size: int, scale: int) -> tuple[Tensor, int]:
    """Along one axis, where the crop of a cell begins, and how long it is: scale, or the whole of a smaller map.

    min(P·scale, size − scale): equation 6 where sizes divide, and inside the map where they do not.
    """
    length = min(scale, size)
    return (peak * scale).clamp_max(size - length), length


def crop(x_BCHW: Tensor, frame_M: Tensor, cell_M: Tensor, cells: Sequence[int], scale: int) -> Tensor:
    """(M, C, h, w): for each m the patch of frame `frame_M[m]` at cell `cell_M[m]`."""
    height, width = x_BCHW.shape[-2:]
    top_M, h = starts(cell_M // cells[1], cells[0], height, scale)
    left_M, w = starts(cell_M % cells[1], cells[1], width, scale)
    rows_Mh1 = (top_M[:, None] + torch.arange(h, device=top_M.device))[:, :, None]
    columns_M1w = (left_M[:, None] + torch.arange(w, device=top_M.device))[:, None, :]
    patches_MhwC = x_BCHW.permute(0, 2, 3, 1)[frame_M[:, None, None], rows_Mh1, columns_M1w]
    return patches_MhwC.permute(0, 3, 1, 2)


def crops_at(
    x_BCHW: Tensor, peak_BK: Tensor, cells: Sequence[int], scale: int, way: Way
) -> tuple[Tensor, Tensor | None, Tensor]:
    """The crops around all peaks: crops (M, C, h, w), counts (M,) or None, index (B, K).

    counts: of how many classes each crop is the peak; None where it is one. index: which crop is a class's.
    """
    frames, (num_frames, num_classes) = torch.arange(x_BCHW.shape[0], device=peak_BK.device), peak_BK.shape
    if way == "class":
        index_BK = torch.arange(num_frames * num_classes, device=peak_BK.device).reshape(num_frames, num_classes)
        patches = crop(x_BCHW, frames.repeat_interleave(num_classes), peak_BK.flatten(), cells, scale)
        return patches, None, index_BK
    num_cells = cells[0] * cells[1]
    place_BK = frames[:, None] * num_cells + peak_BK
    counts = place_BK.new_zeros(num_frames * num_cells)
    counts.scatter_add_(0, place_BK.flatten(), torch.ones_like(place_BK).flatten())
    if way == "cells":
        every = torch.arange(num_frames * num_cells, device=peak_BK.device)
        return crop(x_BCHW, every // num_cells, every % num_cells, cells, scale), counts, place_BK
    used = counts.nonzero()[:, 0]
    rank = torch.zeros_like(counts)
    rank[used] = torch.arange(len(used), device=used.device)
    return crop(x_BCHW, used // num_cells, used % num_cells, cells, scale), counts[used], rank[place_BK]
