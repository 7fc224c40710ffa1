"""The settings of a set of puppets."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from kinesics.data.puppets.motions import CLASSES, TIPS
from kinesics.errors import UserError, unknown

GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class PuppetSettings:
    """Draw the puppets, the embedded data set: small videos whose classes differ only in motion.

    How many clips, how large, and how far the puppets move. Values are checked when the settings are created.

    Args:
        size: Height and width in pixels.
        num_frames: Frames of a clip.
        fps: Frames per second.
        amplitude_percent: How far the tip of the moving part travels, between its two extremes, in per cent of the
            frame's height (`motions.TIPS` names the tip of each class).
        hand_percent: The same for classes that move a hand, which can go farther than a head; by default no difference.
        motion_share: How much of the clip a motion takes, least and most.
        seed: The same seed draws the same videos.
        classes: The classes; all by default.
        clips_per_class: Videos of each class, and actors: actor i plays clip i of every class.
        val_share: Share of the actors whose clips are in the split val.
        test_share: Share of the actors whose clips are in the split test.
        distractors: Shapes that move behind the puppet.
        idle_percent: How far every body sways, the same in all classes, in per cent of the frame's height.
        jitter_percent: How far the camera shakes, the same in all classes, in per cent of the frame's height.
        noise: Standard deviation of the pixels' noise, for values 0 to 255.
    """

    size: int = 64
    num_frames: int = 24
    fps: float = 12.0
    amplitude_percent: float = 10.0
    hand_percent: float | None = None
    motion_share: tuple[float, float] = (0.45, 0.8)
    seed: int = 0
    classes: tuple[str, ...] = CLASSES
    clips_per_class: int = 50
    val_share: float = 0.2
    test_share: float = 0.2
    distractors: int = 2
    idle_percent: float = 0.3
    jitter_percent: float = 0.4
    noise: float = 2.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "motion_share", tuple(self.motion_share))
        for name, low, high in (
            ("size", 16, 2048),
            ("num_frames", 8, 10_000),
            ("fps", 1, 1000),
            ("amplitude_percent", 0.1, 15),
            ("hand_percent", 0.1, 30),
            ("seed", 0, 2**63 - 1),
            ("clips_per_class", 1, 1_000_000),
            ("val_share", 0, 1),
            ("test_share", 0, 1),
            ("distractors", 0, 100),
            ("idle_percent", 0, 5),
            ("jitter_percent", 0, 5),
            ("noise", 0, 50),
        ):
            value = getattr(self, name)
            if value is None and name == "hand_percent":
                continue
            if not math.isfinite(value) or not low <= value <= high:
                raise UserError(f"puppets: expected {name} from {low} to {high}, found {value}")
        if len(self.motion_share) != 2 or not 0.1 <= self.motion_share[0] <= self.motion_share[1] <= 1:
            raise UserError(f"puppets: expected motion_share from 0.1 to 1, the least first, found {self.motion_share}")
        if self.val_share + self.test_share > 1:
            raise UserError(
                f"puppets: expected val_share + test_share up to 1, found {self.val_share} + {self.test_share}"
            )
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise UserError(
                f"puppets: expected one class or more, each once, found {', '.join(self.classes) or 'none'}"
            )
        for name in self.classes:
            if name not in CLASSES:
                raise unknown("puppet class", name, CLASSES)

    def travel_of(self, label: str) -> float:
        """How far the tip of a class travels, as a share of the frame's height."""
        percent = self.hand_percent if TIPS[label] == "hand" else None
        return (self.amplitude_percent if percent is None else percent) / 100

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` reads them."""
        return asdict(self) | {"classes": list(self.classes), "motion_share": list(self.motion_share)}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> PuppetSettings:
        """The settings that `to_dict` wrote. Raises UserError for an unknown name."""
        setting_names = [field.name for field in fields(PuppetSettings)]
        for name in values:
            if name not in setting_names:
                raise unknown("puppet setting", name, setting_names)
        return PuppetSettings(**values)

    def split_of(self, actor: int) -> str:
        """train, val or test: the split of all clips of an actor. For every n, the first n actors have the shares.

        Steps of the golden ratio spread the actors evenly over 0 to 1: of any number of actors, an interval holds its
        share, up to one or two.
        """
        place = (0.5 + actor * GOLDEN) % 1
        if place < self.test_share:
            return "test"
        return "val" if place < self.test_share + self.val_share else "train"
