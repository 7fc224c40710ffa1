"""Key points of feature maps and how they shift from frame to frame: KPSEM's adaptive regional shift extractor.

Source: the KPSEM paper, section 3.3, equations 4 to 12. All of it is computed in float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.errors import UserError, unknown
from kinesics.models.precision import full_precision

Match = Literal["value", "region"]
HIDDEN = 8
"""Width of the perceptron that places a set's lines."""


@dataclass(frozen=True)
class KeyPoints:
    """What is found in a clip: G sets of K regions a frame.

    points: (N, T, G, K, C, 2), x and y of each channel's highest value in a region, 0 to 1 across the map.
    values: (N, T, G, K, C), those values. weights: (N, T-1, G, K, C), what a region weighs; they sum to 1 over K.
    shifts: (N, T-1, G, K, C, 2), where each point goes until the next frame, on the points' scale.
    """

    points: Tensor
    values: Tensor
    weights: Tensor
    shifts: Tensor


class RegionalShifts(nn.Module):
    """AReSE, all G sets at once. K = k² regions: k − 1 lines across each axis, placed frame by frame.

    A perceptron for each set, on the frame's mean over the map, places the lines; each region keeps a cell at least.
    adaptive: without it the lines stay where they were drawn at the start (the ablation "fixed regions").
    match: a point goes to the points of the next frame whose values are like its own ("value", as the paper has it),
        or to that of the same region ("region", ours), which keeps the direction.
    weigh: regions weigh by the softmax of their means over the regions (W_R). Without it all are alike, and the lines
        stay where they were drawn, since nothing else moves them.
    standardize: before values and means are compared, each channel has mean 0 and deviation 1 over the clip.
    """

    def __init__(
        self,
        channels: int,
        *,
        regions: int = 4,
        sets: int = 8,
        adaptive: bool = True,
        match: Match = "value",
        weigh: bool = True,
        standardize: bool = False,
    ) -> None:
        super().__init__()
        if match not in get_args(Match):
            raise unknown("match", str(match), get_args(Match))
        self.match, self.weigh, self.standardize = match, weigh, standardize
        self.side = math.isqrt(max(regions, 0))
        if regions < 1 or self.side**2 != regions or sets < 1:
            raise UserError(
                f"key points need a square number of regions and a set, found regions {regions}, sets {sets}"
            )
        self.sets, num_lines = sets, 2 * (self.side - 1)
        self.adaptive = adaptive and weigh and num_lines > 0
        start = torch.empty(sets, num_lines).uniform_(-0.5, 0.5)
        if self.adaptive:
            self.hidden = nn.Linear(channels, sets * HIDDEN)
            self.place = nn.Conv1d(sets * HIDDEN, sets * num_lines, 1, groups=sets)
            nn.init.normal_(self.place.weight, std=0.01)
            self.place.bias = nn.Parameter(start.flatten())
        elif num_lines:
            self.register_buffer("offsets", start)

    def forward(self, x: Tensor) -> KeyPoints:
        """(N, T, C, H, W) → key points and shifts. Raises UserError for a map of fewer than k × k cells."""
        if min(x.shape[3:]) < self.side:
            raise UserError(
                f"key points in {self.side} × {self.side} regions need maps of as many cells, found {x.shape[3]} × "
                f"{x.shape[4]}; take larger frames or fewer regions"
            )
        with full_precision(x):
            maps = x.permute(0, 1, 3, 4, 2).float()
            ys, xs = self.lines(maps)
            if self.standardize:
                maps = standardized(maps)
            points, values = key_points(maps, ys, xs)
            if self.weigh:
                means = regional_means(maps, ys, xs)
                weights = ((means[:, 1:] + means[:, :-1]) / 2).softmax(dim=3)
            else:
                weights = torch.full_like(values[:, 1:], 1 / self.side**2)
            moved = points[:, 1:] - points[:, :-1] if self.match == "region" else shifts(points, values)
            return KeyPoints(points, values, weights, moved)

    def lines(self, maps_NTHWC: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, H, W, C) → where the regions end, down (N, T, G, k+1) and across: in cells, with 0 and the size."""
        n, t, height, width, _ = maps_NTHWC.shape
        if self.side == 1:
            bias = maps_NTHWC.new_zeros(n, t, self.sets, 0)
        elif self.adaptive:
            hidden = F.relu(self.hidden(maps_NTHWC.mean(dim=(2, 3)).flatten(0, 1)))
            bias = self.place(hidden[:, :, None]).reshape(n, t, self.sets, -1)
        else:
            bias = self.offsets.expand(n, t, -1, -1)  # type: ignore[operator]
        across, down = bias.tanh().chunk(2, dim=3)
        return bounds(down, height), bounds(across, width)


def standardized(maps_NTHWC: Tensor) -> Tensor:
    """Each channel less its mean over the clip, by its deviation (which counts as 1e-5 at least)."""
    deviation, mean = torch.std_mean(maps_NTHWC, dim=(1, 2, 3), keepdim=True, correction=0)
    return (maps_NTHWC - mean) / deviation.clamp_min(1e-5)


def bounds(bias: Tensor, size: int) -> Tensor:
    """(…, k−1) in −1 to 1 → (…, k+1): 0, the lines across an axis of `size` cells, and `size`.

    One line may lie anywhere from 1 to size − 1. Of several, each stays within half a region of its even place, less
    half a cell, so that a cell is left between two of them.
    """
    k = bias.shape[-1] + 1
    reach = size / 2 - 1 if k == 2 else (size / k - 1) / 2 * (1 - 1e-4)  # less a hair, for rounding
    even = torch.arange(1, k, device=bias.device, dtype=bias.dtype) * (size / k)
    ends = bias.new_zeros((*bias.shape[:-1], 1))
    return torch.cat([ends, even + reach * bias, ends + size], dim=-1)


def key_points(maps_NTHWC: Tensor, ys: Tensor, xs: Tensor) -> tuple[Tensor, Tensor]:
    """(N, T, H, W, C), lines (N, T, G, k+1) → where the highest values are (N, T, G, K, C, 2), and they themselves.

    Lines are rounded to cells. Of equal values the first counts, row by row. The values have gradients, their places
    have none (equations 6 and 7).
    """
    n, t, height, width, _ = maps_NTHWC.shape
    maps_MHWC = maps_NTHWC.flatten(0, 1)
    with torch.no_grad():
        index = highest(maps_MHWC.detach(), ys.detach().flatten(0, 1), xs.detach().flatten(0, 1))
    values = maps_MHWC.flatten(1, 2).gather(1, index.flatten(1, 2)).reshape(n, t, *index.shape[1:])
    x, y = index % width, index.div(width, rounding_mode="floor")
    scale = maps_NTHWC.new_tensor([max(width - 1, 1), max(height - 1, 1)])
    return (torch.stack([x, y], dim=-1) / scale).reshape(*values.shape, 2), values


def highest(maps_MHWC: Tensor, ys: Tensor, xs: Tensor) -> Tensor:
    """(M, H, W, C), lines (M, G, k+1) → (M, G, K, C): the cell y·W + x of the highest value in each region."""
    device = maps_MHWC.device
    if device.type == "mps":  # which has no float64
        maps_MHWC, ys, xs = maps_MHWC.cpu(), ys.cpu(), xs.cpu()
    num_cells = maps_MHWC.shape[1] * maps_MHWC.shape[2]
    keys_MWHC = ordered(maps_MHWC).transpose(1, 2)
    across = side_maximum if xs.shape[2] == 3 else range_maximum
    rows_MGkHC = torch.unflatten(across(keys_MWHC, xs), 0, (*xs.shape[:2], -1))
    found_MGKC = masked_maximum(rows_MGkHC, ys)
    return cell(found_MGKC, num_cells).to(device)


def ordered(maps_MHWC: Tensor) -> Tensor:
    """float32 maps as float64 keys of the same order, in which the first of equal values is higher than the others.

    A float32 has 24 bits and a float64 53: there is room below for the cell. See `cell` for the way back.
    """
    height, width = maps_MHWC.shape[1:3]
    rank = torch.arange(height * width - 1, -1, -1, device=maps_MHWC.device, dtype=torch.float64)
    values = maps_MHWC.double()
    return torch.addcmul(values, spacing(values), rank.reshape(height, width, 1))


def cell(keys: Tensor, num_cells: int) -> Tensor:
    """Keys of `ordered` → the cells (int64) that they are the keys of."""
    values = keys.float().double()
    index = num_cells - 1 - ((keys - values) / spacing(values)).round()
    return torch.where(index.isnan(), 0, index).clamp(0, num_cells - 1).long()  # a key that is not a number has none


def spacing(values: Tensor) -> Tensor:
    """What a cell's rank is worth: far less than the distance to the next float32, for fewer than 2^16 cells."""
    # |v| · 2^-44, 2^-180 at least, by steps that are no zeros in float32: exporters write numbers in it.
    return (values.abs() * 2.0**60).clamp_min(2.0**-76) * 2.0**-104


