"""What the papers print of their models' size and cost, beside our count of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from kinesics.metrics.cost import Rule, cost
from kinesics.models.build import create_model
from kinesics.models.recognizer import Recognizer


@dataclass(frozen=True)
class Printed:
    """A row of a paper's table, or the count of its authors' code.

    size: in millions of parameters. cost: in G. Either is None where the paper prints none.
    classes: how many the parameters are counted with. macs_classes: and the cost, where that differs.
    steps, height, width: of the clip that the cost is of. each: what one MAC counts for in the paper, or how many views
    or streams of that clip the paper adds up.
    note: why the two differ.
    """

    paper: str
    row: str
    model: str
    classes: int
    size: float | None = None
    cost: float | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    macs_classes: int | None = None
    steps: int = 8
    height: int = 224
    width: int = 224
    rule: Rule = "conv+fc"
    each: int = 1
    note: str = ""


def lfe(name: str, layers: tuple[str, ...], size: float, giga: float, note: str = "") -> Printed:
    """A row of MLFE's table 1."""
    arguments = {"layers": layers}
    return Printed("MLFE, table 1", name, "mlfe_resnet50", 400, size, giga, arguments, macs_classes=10, note=note)


def tefe(name: str, steps: int, giga: float | None = None, table: int = 1, **arguments: Any) -> Printed:
    """A row of TEFE's tables."""
    arguments = {"num_steps": steps, **arguments}
    paper = f"TEFE, table {table}"
    return Printed(paper, name, "tefe_resnet50", 174, None, giga, arguments, None, steps, 224, 256, "conv+fc+bn")


def kpsem_r3d(name: str, model: str, **arguments: Any) -> Printed:
    """A row of KPSEM's table 2d."""
    return Printed("KPSEM, table 2", name, model, 51, arguments=arguments, steps=16, rule="conv+fc+bn")


def mdt(name: str, steps: int, **arguments: Any) -> Printed:
    """A row of MDT-Net's table 1."""
    return Printed("MDT-Net, table 1", name, "mdt_resnet50", 174, arguments=arguments, steps=steps)


HIDDEN = "with fc_hidden=64, which equation 8 does not have, 24.79 M"
TABLE = (
    Printed("MLFE, table 1", "TSM", "tsm_resnet50", 400, 24.3, 33.0, macs_classes=10, note="as TSM's paper has it"),
    lfe("TSM + LFE (Conv2_x)", ("layer2",), 24.4, 33.35),
    lfe("TSM + LFE (Conv3_x)", ("layer3",), 24.6, 33.36),
    lfe("TSM + LFE (Conv4_x)", ("layer4",), 24.4, 33.01),
    lfe("TSM + MLFE", ("layer2", "layer3", "layer4"), 24.8, 33.72, HIDDEN),
    Printed("MLFE, table 3", "Proposed-RGB, BN-Inception", "mlfe_bninception", 10, 10.5, None),
    Printed("MLFE, table 3", "TSN, BN-Inception", "tsn_bninception", 7, 10.3, None),
    Printed(
        "MLFE, table 3",
        "STP-RGB, one segment",
        "stp_bninception",
        7,
        10.3,
        16.4,
        steps=4,
        each=2,
        note="the paper counts biases, ReLU and pooling as well: 16.39",
    ),
    Printed(
        "MLFE, table 3",
        "C3D",
        "plain_c3d",
        101,
        79.0,
        296.7,
        steps=16,
        height=112,
        width=112,
        note="one clip of 16 × 112²; nothing we counted gives 296.7: 16 × 224² is 154.0, and 308.1 at two a MAC",
    ),
    Printed(
        "MLFE, table 3",
        "R(2+1)D, two streams",
        "plain_r2plus1d34",
        400,
        63.8,
        304.0,
        steps=32,
        height=112,
        width=112,
        each=2,
        note="34 layers, 32 frames of 112²: the cost of two streams, the parameters of one",
    ),
    Printed(
        "KPSEM, table 1",
        "MFNet",
        "plain_mfnet",
        400,
        8.0,
        11.1,
        steps=16,
        rule="conv+fc+bn",
    ),
    Printed(
        "KPSEM, table 1",
        "MF-KPSEM",
        "kpsem_mfnet",
        200,
        8.11,
        11.21,
        steps=16,
        rule="conv+fc+bn",
        note="the paper does not say for how many classes",
    ),
    Printed(
        "TEFE, table 1",
        "I3D-ResNet-50",
        "plain_i3d50",
        174,
        None,
        918.0,
        steps=32,
        rule="conv+fc+bn",
        each=6,
        note="six views of 32 frames, 153 each",
    ),
    kpsem_r3d("R3D", "plain_r3d50"),
    kpsem_r3d("R3D-KPSEM", "kpsem_r3d50", stage="layer3"),
    tefe("TEFE, 8 frames", 8, 90),
    tefe("TEFE, 16 frames", 16, 181),
    tefe("TE alone", 16, table=4, te=(3, 4, 6, 3), fe=(0, 0, 0, 0)),
    tefe("FE alone", 16, table=4, te=(0, 0, 0, 0), fe=(0, 4, 6, 3)),
    tefe("TE 3, 3, 3, 3, FE 0, 1, 3, 0", 16, table=5, te=(3, 3, 3, 3), fe=(0, 1, 3, 0)),
    tefe("TE 2, 2, 2, 2, FE 0, 2, 4, 1", 16, table=5, te=(2, 2, 2, 2), fe=(0, 2, 4, 1)),
    mdt("MDT-Net, 8 segments", 8),
    mdt("MDT-Net, 16 segments", 16),
    mdt("without salience, 16 segments", 16, salience=False),
    Printed(
        "TEA, authors' code",
        "TEA, 8 frames",
        "tea_res2net50",
        174,
        24.46,
        34.54,
        note="counted from their code",
    ),
)


