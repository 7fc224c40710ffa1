"""Costs against counts by hand and the published ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kinesics.errors import UserError
from kinesics.metrics.cost import Cost, cost
from kinesics.models.build import create_model


def test_a_small_network_by_hand() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    conv, fc, norm = 10 * 10 * 8 * 3 * 9, 8 * 5, 2 * 10 * 10 * 8
    parameters = 8 * 3 * 9 + 16 + 45
    assert cost(net, (1, 3, 10, 10)) == Cost(parameters, conv + fc, "conv+fc", (1, 3, 10, 10))
    assert cost(net, (1, 3, 10, 10), "conv+fc+bn").macs == conv + fc + norm
    assert cost(net, (2, 3, 10, 10)).macs == 2 * (conv + fc)


def test_depthwise_and_strided_convolutions_by_hand() -> None:
    net = nn.Conv2d(6, 6, 5, stride=2, padding=2, groups=6)
    assert cost(net, (1, 6, 9, 9)).macs == 5 * 5 * 6 * 25


@pytest.mark.parametrize(
    ("size", "rule", "giga_macs"),
    [(224, "conv+fc", 32.70), (224, "conv+fc+bn", 32.88), (256, "conv+fc", 42.71), (256, "conv+fc+bn", 42.945)],
)
def test_tsm_resnet50_with_8_frames(size: int, rule: str, giga_macs: float) -> None:
    found = cost(create_model("tsm_resnet50", 400), (1, 8, 3, size, size), rule)
    assert found.parameters == 24_327_632
    assert found.macs / 1e9 == pytest.approx(giga_macs, abs=0.005)


def test_a_frame_of_rgb_and_of_flow() -> None:
    assert cost(create_model("tsn_resnet50", 10), (1, 1, 3, 224, 224)).macs / 1e9 == pytest.approx(4.0872, abs=5e-5)
    flow = create_model("tsn_resnet50", 10, modality="flow", frames_per_segment=5)
    assert cost(flow, (1, 1, 10, 224, 224)).macs / 1e9 == pytest.approx(4.3625, abs=5e-5)


def test_counting_leaves_the_model_as_it_was() -> None:
    model = create_model("tsm_resnet18", 3).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    cost(model, (1, 2, 3, 32, 32))
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(UserError, match="did you mean 'conv\\+fc'"):
        cost(nn.Linear(2, 2), (1, 2), "conv+f")  # type: ignore[arg-type]