def side_maximum(x: Tensor, lines: Tensor) -> Tensor:
    """(M, S, …), lines (M, G, 3) → (M·G·2, …): maxima on both sides of the line in the middle, by running ones."""
    size, cells = x.shape[1], x.unbind(1)
    before, after = [cells[0]], [cells[-1]]
    for ahead, back in zip(cells[1:-1], cells[-2:0:-1], strict=True):
        before.append(torch.maximum(before[-1], ahead))
        after.append(torch.maximum(after[-1], back))
    table = torch.stack([*before, *reversed(after)], dim=1)
    row = torch.arange(x.shape[0], device=x.device)[:, None] * table.shape[1] + nearest(lines)[..., 1] - 1
    return table.flatten(0, 1).index_select(0, torch.stack([row, row + size - 1], dim=2).flatten())


def range_maximum(x: Tensor, lines: Tensor) -> Tensor:
    """(M, S, …), lines (M, G, k+1) → (M·G·k, …): the maximum over the cells between each two neighbouring lines.

    Ranges overlap, so all 2^j cells' maxima are made first; any range is the maximum of two of those.
    """
    size = x.shape[1]
    levels, offsets = [x], [0]
    while 2 ** len(levels) <= size:
        last, step = levels[-1], 2 ** (len(levels) - 1)
        offsets.append(offsets[-1] + last.shape[1])
        levels.append(torch.maximum(last[:, :-step], last[:, step:]))
    table = torch.cat(levels, dim=1)
    level_of = torch.tensor([0, *(int(math.log2(length)) for length in range(1, size + 1))], device=x.device)
    ends = nearest(lines)
    low, high = ends[..., :-1].flatten(1), ends[..., 1:].flatten(1)
    level = level_of[high - low]
    first = torch.tensor(offsets, device=x.device)[level]
    row = torch.arange(x.shape[0], device=x.device)[:, None] * table.shape[1] + first
    cells = table.flatten(0, 1)
    left = cells.index_select(0, (row + low).flatten())
    right = cells.index_select(0, (row + high - 2**level).flatten())
    return torch.maximum(left, right)


