"""MDT-Net: a stream of motion beside the first stage, and gains of channels from motion in the later ones.

The paper has no formulas. This is a reading: it follows the text and its relatives TSN, TEA, TDN and
deformable convolution. A time step is five consecutive RGB frames, of which the fourth is the key frame.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.models.backbones.backbone import Backbone
from kinesics.models.temporal.deformable import DeformableConv2d
from kinesics.models.temporal.salience import LUMINANCE, gain, motion_salience
from kinesics.models.temporal.shift import TemporalShift
from kinesics.models.temporal.slot import Site, Still, Temporal
from kinesics.models.temporal.stream import TemporalStream

FRAMES, KEY = 5, 3
"""Frames of a time step, and which of them, from 0, is the key frame."""
REDUCTION = 16
STAGES_WITH_GAINS = ("layer3", "layer4", "layer5")
GRID = 7
"""Side of the maps whose correlation is taken."""


@dataclass(frozen=True)
class MDT:
    """The slot of MDT-Net. dcme, stce: its two gains, for ablations. shift: TSM's shift before each block as well."""

    dcme: bool = True
    stce: bool = True
    shift: bool = False

    def __call__(self, site: Site) -> Temporal:
        """The module of a block."""
        if site.stage in STAGES_WITH_GAINS and (self.dcme or self.stce):
            return MotionGain(site.width, inner=site.inner, dcme=self.dcme, stce=self.stce, shift=self.shift)
        return TemporalShift() if self.shift else Still()