@dataclass(frozen=True)
class Line:
    """A row with our count: parameters, and the cost as the paper counts it, in single units."""

    printed: Printed
    parameters: int
    cost: int

    @property
    def deviations(self) -> tuple[float | None, float | None]:
        """Ours against what is printed, size and cost, as shares: 0.01 is one per cent more."""
        size, giga = self.printed.size, self.printed.cost
        return (
            None if size is None else self.parameters / (size * 1e6) - 1,
            None if giga is None else self.cost / (giga * 1e9) - 1,
        )

    def row(self) -> dict[str, Any]:
        """As JSON."""
        size, giga = self.deviations
        return {
            "table": self.printed.paper,
            "row": self.printed.row,
            "model": self.printed.model,
            "parameters": self.parameters,
            "printed_millions": self.printed.size,
            "size_deviation": size,
            "cost": self.cost,
            "printed_giga": self.printed.cost,
            "cost_deviation": giga,
            "rule": self.printed.rule if self.printed.each == 1 else f"{self.printed.each} × {self.printed.rule}",
            "note": self.printed.note,
        }


def lines() -> list[Line]:
    """Every row of TABLE, counted. Nothing is computed but shapes."""
    return [counted(printed) for printed in TABLE]


def shadow(printed: Printed, classes: int) -> Recognizer:
    """A row's model, with shapes but no values."""
    with torch.device("meta"):
        return create_model(printed.model, classes, **printed.arguments)


def counted(printed: Printed) -> Line:
    """A row with our count of its model."""
    model = shadow(printed, printed.classes)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if printed.macs_classes:
        model = shadow(printed, printed.macs_classes)
    shape = (1, printed.steps, model.channels, printed.height, printed.width)
    return Line(printed, parameters, printed.each * cost(model, shape, printed.rule).macs)


def markdown(found: list[Line]) -> str:
    """The rows as a table for `docs/cost.md`."""
    head = [
        "| table | row | parameters | printed | off by | G | printed | off by | counted | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(markdown_row(line.row()) for line in found)]) + "\n"


def markdown_row(row: Mapping[str, Any]) -> str:
    """One of them."""
    size, giga = row["printed_millions"], row["printed_giga"]
    cells = [
        row["table"],
        row["row"],
        f"{row['parameters']:,}",
        "" if size is None else f"{size:g} M",
        "" if size is None else percent(row["size_deviation"]),
        f"{row['cost'] / 1e9:.2f}",
        "" if giga is None else f"{giga:g}",
        "" if giga is None else percent(row["cost_deviation"]),
        row["rule"],
        row["note"],
    ]
    return f"| {' | '.join(cells)} |"


def percent(share: float) -> str:
    """0.0049 → "+0.5 %", and neither + nor − before 0.0."""
    text = f"{100 * share:+.1f} %"
    return text[1:] if text[1:] == "0.0 %" else text
