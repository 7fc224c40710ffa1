"""TV-L1 optical flow of many pairs of pictures at once, in PyTorch.

Source: Zach, Pock, Bischof, A duality based approach for realtime TV-L1 optical flow, DAGM 2007; the discrete form is
that of Sánchez Pérez, Meinhardt-Llopis, Facciolo, TV-L1 optical flow estimation, IPOL 2013.

The pixels of a batch are in one vector, row after row and picture after picture: the pixel to the right is one place
further, the pixel below is `width` places further. At the right and bottom edges of a picture the forward differences
are masked. The dual variables there stay 0, so backward differences need no mask at the other two edges.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

MIN_SIDE = 16
Step = Callable[..., None]


@dataclass(frozen=True)
class TVL1Settings:
    """tau: time step. lam: weight of the data term. theta: tightness. scale_step: size ratio of neighbouring scales.

    The weights are those of OpenCV. Its scale step is 0.8, and it repeats the iterations up to ten times with a median
    filter between them: that takes longer, and it is less exact where something small moves far.
    """

    tau: float = 0.25
    lam: float = 0.15
    theta: float = 0.3
    scales: int = 5
    scale_step: float = 0.5
    warps: int = 5
    iterations: int = 30


@torch.inference_mode()
def tvl1_flow(first_NHW: Tensor, second_NHW: Tensor, settings: TVL1Settings | None = None) -> Tensor:
    """Grey pictures (N, H, W) twice, 0 to 255, of any type → (N, 2, H, W) float32: pixels to the right and down.

    It runs on the device of the pictures, compiled if the machine can compile. A pair's flow does not depend on others.
    """
    settings = settings or TVL1Settings()
    step = compiled_step(first_NHW.device.type) or iterate
    firsts, seconds = (pyramid(pictures.float(), settings) for pictures in (first_NHW, second_NHW))
    flow = firsts[-1].new_zeros((len(first_NHW), 2, *firsts[-1].shape[1:]))
    for first, second in zip(reversed(firsts), reversed(seconds), strict=True):
        if flow.shape[2:] != first.shape[1:]:
            flow = F.interpolate(flow, first.shape[1:], mode="bilinear") / settings.scale_step
        flow = flow_at_scale(first, second, flow, settings, step)
    return flow


def pyramid(pictures_NHW: Tensor, settings: TVL1Settings) -> list[Tensor]:
    """The pictures and their smaller versions, down to sides of 16 pixels."""
    levels = [pictures_NHW]
    while len(levels) < settings.scales:
        size = [round(side * settings.scale_step) for side in levels[-1].shape[1:]]
        if min(size) < MIN_SIDE:
            break
        levels.append(F.interpolate(levels[-1][:, None], size, mode="bilinear")[:, 0])
    return levels


def flow_at_scale(
    first_NHW: Tensor, second_NHW: Tensor, flow_N2HW: Tensor, settings: TVL1Settings, step: Step
) -> Tensor:
    """The flow at one scale, from that of the coarser one."""
    n, height, width = first_NHW.shape
    right_mask, down_mask = (torch.ones_like(first_NHW) for _ in range(2))
    right_mask[:, :, -1], down_mask[:, -1] = 0, 0
    masks = right_mask.flatten(), down_mask.flatten()
    pixels = first_NHW.numel()
    u = [F.pad(part.flatten(), (0, width)) for part in flow_N2HW.unbind(1)]  # room for the row below the last
    p = [first_NHW.new_zeros(width + pixels) for _ in range(4)]  # and for the one above the first
    weights = settings.lam * settings.theta, settings.theta, settings.tau / settings.theta
    layers = torch.stack([second_NHW, *gradient(second_NHW)], dim=1)
    for _ in range(settings.warps):
        flow = torch.stack([part[:pixels].view(n, height, width) for part in u], dim=1)
        warped, dx, dy = warp(layers, flow).unbind(1)
        rest = warped - dx * flow[:, 0] - dy * flow[:, 1] - first_NHW
        constants = [layer.flatten() for layer in (dx, dy, dx * dx + dy * dy, rest)]
        for _ in range(settings.iterations):
            step(*u, *p, *constants, *masks, width, *weights)
    return torch.stack([part[:pixels].view(n, height, width) for part in u], dim=1)


def gradient(pictures_NHW: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences to the right and down, half of that at the edges."""
    wide, high = (F.pad(pictures_NHW, sides, mode="replicate") for sides in ((1, 1, 0, 0), (0, 0, 1, 1)))
    return (wide[..., 2:] - wide[..., :-2]) / 2, (high[:, 2:] - high[:, :-2]) / 2


def warp(layers_NCHW: Tensor, flow_N2HW: Tensor) -> Tensor:
    """(N, C, H, W) → the same shape: each pixel is sampled at its place plus the flow, bicubic, 0 outside the picture.

    Beyond its edge the picture repeats its last pixels (IPOL 2013). OpenCV makes it black there, which looks like
    movement to the flow.
    """
    height, width = layers_NCHW.shape[2:]
    device = layers_NCHW.device
    x = torch.arange(width, device=device) + flow_N2HW[:, 0]
    y = torch.arange(height, device=device)[:, None] + flow_N2HW[:, 1]
    grid = torch.stack([x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1], dim=-1)
    sampled = F.grid_sample(layers_NCHW, grid, mode="bicubic", padding_mode="border", align_corners=True)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return sampled * inside[:, None]


def iterate(
    u1: Tensor, u2: Tensor,
    p11: Tensor, p12: Tensor, p21: Tensor, p22: Tensor,
    dx: Tensor, dy: Tensor, squared: Tensor, rest: Tensor,
    right_mask: Tensor, down_mask: Tensor,
    width: int, reach: float, theta: float, rate: float,
) -> None:  # fmt: skip
    """One iteration, in place: update u by the data and the divergence of p, then p by the differences of u.

    u is (L + width,), p is (width + L,), the others (L,). reach: λθ. rate: τ/θ.
    """
    pixels = dx.shape[0]
    to = ((-rest - dx * u1[:pixels] - dy * u2[:pixels]) / (squared + 1e-9)).clamp(-reach, reach)
    for u, p_right, p_down, slope in ((u1, p11, p12, dx), (u2, p21, p22, dy)):
        divergence = p_right[width:] - p_right[width - 1 : -1] + p_down[width:] - p_down[:pixels]
        u[:pixels].copy_(u[:pixels] + to * slope + theta * divergence)
    for u, p_right, p_down in ((u1, p11, p12), (u2, p21, p22)):
        right = (u[1 : pixels + 1] - u[:pixels]) * right_mask
        down = (u[width:] - u[:pixels]) * down_mask
        shrink = 1 / (1 + rate * (right * right + down * down).sqrt())
        p_right[width:].copy_((p_right[width:] + rate * right) * shrink)
        p_down[width:].copy_((p_down[width:] + rate * down) * shrink)


@functools.cache
def compiled_step(device: str) -> Step | None:
    """`iterate`, compiled for any size on a kind of device, or None where this machine cannot compile it."""
    step: Step = torch.compile(iterate, dynamic=True)
    width, pixels = 24, 24 * 20
    ends, inside = (torch.zeros(length, device=device) for length in (pixels + width, pixels))
    try:
        with torch.inference_mode():
            step(*(ends.clone() for _ in range(6)), *(inside.clone() for _ in range(6)), width, 0.045, 0.3, 0.8)
    except (RuntimeError, OSError, ImportError):  # no compiler, no room for its cache, no Triton
        return None
    return step
