"""TEFE: the paper's counts, and what its two modules are."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.metrics.cost import cost
from kinesics.models.build import create_model
from kinesics.models.temporal.slot import Site, Still
from kinesics.models.temporal.tefe import TEFE, FeatureEnhancement, TemporalExtraction
from kinesics.recipes import recipe
from kinesics.recipes.tefe import ABLATIONS

PLAIN, BEST = (0, 0, 0, 0), (1, 1, 1, 1)
ROWS = [
    ((3, 4, 6, 3), PLAIN, 25_127_246, 25_134_670, 32.711, 37.585, 75.171),
    (PLAIN, (0, 4, 6, 3), 79_901_422, 79_901_422, 92.815, 106.277, 212.554),
    ((3, 3, 3, 3), (0, 1, 3, 0), 34_498_510, 34_504_078, 51.206, 58.722, 117.446),
    ((2, 2, 2, 2), (0, 2, 4, 1), 49_632_814, 49_636_526, 65.075, 74.574, 149.148),
    (BEST, (0, 3, 5, 2), 64_767_118, 64_768_974, 78.945, 90.425, 180.851),
]


@pytest.mark.parametrize(("te", "fe", "eight", "sixteen", "giga", "wide", "wide_sixteen"), ROWS)
def test_counts_of_each_placement(
    te: tuple[int, ...], fe: tuple[int, ...], eight: int, sixteen: int, giga: float, wide: float, wide_sixteen: float
) -> None:
    model = create_model("tefe_resnet50", 174, te=te, fe=fe)
    longer = create_model("tefe_resnet50", 174, num_steps=16, te=te, fe=fe)
    found = cost(model, (1, 8, 3, 224, 224))
    assert found.parameters == eight
    assert found.macs / 1e9 == pytest.approx(giga, abs=5e-4)
    assert cost(model, (1, 8, 3, 224, 256), "conv+fc+bn").macs / 1e9 == pytest.approx(wide, abs=5e-4)
    found = cost(longer, (1, 16, 3, 224, 256), "conv+fc+bn")
    assert found.parameters == sixteen
    assert found.macs / 1e9 == pytest.approx(wide_sixteen, abs=5e-4)


def test_the_published_gflops_are_the_best_placement_s() -> None:
    model = create_model("tefe_resnet50", 174)
    assert cost(model, (1, 8, 3, 224, 256), "conv+fc+bn").macs / 1e9 == pytest.approx(90, rel=0.005)
    longer = create_model("tefe_resnet50", 174, num_steps=16)
    assert cost(longer, (1, 16, 3, 224, 256), "conv+fc+bn").macs / 1e9 == pytest.approx(181, rel=0.005)


def settled(module: nn.Module, x: Tensor) -> nn.Module:
    """Evaluation mode with statistics of x."""
    for one in module.modules():
        if isinstance(one, nn.BatchNorm1d | nn.BatchNorm2d):
            one.momentum = 1.0
    with torch.no_grad():
        module.train()(x)
    return module.eval()


def test_fe_alone_starts_as_tsn_and_sees_no_order() -> None:
    torch.manual_seed(0)
    enhanced = create_model("tefe_resnet18", 5, te=PLAIN, fe=(2, 2, 2, 2), num_steps=4).eval()
    plain = create_model("tsn_resnet18", 5)
    plain.load_state_dict({name: tensor for name, tensor in enhanced.state_dict().items() if ".temporal." not in name})
    clips = torch.randn(2, 4, 3, 48, 48)
    settled(plain, clips)
    enhanced.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        assert torch.allclose(enhanced(clips), plain(clips), atol=1e-5)
        assert torch.allclose(enhanced(clips), enhanced(clips[:, [2, 0, 3, 1]]), atol=1e-5)
        for module in enhanced.modules():
            if isinstance(module, FeatureEnhancement):
                nn.init.normal_(module.sides, std=0.01)
        forwards, backwards = enhanced(clips), enhanced(clips.flip(1))
        assert (forwards - backwards).norm() / forwards.norm() > 1e-3


def test_all_of_fe_learns_from_the_first_step() -> None:
    torch.manual_seed(0)
    module, conv = FeatureEnhancement(6, 8), nn.Conv2d(6, 8, 3, 2, 1, bias=False)
    y = module.spatial(conv, torch.randn(8, 6, 9, 9), 4)
    assert y.shape == (8, 8, 5, 5)
    y.square().sum().backward()
    for parameter in (*module.parameters(), *conv.parameters()):
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_fe_is_the_product_of_two_convolutions_over_space_and_time() -> None:
    torch.manual_seed(0)
    module, conv = FeatureEnhancement(3, 4), nn.Conv2d(3, 4, 3, 1, 1, bias=False)
    nn.init.normal_(module.sides)
    nn.init.normal_(module.second)
    x = torch.randn(10, 3, 6, 7)
    x_NCTHW = x.view(2, 5, 3, 6, 7).transpose(1, 2)
    first = torch.stack([module.sides[:4], conv.weight, module.sides[4:]], dim=2)
    second = torch.stack([module.second[:4], module.second[4:8], module.second[8:]], dim=2)
    wanted = F.conv3d(x_NCTHW, first, padding=1) * F.conv3d(x_NCTHW, second, module.bias, padding=1)
    assert torch.allclose(module.spatial(conv, x, 5), wanted.transpose(1, 2).flatten(0, 1), atol=1e-4)


def test_te_is_a_grouped_convolution_of_the_gated_frames() -> None:
    torch.manual_seed(0)
    module = TemporalExtraction(8, 5).eval()
    x = torch.randn(10, 8, 6, 7)
    x_NTCHW = x.view(2, 5, 8, 6, 7)
    gate, mix = module.weights(x_NTCHW.mean(dim=(3, 4)))
    assert gate.shape == (2, 5, 8)
    assert torch.allclose(mix.sum(dim=2), torch.ones(2, 8), atol=1e-6)
    gated = (x_NTCHW * gate[..., None, None]).permute(0, 2, 3, 4, 1).flatten(2, 3)  # (N, C, H·W, T)
    rows = gated.permute(2, 0, 1, 3).flatten(1, 2)  # (H·W, N·C, T)
    wanted = F.conv1d(rows, mix.flatten(0, 1)[:, None], padding=1, groups=16)
    wanted = wanted.view(6, 7, 2, 8, 5).permute(2, 4, 3, 0, 1).flatten(0, 1)
    assert torch.allclose(module.hidden(x, 5), wanted, atol=1e-6)


def test_the_first_and_the_last_frame_lose_a_tap() -> None:
    module = TemporalExtraction(4, 3).eval()
    nn.init.zeros_(module.gate_conv2.weight)  # gates of one half
    nn.init.zeros_(module.mix_fc2.weight)  # weights of a third
    y = module.hidden(torch.ones(3, 4, 2, 2), 3).detach()
    assert y[:, 0, 0, 0].tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 3])


def test_a_mild_start_is_nearer_to_no_module_and_can_learn() -> None:
    torch.manual_seed(0)
    x = torch.randn(24, 8, 4, 4)
    plain, mild = TemporalExtraction(8, 3), TemporalExtraction(8, 3, mild=True)
    far, near = ((module.eval().hidden(x, 3) - x).norm() / x.norm() for module in (plain, mild))
    assert near < 0.5 * far
    assert near < 0.4
    for module in (plain, mild):
        (module.train().hidden(x, 3) * torch.randn(x.shape)).sum().backward()  # type: ignore[no-untyped-call]
    for name in ("gate_conv2", "mix_fc2"):
        ours, theirs = (getattr(module, name).weight.grad.norm() for module in (mild, plain))
        assert ours > 0.1 * theirs, "a start where the gates saturate has a ten thousandth of it"


def test_te_stands_first_then_fe_then_nothing() -> None:
    slot = TEFE(8, (1, 1, 1, 1), (0, 2, 5, 2))
    kinds = [type(slot(Site("layer3", index, 256, 128, 4, 128))) for index in range(4)]
    assert kinds == [TemporalExtraction, FeatureEnhancement, FeatureEnhancement, Still]


def test_smaller_backbones_take_what_fits() -> None:
    count = {
        name: [
            sum(isinstance(module, kind) for module in create_model(name, 3).modules())
            for kind in (TemporalExtraction, FeatureEnhancement)
        ]
        for name in ("tefe_resnet18", "tefe_resnet34", "tefe_resnet50", "tefe_efficientnet_lite0")
    }
    assert count == {
        "tefe_resnet18": [4, 3],
        "tefe_resnet34": [4, 10],
        "tefe_resnet50": [4, 10],
        "tefe_efficientnet_lite0": [4, 0],
    }


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("tefe_resnet18", {"te": (3, 1, 1, 1)}, "layer2 has 2 blocks"),
        ("tefe_resnet50", {"fe": (0, 4, 5, 2)}, "layer3 has 4 blocks for TE and FE; found 1 and 4"),
        ("tefe_efficientnet_lite0", {"fe": (0, 0, 1, 0)}, "none for FE"),
        ("tefe_resnet18", {"te": (1, 1)}, "number of blocks in each"),
        ("tefe_resnet18", {"num_steps": 0}, "num_steps"),
    ],
)
def test_a_placement_that_cannot_be_is_named(name: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        create_model(name, 3, **arguments)  # type: ignore[arg-type]


def test_another_number_of_time_steps_is_refused() -> None:
    with pytest.raises(UserError, match="made for clips of 8 time steps, found 6; make the model with num_steps=6"):
        create_model("tefe_resnet18", 3)(torch.zeros(1, 6, 3, 32, 32))


def test_it_exports_with_any_number_of_clips() -> None:
    model = create_model("tefe_resnet18", 3, num_steps=4).eval()
    clips = torch.randn(2, 4, 3, 32, 32)
    exported = torch.export.export(model, (clips,), dynamic_shapes=({0: torch.export.Dim("n", min=1, max=64)},))
    more = torch.randn(3, 4, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(exported.module()(more), model(more), atol=1e-5)


def test_the_recipes_are_the_tables_rows() -> None:
    assert recipe("tefe16").input.num_segments == 16
    assert recipe("tefe16").optim.batch_size == 10
    for name in ABLATIONS:
        made = recipe(name)
        assert made.name == name
        assert (tuple(made.model.arguments["te"]), tuple(made.model.arguments["fe"])) in [row[:2] for row in ROWS]
