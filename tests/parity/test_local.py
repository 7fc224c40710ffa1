"""MLFE's head: its paper, sections 3.2 to 3.4, one frame, class and stage at a time.

Peaks and the softmax are computed in float32 on purpose, and in float64 here (see `wide`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinesics.models.heads.local import LocalHead
from kinesics.training.optim import term_losses
from tests.parity.loops import Array, array, conv, linear, norm, randomised, relu, same, softmax

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("wide")]

WIDTHS = {"layer2": 8, "layer3": 12, "layer4": 16, "layer5": 20}
CELLS = (2, 3)
TRAINING = pytest.mark.parametrize("training", [False, True])


def features(n: int = 2, t: int = 3) -> dict[str, Tensor]:
    return {
        name: torch.randn(n, t, width, CELLS[0] * 2 ** (3 - i), CELLS[1] * 2 ** (3 - i), dtype=torch.float64)
        for i, (name, width) in enumerate(WIDTHS.items())
    }


def head(num_classes: int, training: bool, **arguments: Any) -> LocalHead:
    made: LocalHead = randomised(LocalHead(WIDTHS, num_classes, 0.0, **arguments))
    return made.train(training)


def peak(maps: Array, weights: Array) -> tuple[int, int]:
    """Equations 1 and 5: the row and the column of the highest M_c(x, y) = Σ w_k^c f_k(x, y); the first of equals."""
    best, place = -np.inf, (0, 0)
    for row in range(maps.shape[1]):
        for column in range(maps.shape[2]):
            value = sum(weight * maps[k, row, column] for k, weight in enumerate(weights))
            if value > best:
                best, place = value, (row, column)
    return place


def pooled(crops: Array, block: Any) -> Array:
    """GAP(R(F)) of equation 8: the standard residual block of three convolutions, and the mean."""
    y = relu(norm(conv(crops, block.conv1.weight), block.bn1))
    y = relu(norm(conv(y, block.conv2.weight, padding=1), block.bn2))
    y = norm(conv(y, block.conv3.weight), block.bn3)
    return relu(y + crops).mean(axis=(2, 3))


def local_features(x: dict[str, Array], made: LocalHead) -> dict[str, Array]:
    """{stage: (N·T, K, C)}: what a score is made of, equations 5 to 8. Conv4_x has no residual block."""
    found, last = {}, x["layer5"]
    num_classes = len(made.fc.weight)
    for name in made.layers:
        scale = x[name].shape[3] // last.shape[3]  # equation 7
        crops = []
        for frame in range(len(last)):
            for c in range(num_classes):
                row, column = peak(last[frame], array(made.fc.weight[c]))
                rows = slice(row * scale, (row + 1) * scale)  # equation 6
                columns = slice(column * scale, (column + 1) * scale)
                crops.append(x[name][frame, :, rows, columns])
        stacked = np.stack(crops)
        vectors = stacked.mean(axis=(2, 3)) if name == "layer4" else pooled(stacked, made.blocks[name])
        found[name] = vectors.reshape(len(last), num_classes, -1)
    return found


def score(vectors: Array, module: Any, hidden: bool) -> Array:
    """(…, C) → (…): FC, in one layer or two."""
    return (linear(relu(linear(vectors, module[0])), module[2]) if hidden else linear(vectors, module))[..., 0]


def local_scores(x: dict[str, Array], made: LocalHead, t: int, fusion: str, scores: str, hidden: bool) -> Array:
    """Equations 2 and 3: O_MLFE."""
    vectors = local_features(x, made)
    if fusion == "concat":
        found = [score(np.concatenate(list(vectors.values()), axis=2), made.score["all"], hidden)]
    else:
        found = [score(y, made.score[name], hidden) for name, y in vectors.items()]
    if scores == "softmax":
        found = [softmax(y, axis=1) for y in found]
    frames = sum(found) if fusion == "sum" else sum(found) / len(found)
    return frames.reshape(-1, t, frames.shape[1]).mean(axis=1)


def cross_entropy(logits: Array, labels: list[int]) -> Array:
    """−Σ b_c (O^c − log Σ_j exp O^j), a clip at a time."""
    return np.array([np.log(np.exp(row).sum()) - row[label] for row, label in zip(logits, labels, strict=True)])


@TRAINING
@pytest.mark.parametrize("way", ["class", "cells", "unique"])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"fusion": "sum", "scores": "logits"},
        {"fusion": "concat", "fc_hidden": 6},
        {"layers": ["layer2"], "fc_hidden": 5, "weight": 0.7},
        {"layers": ["layer4", "layer3"], "tsm_loss": False, "scores": "logits", "weight": 1.0},
    ],
)
def test_scores_and_losses(training: bool, way: Any, arguments: dict[str, Any]) -> None:
    made = head(4, training, way=way, **arguments)
    x, labels = features(), [2, 0]
    arrays = {name: array(features.flatten(0, 1)) for name, features in x.items()}
    frames = linear(arrays["layer5"].mean(axis=(2, 3)), made.fc)
    tsm = frames.reshape(2, 3, 4).mean(axis=1)
    fusion, scores = arguments.get("fusion", "average"), arguments.get("scores", "softmax")
    local = local_scores(arrays, made, 3, fusion, scores, arguments.get("fc_hidden", 0) > 0)
    share = arguments.get("weight", 0.1)
    same(made(x), tsm + share * local)  # equation 4
    losses = term_losses(made.terms(x), torch.eye(4).double()[labels], multi_label=False)
    wanted = share * cross_entropy(local, labels)  # equation 9
    if arguments.get("tsm_loss", True):
        wanted = wanted + cross_entropy(tsm, labels)
    same(losses, wanted)
