"""Key points, their shifts and KPSEM: the paper's equations in plain loops, its counts, and what it cannot see."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kinesics.errors import UserError
from kinesics.metrics.cost import cost
from kinesics.models.build import create_model
from kinesics.models.heads.keypoints import KeyPointHead
from kinesics.models.temporal.keypoints import (
    RegionalShifts,
    bounds,
    cell,
    highest,
    nearest,
    occupancy,
    ordered,
    regional_means,
)
from tests.models.key_point_loops import key_point_shifts


@pytest.mark.parametrize("regions", [1, 4, 9])
@pytest.mark.parametrize("adaptive", [True, False])
def test_equals_the_equations_in_plain_loops(regions: int, adaptive: bool) -> None:
    torch.manual_seed(regions)
    module = RegionalShifts(3, regions=regions, sets=2, adaptive=adaptive)
    x = torch.randn(2, 3, 3, 7, 8)
    with torch.no_grad():
        ys, xs = module.lines(x.permute(0, 1, 3, 4, 2))
        found, wanted = module(x), key_point_shifts(x, ys, xs)
    for name in ("points", "values", "weights", "shifts"):
        assert torch.allclose(getattr(found, name).double(), getattr(wanted, name), atol=1e-6), name


@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(1, 20), st.sampled_from([0.0, 1e-30, 1e-3, 1.0, 1e30]))
def test_the_highest_cell_is_arg_max_and_the_first_of_equals(seed: int, height: int, width: int, scale: float) -> None:
    random = torch.Generator().manual_seed(seed)
    x = scale * torch.randint(-3, 4, (2, height, width, 3), generator=random).float()
    x = x * (1 + 2.0**-23 * torch.randint(0, 2, x.shape, generator=random))  # and neighbours in float32
    size = torch.tensor([height, width])
    ys, xs = (torch.tensor([0.0, float(edge)]).expand(2, 1, 2) for edge in size)
    wanted = x.flatten(1, 2).argmax(dim=1)
    assert torch.equal(highest(x, ys, xs)[:, 0, 0], wanted)
    rank = torch.arange(height * width).reshape(height, width, 1).expand_as(x)
    assert torch.equal(cell(ordered(x), height * width), rank)


@given(st.integers(1, 4), st.integers(0, 1000), st.integers(0, 12))
def test_regions_cover_the_map_and_each_has_a_cell(side: int, seed: int, more: int) -> None:
    size = side + more
    bias = (torch.rand(5, side - 1, generator=torch.Generator().manual_seed(seed)) * 2 - 1).sign()
    for places in (bias, 0.3 * bias):
        lines = bounds(places, size)
        assert (lines[:, 0] == 0).all()
        assert (lines[:, -1] == size).all()
        assert (lines.diff(dim=1) >= 1 - 1e-5).all()
        assert (nearest(lines).diff(dim=1) >= 1).all()
        assert torch.allclose(occupancy(lines, size).sum(dim=1), torch.ones(5, size), atol=1e-5)


def test_means_of_even_regions_are_pooling() -> None:
    x = torch.randn(2, 3, 6, 9, 4)
    ys, xs = (bounds(torch.zeros(2, 3, 1, 2), size) for size in (6, 9))
    pooled = nn.functional.adaptive_avg_pool2d(x.permute(0, 1, 4, 2, 3).flatten(0, 1), 3).reshape(2, 3, 4, 9)
    assert torch.allclose(regional_means(x, ys, xs)[:, :, 0], pooled.transpose(2, 3), atol=1e-6)


def test_one_region_and_a_moving_dot_give_its_way() -> None:
    x = torch.zeros(1, 4, 1, 9, 11)
    path = [(2, 3), (4, 3), (8, 10), (0, 0)]
    for frame, (y, x_) in enumerate(path):
        x[0, frame, 0, y, x_] = 1.0
    found = RegionalShifts(1, regions=1, sets=1)(x)
    steps = [((b[1] - a[1]) / 10, (b[0] - a[0]) / 8) for a, b in itertools.pairwise(path)]
    assert torch.allclose(found.shifts[0, :, 0, 0, 0], torch.tensor(steps))
    assert torch.equal(found.weights, torch.ones(1, 3, 1, 1, 1))


def test_a_dot_that_crosses_a_line_is_followed() -> None:
    x = torch.zeros(1, 2, 1, 8, 8)
    x[0, 0, 0, 2, 2], x[0, 1, 0, 2, 6] = 10.0, 10.0  # from the first region to the second
    found = RegionalShifts(1, sets=1, adaptive=False)(x)
    assert torch.allclose(found.shifts[0, 0, 0, 0, 0], torch.tensor([4 / 7, 0.0]), atol=0.01)


def test_points_of_the_same_region_keep_the_direction() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 6, 6)
    plain = RegionalShifts(5, sets=2, adaptive=False)
    ours = RegionalShifts(5, sets=2, adaptive=False, match="region", weigh=False)
    ours.load_state_dict(plain.state_dict())
    found, literal_ = ours(x), plain(x)
    assert torch.equal(found.points, literal_.points)
    for k in range(4):
        assert torch.equal(found.shifts[:, :, :, k], found.points[:, 1:, :, k] - found.points[:, :-1, :, k])
    assert (found.weights == 0.25).all()
    backwards = ours(x.flip(1))
    assert torch.equal(backwards.shifts, -found.shifts.flip(1))
    with pytest.raises(UserError, match=r"match 'regions'.*region"):
        RegionalShifts(5, match="regions")  # type: ignore[arg-type]


def test_lines_that_nothing_moves_do_not_learn() -> None:
    assert RegionalShifts(4).adaptive
    assert not RegionalShifts(4, weigh=False).adaptive
    assert not list(RegionalShifts(4, weigh=False).parameters())


def test_standardised_maps_do_not_depend_on_a_channel_s_scale() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, 6, 6)
    module = RegionalShifts(4, sets=2, adaptive=False, standardize=True)
    scale, offset = torch.tensor([1.0, 9.0, 0.1, 100.0])[:, None, None], torch.randn(4, 1, 1)
    found, scaled = module(x), module(x * scale + offset)
    for name in ("points", "values", "weights", "shifts"):
        assert torch.allclose(getattr(found, name), getattr(scaled, name), atol=1e-4), name
    mean, deviation = x.mean(dim=(1, 3, 4), keepdim=True), x.std(dim=(1, 3, 4), keepdim=True, correction=0)
    plain = RegionalShifts(4, sets=2, adaptive=False)
    plain.load_state_dict(module.state_dict())
    assert torch.allclose(plain((x - mean) / deviation).shifts, found.shifts, atol=1e-5)
    assert module(torch.ones(1, 2, 4, 6, 6)).shifts.isfinite().all(), "a channel that is the same everywhere"


def test_the_embedding_is_the_sum_of_a_linear_layer_for_each_set() -> None:
    torch.manual_seed(0)
    head = KeyPointHead({"layer4": 8, "layer5": 4}, 3, num_steps=3).eval()
    x = torch.randn(2, 3, 8, 6, 6)
    found = head.shifts(x)
    regional = (found.weights[..., None] * found.shifts).permute(2, 0, 4, 1, 3, 5).flatten(4)  # (G, N, C, T-1, 2K)
    assert regional.shape == (8, 2, 8, 2, 8)
    parts = head.embed.weight.split(8, dim=1)
    y = head.embed.bias + sum(one @ weight.T for one, weight in zip(regional, parts, strict=True))
    for conv, norm in zip(head.convs, head.norms, strict=True):
        y = norm(conv(y)).relu()
    assert torch.allclose(head.embedded(x), y.mean(dim=3).flatten(1), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "classes", "arguments", "parameters", "giga"),
    [
        ("plain_mfnet", 400, {}, 7_996_368, 11.1787),
        ("kpsem_mfnet", 200, {}, 8_141_936, 11.2023),
        ("kpsem_mfnet", 200, {"between": 192}, 8_280_368, 11.2128),
        ("plain_r3d50", 51, {}, 23_612_531, 33.8327),
        ("kpsem_r3d50", 51, {"stage": "layer3"}, 23_939_035, 33.9115),
    ],
)
def test_parameters_and_cost(
    name: str, classes: int, arguments: dict[str, object], parameters: int, giga: float
) -> None:
    model = create_model(name, classes, **arguments)
    counted = cost(model, (1, 16, 3, 224, 224), "conv+fc+bn")
    assert counted.parameters == parameters
    assert counted.macs / 1e9 == pytest.approx(giga, abs=1e-4)


def test_the_parts_have_the_parameters_of_the_specification() -> None:
    head = create_model("kpsem_mfnet", 200).head
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in head.named_children()}
    assert sizes["shifts"] == 24_784
    assert sizes["embed"] == 1_560
    assert sizes["convs"] == 138_240
    assert sizes["norms"] == 384
    assert head.fc.in_features == 768 + 672


def test_without_its_columns_of_the_classifier_it_is_the_backbone_alone() -> None:
    torch.manual_seed(0)
    model, plain = create_model("kpsem_mfnet", 5, num_steps=4).eval(), create_model("plain_mfnet", 5).eval()
    nn.init.normal_(model.head.fc.weight)
    with torch.no_grad():
        model.head.fc.weight[:, 768:] = 0
        plain.backbone.load_state_dict(model.backbone.state_dict())
        plain.head.fc.weight.copy_(model.head.fc.weight[:, :768])
        plain.head.fc.bias.copy_(model.head.fc.bias)
        clips = torch.randn(2, 4, 3, 64, 64)
        assert torch.allclose(model(clips), plain(clips), atol=1e-5)


def test_r3d_is_the_3d_network_of_flat_kernels() -> None:
    torch.manual_seed(0)
    backbone = create_model("plain_r3d50", 3).backbone.eval()
    clips = torch.randn(1, 4, 3, 64, 64)
    volume = clips.transpose(1, 2)
    conv, norm = backbone.conv1, backbone.bn1
    with torch.no_grad():
        x = nn.functional.conv3d(volume, conv.weight[:, :, None], None, (1, 2, 2), (0, 3, 3))
        x = nn.functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias).relu()
        x = nn.functional.max_pool3d(nn.functional.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1)), (2, 1, 1))
        for block in backbone.layer1.children():
            x = torch.stack([block(x[:, :, step], 1) for step in range(2)], dim=2)
        found = backbone.forward_stages(clips, ["layer2"])["layer2"]
    assert torch.allclose(found.transpose(1, 2), x, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"regions": 5}, "square number"),
        ({"regions": 0}, "square number"),
        ({"sets": 0}, "a set"),
        ({"stage": "layer6"}, "did you mean"),
        ({"num_steps": 2}, "num_steps > 2"),
        ({"embed": 0}, "embed"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        create_model("kpsem_mfnet", 3, **arguments)


def test_another_length_and_too_small_maps_are_refused() -> None:
    model = create_model("kpsem_mfnet", 3, num_steps=8)
    with pytest.raises(UserError, match="4 time steps"):
        model(torch.zeros(1, 4, 3, 64, 64))
    with pytest.raises(UserError, match="2 × 2 regions"):
        model.eval()(torch.zeros(1, 8, 3, 16, 16))


def test_maps_that_are_no_numbers_do_not_end_the_program() -> None:
    found = RegionalShifts(6, sets=2, regions=9)(torch.full((1, 2, 6, 5, 5), math.nan))
    assert found.points.isfinite().all()


def test_static_noise_is_almost_no_shift() -> None:
    x = torch.randn(1, 1, 6, 8, 8).expand(1, 3, 6, 8, 8) * 5
    found = RegionalShifts(6, sets=1, adaptive=False)(x)
    assert found.shifts.abs().mean() < 0.1
    assert math.isclose(float(found.weights.sum(dim=3).mean()), 1.0, abs_tol=1e-5)
