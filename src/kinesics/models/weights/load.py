"""Loading published weights into a recognizer, and a report of every name that did or did not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kinesics.errors import UserError
from kinesics.files import sha256
from kinesics.models.recognizer import Recognizer
from kinesics.models.weights.convert import convert
from kinesics.models.weights.sources import find_weights, read_state

SHOWN = 6


@dataclass(frozen=True)
class LoadReport:
    """What became of a weights file. Names are the recognizer's.

    adapted: name → how the file's tensor was changed to fit, or why it was left out.
    missing: what the file does not hold and starts fresh. unexpected: what it holds and the model has no place for.
    """

    source: str
    path: Path
    kind: str
    sha256: str
    matched: tuple[str, ...]
    adapted: Mapping[str, str]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report for people."""
        origin = self.source if self.source == str(self.path) else f"{self.source}, {self.path}"
        report = [f"weights: {origin} ({self.kind} names, SHA-256 {self.sha256[:8]})"]
        report.append(f"  matched {len(self.matched)} of {len(self.matched) + len(self.adapted) + len(self.missing)}")
        report += [f"  adapted {name}: {how}" for name, how in self.adapted.items()]
        if self.missing:
            report.append(f"  missing {len(self.missing)}, they start fresh: {first_names(self.missing)}")
        if self.unexpected:
            report.append(f"  unexpected {len(self.unexpected)}, left out: {first_names(self.unexpected)}")
        return report


def load_weights(model: Recognizer, source: str | Path) -> LoadReport:
    """Load `source` ("imagenet", "kinetics" or a file) into `model` in place. A head of another size starts fresh.

    The first convolution is adapted to another number of input channels by the mean over the file's channels,
    repeated (as TSN and STP do for flow), and 2D kernels to 3D ones by repeating them over time (as I3D does).

    Raises:
        UserError: the file is not found or cannot be read, or its backbone is not the model's.
    """
    source = str(source)
    path = find_weights(source, model.name)
    theirs = read_state(path)
    kind, state = convert(theirs)
    own = model.state_dict()
    if not any(name.startswith("backbone.") and name in own for name in state):
        raise UserError(f"{path}: nothing in it fits {model.name}; found {first_names(sorted(theirs))}")
    matched: dict[str, Tensor] = {}
    adapted: dict[str, str] = {}
    first = f"backbone.{model.backbone.first_conv}.weight"
    for name in sorted(own.keys() & state.keys()):
        place = own[name]
        found, how = inflated(state[name], place)
        if how:
            adapted[name] = how
        if found.shape == place.shape:
            matched[name] = found
        elif found.shape == (1, *place.shape):  # BatchNorms of tsn-pytorch's BN-Inception
            matched[name] = found[0]
        elif name.startswith("head."):
            adapted[name] = f"{sizes(found)} in the file, {sizes(place)} here: starts fresh"
        elif name == first and found.shape[2:] == place.shape[2:] and found.shape[0] == place.shape[0]:
            mean = f"mean of {found.shape[1]} input channels for each of {place.shape[1]}"
            adapted[name] = f"{mean}, {how}" if how else mean
            matched[name] = found.mean(dim=1, keepdim=True).expand_as(place)
        else:
            raise UserError(f"{path}: {name} is {sizes(found)}, expected {sizes(place)} for {model.name}")
    missing = tuple(name for name in own if name not in state and not name.endswith("num_batches_tracked"))
    unexpected = tuple(sorted(name for name in state if name not in own))
    refuse_other_backbone(model, path, missing, unexpected)
    with torch.no_grad():
        for name, tensor in matched.items():
            own[name].copy_(tensor)
    stream = model.backbone.temporal_stream
    if stream and not any(".temporal_stream." in name for name in matched):
        stream.start_from(model.backbone)
    return LoadReport(
        source=source,
        path=path,
        kind=kind,
        sha256=sha256(path),
        matched=tuple(name for name in matched if name not in adapted),
        adapted=adapted,
        missing=missing,
        unexpected=unexpected,
    )


def inflated(found: Tensor, place: Tensor) -> tuple[Tensor, str]:
    """A 2D kernel (C', C, H, W) as one over time (C', C, T, H, W), where `place` is that, and how; or itself and "".

    Each of the T is the kernel divided by T: on a clip without motion the two give the same.
    """
    if (found.ndim, place.ndim) != (4, 5) or found.shape[2:] != place.shape[3:]:
        return found, ""
    frames = place.shape[2]
    how = f"inflated over {frames} frames" if frames > 1 else ""
    return found[:, :, None].expand(-1, -1, frames, -1, -1) / frames, how


def refuse_other_backbone(model: Recognizer, path: Path, missing: Sequence[str], unexpected: Sequence[str]) -> None:
    """Raise UserError where backbone and file differ: half of another network's weights would do silent harm.

    What is in the slots is the system's own, and may be missing or too much.
    """
    for names, what in ((missing, "does not hold"), (unexpected, "also holds")):
        others = [name for name in names if name.startswith("backbone.") and ".temporal" not in name]
        if others:
            raise UserError(
                f"{path}: weights of another backbone than that of {model.name}: "
                f"the file {what} {len(others)} names, {first_names(others)}"
            )


def first_names(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def sizes(tensor: Tensor) -> str:
    """A tensor's shape in words: 1000×1280."""
    return "×".join(str(size) for size in tensor.shape) or "a number"