def masked_maximum(x: Tensor, lines: Tensor) -> Tensor:
    """(M, G, k, H, C), lines (M, G, k+1) → (M, G, k·k, C): the maxima over H between each two lines, row by row.

    With this many channels side by side it is quicker than a table.
    """
    cells = torch.arange(x.shape[3], device=x.device)
    ends = nearest(lines)[..., None]
    inside = (cells >= ends[..., :-1, :]) & (cells < ends[..., 1:, :])  # (M, G, k, H)
    outside = torch.zeros_like(inside, dtype=x.dtype).masked_fill(~inside, -torch.inf)
    return torch.cat([(x + mask[:, :, None, :, None]).amax(dim=3) for mask in outside.unbind(2)], dim=2)


def nearest(lines: Tensor) -> Tensor:
    """(…, k+1) lines → the cells (int64) at which ranges begin and end. Halves go up: lines a cell apart stay apart."""
    ends = (lines + 0.5).floor().nan_to_num().long()
    return torch.maximum(ends, torch.arange(ends.shape[-1], device=ends.device))  # lines that are no numbers lie there


def regional_means(maps_NTHWC: Tensor, ys: Tensor, xs: Tensor) -> Tensor:
    """(N, T, H, W, C), lines (N, T, G, k+1) → (N, T, G, K, C): means over the regions, whose lines cut cells in parts.

    Whole cells would give the lines no gradient, and this is the only way to one.
    """
    height, width = maps_NTHWC.shape[2:4]
    down, across = occupancy(ys, height), occupancy(xs, width)  # (N, T, G, k, size)
    narrow = torch.einsum("ntgxw,nthwc->ntghxc", across, maps_NTHWC)
    sums = torch.einsum("ntgyh,ntghxc->ntgyxc", down, narrow)
    area = down.sum(dim=4)[..., :, None] * across.sum(dim=4)[..., None, :]
    return (sums / area[..., None]).flatten(3, 4)


def occupancy(lines: Tensor, size: int) -> Tensor:
    """(…, k+1) → (…, k, size): the share of each cell that lies between two lines. They sum to 1 over k."""
    cells = torch.arange(size, device=lines.device, dtype=lines.dtype)
    below = (lines[..., None] - cells).clamp(0, 1)
    return below[..., 1:, :] - below[..., :-1, :]


def shifts(points: Tensor, values: Tensor) -> Tensor:
    """(N, T, G, K, C, 2), (N, T, G, K, C) → (N, T-1, G, K, C, 2): the way to the next frame (equations 8 to 10).

    Each point of the next frame counts by how near its value is; the weights sum to 1, so that the mean way is the mean
    place less the place here.
    """
    distance = (values[:, :-1, :, :, None] - values[:, 1:, :, None]).abs()  # (N, T-1, G, α, β, C)
    weights = (1 / (distance + 0.1)).softmax(dim=4)
    there = points[:, 1:, :, None]  # (N, T-1, G, 1, β, C, 2)
    mean = torch.stack([(weights * there[..., axis]).sum(dim=4) for axis in (0, 1)], dim=-1)
    return mean - points[:, :-1]