class MotionGain(Temporal):
    """o·(1 + A + E) after a block's first convolution: A from deformed differences of frames, E from correlations."""

    def __init__(self, width: int, *, inner: bool, dcme: bool, stce: bool, shift: bool) -> None:
        super().__init__()
        self.at_inner = inner
        self.dcme = DeformableExcitation(width) if dcme else None
        self.stce = CorrelationExcitation(width) if stce else None
        self.shift = TemporalShift() if shift else None

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → the same."""
        return x if self.shift is None else self.shift(x, t)

    def inner(self, x: Tensor, t: int) -> Tensor:
        """(N*T, w, H, W) → the same; in bottlenecks."""
        return self.gained(x, t) if self.at_inner else x

    def hidden(self, x: Tensor, t: int) -> Tensor:
        """(N*T, w, H, W) → the same; in blocks without the place `inner`, after their spatial convolution."""
        return x if self.at_inner else self.gained(x, t)

    def gained(self, x: Tensor, t: int) -> Tensor:
        """(N*T, w, H, W) → the same."""
        factor = torch.ones_like(x[:, :, :1, :1])
        for excitation in (self.dcme, self.stce):
            if excitation is not None:
                factor = factor + excitation(x, t)
        return x * factor


class DeformableExcitation(nn.Module):
    """DCME: the next frame, sampled where it has moved to, minus this one, as a gain of every place and channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        small = width // REDUCTION
        self.reduce = nn.Conv2d(width, small, 1, bias=False)
        self.reduce_bn = nn.BatchNorm2d(small)
        self.deform3, self.deform5 = DeformableConv2d(small, 3), DeformableConv2d(small, 5)
        self.offsets = nn.Conv2d(small, self.deform3.num_offsets + self.deform5.num_offsets, 3, 1, 1)
        self.expand = nn.Conv2d(small, width, 1, bias=False)
        self.expand_bn = nn.BatchNorm2d(width)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)  # type: ignore[arg-type]  # it has one
        nn.init.zeros_(self.expand_bn.weight)

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, w, H, W) → the same, −½ to ½; 0 for the last frame before BatchNorm."""
        u = torch.unflatten(self.reduce_bn(self.reduce(x)), 0, (-1, t))
        difference = torch.cat([self.moved(u), torch.zeros_like(u[:, :1])], dim=1) if t > 1 else torch.zeros_like(u)
        y: Tensor = self.expand_bn(self.expand(difference.flatten(0, 1))).sigmoid() - 0.5
        return y

    def moved(self, u: Tensor) -> Tensor:
        """(N, T, c, H, W) → (N, T − 1, c, H, W): what is at the places that things moved to, less what is here."""
        now, following = u[:, :-1].flatten(0, 1), u[:, 1:].flatten(0, 1)
        for3, for5 = self.offsets(following - now).split([self.deform3.num_offsets, self.deform5.num_offsets], dim=1)
        difference = (self.deform3(following, for3) + self.deform5(following, for5)) / 2 - now
        return torch.unflatten(difference, 0, (-1, u.shape[1] - 1))


class CorrelationExcitation(nn.Module):
    """STCE: how strong a channel is, and how little its map is like the next frame's, as a gain of the channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        small = width // REDUCTION
        self.strength = nn.Linear(width, small, bias=False)
        self.change = nn.Linear(width, small, bias=False)
        self.conv = nn.Conv1d(small, small, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm1d(small)
        self.expand = nn.Linear(small, width)
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, w, H, W) → (N*T, w, 1, 1), −½ to ½."""
        strength_NTC = torch.unflatten(x.mean(dim=(2, 3)), 0, (-1, t))
        maps_NTCP = torch.unflatten(F.adaptive_avg_pool2d(x, GRID).flatten(2), 0, (-1, t))
        change_NTC = F.pad(decorrelation(maps_NTCP[:, :-1], maps_NTCP[:, 1:]), (0, 0, 0, 1))
        z = (self.strength(strength_NTC) + self.change(change_NTC)).transpose(1, 2)
        z = F.relu(self.bn(self.conv(z))).transpose(1, 2)
        y: Tensor = self.expand(z).sigmoid() - 0.5
        return y.flatten(0, 1)[:, :, None, None]


def decorrelation(a: Tensor, b: Tensor) -> Tensor:
    """(…, P) twice → (…): 1 − their cosine; 0 where one of them is 0 everywhere."""
    a, b = a.float(), b.float()
    norms = a.norm(dim=-1) * b.norm(dim=-1)
    found: Tensor = (norms - (a * b).sum(dim=-1)) / (norms + 1e-6)
    return found


class DifferenceStem(nn.Module):
    """A convolution like the backbone's first, BatchNorm and ReLU on differences of frames."""

    def __init__(self, first: nn.Conv2d, channels: int) -> None:
        super().__init__()
        self.conv = copy.deepcopy(first)
        self.conv.in_channels = channels
        self.start_from(first)
        self.bn = nn.BatchNorm2d(first.out_channels)

    def start_from(self, first: nn.Conv2d) -> None:
        """Begin with the mean of the backbone's first convolution over its input channels."""
        mean = first.weight.detach().mean(dim=1, keepdim=True)
        self.conv.weight = nn.Parameter(mean.repeat(1, self.conv.in_channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(M, C, H, W) → (M, width, H/2, W/2)."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class MotionStream(TemporalStream):
    """What is added to the key frames' features after the stem and after layer2: features of differences of frames.

    Fine differences are those within a time step, coarse ones those between key frames; with neither nothing is added.
    What the stream gives for a clip without motion is subtracted, so such a clip gets nothing: the norms' biases alone
    would give it nearly as much as a moving one.

    salience: weigh both by it. scale: what is added is multiplied by it at first, then by what is learned for each
    channel. At 0 the stream takes no part in the first steps, and hardly any later.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        salience: bool = True,
        fine: bool = True,
        coarse: bool = True,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        first = first_conv(backbone)
        if first.in_channels != 3:
            raise UserError("MDT-Net takes RGB frames")
        self.salience = salience
        self.fine = DifferenceStem(first, 3 * (FRAMES - 1)) if fine else None
        self.coarse = DifferenceStem(first, 6) if coarse else None
        if fine or coarse:
            stem, layer2 = backbone.first_blocks()
            self.stem_blocks = copy.deepcopy(nn.ModuleList(stem))
            self.blocks = copy.deepcopy(nn.ModuleList(layer2))
            self.shifts = any(isinstance(module, TemporalShift) for module in self.modules())
            self.scale_stem = nn.Parameter(torch.full((backbone.stem_width,), scale))
            self.scale_layer2 = nn.Parameter(torch.full((backbone.widths["layer2"],), scale))
        std = torch.tensor(backbone.input_norm.std) * torch.tensor(LUMINANCE)
        self.register_buffer("luminance", std, persistent=False)

    def start_from(self, backbone: Backbone) -> None:
        """Begin with the backbone's weights: stems with the mean of its first convolution, blocks with its own."""
        for stem in (self.fine, self.coarse):
            if stem is not None:
                stem.start_from(first_conv(backbone))
        if self.fine is not None or self.coarse is not None:
            for ours, theirs in zip((self.stem_blocks, self.blocks), backbone.first_blocks(), strict=True):
                ours.load_state_dict(nn.ModuleList(theirs).state_dict())

    def forward(self, clips: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(N, T, 15, H, W) normalised → the key frames (N*T, 3, H, W), and what is added to "stem" and "layer2"."""
        if clips.shape[2] != 3 * FRAMES:
            raise UserError(
                f"MDT-Net takes {FRAMES} RGB frames a time step, {3 * FRAMES} channels, found {clips.shape[2]}"
            )
        frames = torch.unflatten(clips, 2, (FRAMES, 3))
        t = frames.shape[1]
        keys = frames[:, :, KEY]
        if self.fine is None and self.coarse is None:
            return keys.flatten(0, 1), {}
        gains_NTHW = self.gains(frames)
        num_still = t if self.shifts else 1
        stems = [stem(with_still(x, num_still)) for stem, x in self.differences(frames, keys, gains_NTHW)]
        x = torch.stack(stems).mean(dim=0)
        for block in self.stem_blocks:
            x = block(x, t)
        added = {"stem": less_still(x, num_still) * self.scale_stem[:, None, None]}
        for block in self.blocks:
            x = block(x, t)
        return keys.flatten(0, 1), {**added, "layer2": less_still(x, num_still) * self.scale_layer2[:, None, None]}

    def gains(self, frames_NTF3HW: Tensor) -> Tensor | None:
        """(N, T, F, 3, H, W) → (N, T, H/4, W/4), or None without salience."""
        if not self.salience:
            return None
        weights = self.luminance.view(3, 1, 1)  # type: ignore[operator]
        return gain(motion_salience((frames_NTF3HW.float() * weights).sum(dim=3)))

    def differences(
        self, frames_NTF3HW: Tensor, keys_NT3HW: Tensor, gains_NTHW: Tensor | None
    ) -> list[tuple[nn.Module, Tensor]]:
        """The stems, each with its differences (N, T, C, H/2, W/2)."""
        found: list[tuple[nn.Module, Tensor]] = []
        if self.fine is not None:
            within = (frames_NTF3HW[:, :, 1:] - frames_NTF3HW[:, :, :-1]).flatten(2, 3)
            found.append((self.fine, weighed(within, gains_NTHW)))
        if self.coarse is not None:
            step = keys_NT3HW[:, 1:] - keys_NT3HW[:, :-1]
            both = None if gains_NTHW is None else torch.maximum(gains_NTHW[:, 1:], gains_NTHW[:, :-1])
            step = weighed(step, both)
            zero = torch.zeros_like(weighed(keys_NT3HW[:, :1], None))
            found.append((self.coarse, torch.cat([torch.cat([step, zero], 1), torch.cat([zero, step], 1)], 2)))
        return found


def with_still(x_NTCHW: Tensor, num_still: int) -> Tensor:
    """(N, T, C, H, W) differences → (N*T + S, C, H, W): the same, and those of S frames without motion."""
    return torch.cat([x_NTCHW.flatten(0, 1), torch.zeros_like(x_NTCHW[0, :num_still])])


def less_still(x: Tensor, num_still: int) -> Tensor:
    """(N*T + S, C, H, W), the last S without motion → (N*T, C, H, W): what motion adds."""
    moving, still = x[:-num_still], x[-num_still:]
    return (torch.unflatten(moving, 0, (-1, num_still)) - still).flatten(0, 1)


def first_conv(backbone: Backbone) -> nn.Conv2d:
    """The backbone's first convolution."""
    conv = backbone.get_submodule(backbone.first_conv)
    if not isinstance(conv, nn.Conv2d):
        raise TypeError(f"{type(backbone).__name__} begins with {type(conv).__name__}, expected a 2D convolution")
    return conv


def weighed(x_NTCHW: Tensor, gains_NTHW: Tensor | None) -> Tensor:
    """(N, T, C, H, W) → half the size, times the gains."""
    halved = F.avg_pool2d(x_NTCHW.flatten(0, 1), 2, ceil_mode=True)
    if gains_NTHW is not None:
        halved = halved * F.interpolate(gains_NTHW.flatten(0, 1)[:, None].to(halved.dtype), halved.shape[2:])
    return torch.unflatten(halved, 0, x_NTCHW.shape[:2])
