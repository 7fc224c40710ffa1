"""Backbones of 3D convolutions: clips stay whole, and time may be halved like height and width."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from kinesics.models.backbones.backbone import STAGES, Backbone


class Volume(Backbone):
    """A backbone whose stages see (N, C, T, H, W). It has no slots: its own convolutions go over time."""

    sees_time = True

    def stem(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) → (N, C', T', H', W'), what comes before layer2."""
        raise TypeError(f"{type(self).__name__} has no stem")

    def stage(self, name: str, x: Tensor, t: int) -> Tensor:
        """(N, C, T, H, W) → (N, C', T', H', W'), one stage of STAGES on the output of the one before."""
        raise TypeError(f"{type(self).__name__} has no stages")

    def forward_stages(self, clips: Tensor, names: Sequence[str] = ("layer5",)) -> dict[str, Tensor]:
        """(N, T, C, H, W) normalised → {name: (N, T', C', H', W')} for the names asked for, and no stage beyond them.

        As in `Backbone`, what follows a stage is computed from the features that are given.
        """
        features: dict[str, Tensor] = {}
        x = self.stem(clips.transpose(1, 2))
        for name in STAGES:
            x = self.stage(name, x, x.shape[2])
            if name in names:
                features[name] = x.transpose(1, 2)
                x = features[name].transpose(1, 2)
            if len(features) == len(names):
                return features
        raise KeyError(f"stages are {', '.join(STAGES)}; expected some of them, found {', '.join(names)}")
