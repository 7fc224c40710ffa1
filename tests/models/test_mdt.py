"""MDT-Net: the specification's counts, and what its parts promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from kinesics.errors import UserError
from kinesics.metrics.cost import cost
from kinesics.models.build import create_model
from kinesics.models.recognizer import Recognizer
from kinesics.models.temporal.deformable import DeformableConv2d, deformable
from kinesics.models.temporal.mdt import CorrelationExcitation, DeformableExcitation, MotionStream, decorrelation
from kinesics.models.temporal.salience import gain, motion_salience, whitened


def test_parameters_are_exact() -> None:
    assert cost(create_model("mdt_resnet50", 174), (1, 8, 15, 224, 224)).parameters == 24_856_098


@pytest.mark.parametrize(
    ("segments", "arguments", "giga"),
    [
        (8, {}, 36.713),
        (16, {}, 73.210),
        (8, {"fine": False, "coarse": False}, 33.597),
        (8, {"dcme": False}, 35.818),
        (8, {"stce": False}, 36.711),
        (8, {"coarse": False}, 36.182),
    ],
)
def test_cost_with_and_without_its_parts(segments: int, arguments: dict[str, bool], giga: float) -> None:
    model = create_model("mdt_resnet50", 174, **arguments)
    assert cost(model, (1, segments, 15, 224, 224)).macs / 1e9 == pytest.approx(giga, rel=0.001)


def settled(model: Recognizer, clips: Tensor) -> Recognizer:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(clips)
    return model.eval()


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
def test_with_a_scale_of_zero_it_starts_as_tsn_on_the_key_frames(backbone: str) -> None:
    torch.manual_seed(0)
    clips = torch.randn(2, 3, 15, 64, 64)
    model = settled(create_model(f"mdt_{backbone}", 5, scale=0.0), clips)
    plain = create_model(f"tsn_{backbone}", 5).eval()
    plain.load_state_dict({name: x for name, x in model.state_dict().items() if ".temporal" not in name})
    with torch.no_grad():
        assert torch.equal(model(clips), plain(clips[:, :, 9:12]))


@pytest.mark.parametrize("shift", [False, True])
def test_a_static_clip_gets_nothing_from_norms_that_have_learned(shift: bool) -> None:
    torch.manual_seed(0)
    model = create_model("mdt_resnet18", 5, shift=shift)
    stream = model.backbone.temporal_stream
    assert isinstance(stream, MotionStream)
    for module in stream.modules():
        if isinstance(module, nn.BatchNorm2d):  # as published weights have them
            nn.init.normal_(module.bias, std=0.5)
            nn.init.uniform_(module.running_mean, -1, 1)  # type: ignore[arg-type]
    model.eval()
    moving = torch.randn(2, 4, 15, 64, 64)
    still = moving[:, :1, :3].repeat(1, 4, 5, 1, 1)
    with torch.no_grad():
        for clips, adds in ((still, False), (moving, True)):
            _, added = stream(clips)
            for stage in ("stem", "layer2"):
                assert (float(added[stage].abs().max()) > 0.01) == adds, stage
                assert float(added[stage].abs().max()) < 1e-4 or adds


@pytest.mark.parametrize("weights", ["imagenet"])
def test_a_static_clip_gets_nothing_from_published_weights(weights: str) -> None:
    model = create_model("mdt_efficientnet_lite0", 5, weights=weights).eval()
    moving = torch.rand(1, 4, 15, 96, 96)
    stream = model.backbone.temporal_stream
    assert isinstance(stream, MotionStream)
    with torch.no_grad():
        _, still = stream(moving[:, :1, :3].repeat(1, 4, 5, 1, 1))
        _, added = stream(moving)
    for stage in ("stem", "layer2"):
        assert float(still[stage].abs().max()) < 1e-4 * float(added[stage].abs().max())


def test_the_transform_is_fouriers() -> None:
    x = torch.randn(2, 40, 7, dtype=torch.float64)
    spectrum = torch.fft.fft(x, dim=1)
    spectrum[:, 0] = 0
    wanted = torch.fft.ifft(spectrum / (spectrum.abs() + 0.1 * 40), dim=1).real
    assert torch.allclose(whitened(x), wanted, atol=1e-8)


def test_salience_does_not_see_brightness_and_gain_is_a_half_where_nothing_moves() -> None:
    clip = torch.rand(1, 4, 5, 32, 32)
    assert torch.allclose(motion_salience(clip), motion_salience(clip + 3.0), atol=1e-4)
    still = torch.rand(1, 1, 1, 32, 32).repeat(1, 4, 5, 1, 1)
    assert torch.allclose(gain(motion_salience(still)), torch.full((1, 4, 8, 8), 0.5), atol=1e-2)
    gains = gain(motion_salience(clip))
    assert gains.min() >= 0.5
    assert gains.max() < 1.5


def drawn(jitter: int, t: int = 4) -> tuple[Tensor, Tensor]:
    """A blob over texture before a camera that shakes: (1, T, 5, 96, 96), and where it is in each segment."""
    random = np.random.default_rng(jitter)
    smooth = torch.ones(1, 1, 5, 5) / 25
    texture, thing = (
        F.conv2d(torch.from_numpy(random.random((1, 1, side, side), dtype=np.float32)), smooth, padding=2)[0, 0]
        for side in (112, 24)
    )
    frames, masks = [], []
    for index in range(5 * t):
        down, right = random.integers(-jitter, jitter + 1, 2) if jitter else (0, 0)
        frame = texture[8 + down : 104 + down, 8 + right : 104 + right].clone()
        mask = torch.zeros(96, 96)
        left = 8 + 3 * index
        frame[36:60, left : left + 24] = thing * 1.2
        mask[36:60, left : left + 24] = 1
        frames.append(frame + 0.01 * torch.from_numpy(random.standard_normal((96, 96), dtype=np.float32)))
        masks.append(mask)
    return torch.stack(frames).view(1, t, 5, 96, 96), torch.stack(masks).view(t, 5, 96, 96).amax(dim=1)


@pytest.mark.parametrize("jitter", [0, 4])
def test_salience_finds_what_moves_by_itself_better_than_differences_do(jitter: int) -> None:
    clip, where = drawn(jitter)
    cells = F.max_pool2d(where[:, None], 4)[:, 0].numpy().ravel()
    salience = roc_auc_score(cells, motion_salience(clip)[0].numpy().ravel())
    differences = F.avg_pool2d((clip[0, :, 1:] - clip[0, :, :-1]).abs().mean(dim=1)[:, None], 4)
    by_differences = roc_auc_score(cells, differences.numpy().ravel())
    assert salience > (0.99 if jitter == 0 else by_differences + 0.05)


@pytest.mark.parametrize("kernel", [3, 5])
def test_without_offsets_it_is_a_convolution_and_whole_offsets_move_the_picture(kernel: int) -> None:
    torch.manual_seed(0)
    module = DeformableConv2d(4, kernel)
    x, offsets = torch.randn(2, 4, 9, 11), torch.zeros(2, module.num_offsets, 9, 11)
    assert torch.allclose(module(x, offsets), x, atol=1e-5)  # Dirac
    nn.init.normal_(module.weight)
    plain = F.conv2d(x, module.weight, padding=kernel // 2)
    assert torch.allclose(module(x, offsets), plain, atol=1e-4)
    offsets[:, 0::2], offsets[:, 1::2] = 1, -2
    found = deformable(x, offsets, module.weight)
    assert torch.allclose(found[:, :, :-1, 2:], plain[:, :, 1:, :-2], atol=1e-4)  # what lies one down and two left


def test_fractions_of_offsets_are_between() -> None:
    module = DeformableConv2d(1, 3)
    x = torch.arange(25, dtype=torch.float32).view(1, 1, 5, 5)
    offsets = torch.zeros(1, 18, 5, 5)
    offsets[:, 8], offsets[:, 9] = 0.25, 0.5  # the middle tap
    assert module(x, offsets)[0, 0, 2, 2].item() == pytest.approx(12 + 0.25 * 5 + 0.5)


def test_it_equals_torchvisions_where_that_is_there() -> None:
    ops = pytest.importorskip("torchvision.ops", exc_type=ImportError)
    x, offsets, weight = torch.randn(2, 4, 8, 9), torch.randn(2, 18, 8, 9), torch.randn(4, 4, 3, 3)
    assert torch.allclose(deformable(x, offsets, weight), ops.deform_conv2d(x, offsets, weight, padding=1), atol=1e-5)


def test_gains_lie_between_minus_and_plus_a_half_and_one_frame_has_none() -> None:
    torch.manual_seed(0)
    dcme, stce = DeformableExcitation(32).eval(), CorrelationExcitation(32).eval()
    nn.init.normal_(dcme.expand_bn.weight)
    nn.init.normal_(stce.expand.weight)
    x = torch.randn(6, 32, 9, 8)
    for gains, shape in ((dcme(x, 3), (6, 32, 9, 8)), (stce(x, 3), (6, 32, 1, 1))):
        assert gains.shape == shape
        assert gains.abs().max() <= 0.5
        assert gains.abs().max() > 1e-3
    assert not dcme(x, 3).view(2, 3, 32, 9, 8)[:, -1].any()  # the last frame has no next one
    assert not dcme(x, 1).any()


def test_decorrelation() -> None:
    a = torch.tensor([[1.0, 2.0], [1.0, 0.0], [0.0, 0.0]])
    b = torch.tensor([[2.0, 4.0], [0.0, 1.0], [0.0, 0.0]])
    assert decorrelation(a, b).tolist() == pytest.approx([0.0, 1.0, 0.0], abs=1e-5)


def test_the_stream_begins_with_the_backbones_weights() -> None:
    model = create_model("mdt_resnet18", 3)
    backbone, stream = model.backbone, model.backbone.temporal_stream
    assert isinstance(stream, MotionStream)
    nn.init.normal_(backbone.get_parameter("conv1.weight"))
    nn.init.normal_(backbone.get_parameter("layer1.0.conv1.weight"))
    stream.start_from(backbone)
    assert stream.fine is not None
    mean = backbone.get_parameter("conv1.weight").mean(dim=1)
    assert torch.allclose(stream.fine.conv.weight[:, 7], mean)
    assert torch.equal(stream.get_parameter("blocks.0.conv1.weight"), backbone.get_parameter("layer1.0.conv1.weight"))


def test_other_clips_are_refused() -> None:
    with pytest.raises(UserError, match="5 RGB frames a time step, 15 channels, found 3"):
        create_model("mdt_resnet18", 3)(torch.zeros(1, 2, 3, 32, 32))
    with pytest.raises(UserError, match="takes RGB"):
        create_model("mdt_resnet18", 3, modality="flow")


def test_it_exports_with_any_number_of_clips() -> None:
    torch.manual_seed(0)
    clips = torch.randn(2, 2, 15, 64, 64)
    model = settled(create_model("mdt_resnet18", 3), clips)
    exported = torch.export.export(model, (clips,), dynamic_shapes=({0: torch.export.Dim("n", min=1, max=64)},))
    more = torch.randn(3, 2, 15, 64, 64)
    with torch.no_grad():
        assert torch.allclose(exported.module()(more), model(more), atol=1e-4)


@pytest.mark.parametrize("backbone", ["resnet18", "efficientnet_lite0"])
def test_deformable_convolutions_start_where_they_are(backbone: str) -> None:
    offsets = [p for name, p in create_model(f"mdt_{backbone}", 3).named_parameters() if ".offsets." in name]
    assert offsets
    assert not any(p.any() for p in offsets)
