"""TEA: the counts of its authors' code, and what its two modules are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.metrics.cost import cost
from kinesics.models.backbones.res2net import Res2Block
from kinesics.models.build import create_model
from kinesics.models.recognizer import Recognizer
from kinesics.models.temporal.tea import TEA, MotionExcitation, TemporalConv


def test_counts_are_the_printed_ones() -> None:
    model = create_model("tea_res2net50", 174)
    found = cost(model, (1, 8, 3, 224, 224))
    assert (found.parameters, found.macs) == (24_456_280, 34_537_495_808)
    assert found.parameters / 1e6 == pytest.approx(24.46, abs=0.005)
    assert found.macs / 1e9 == pytest.approx(34.54, abs=0.005)
    assert cost(model, (1, 16, 3, 224, 224)).macs == 2 * found.macs  # T is free


def excited(module: MotionExcitation, x: Tensor, t: int) -> Tensor:
    """Equations 1 to 6 of the paper's section 3.1, a frame and a channel at a time."""
    u = module.reduce_bn(module.reduce(x))
    small, (height, width) = u.shape[1], x.shape[2:]
    out = torch.empty_like(x)
    for frame in range(len(x)):
        means = torch.zeros(small)
        if frame % t < t - 1:
            for channel in range(small):
                moved, kernel = torch.zeros(height, width), module.transform.weight[channel, 0]
                for row in range(height):
                    for column in range(width):
                        for i in (-1, 0, 1):
                            for j in (-1, 0, 1):
                                if 0 <= row + i < height and 0 <= column + j < width:
                                    pixel = u[frame + 1, channel, row + i, column + j]
                                    moved[row, column] += kernel[1 + i, 1 + j] * pixel
                means[channel] = (moved - u[frame, channel]).mean()
        raw = module.expand.weight[:, :, 0, 0] @ means
        gain = module.expand_bn(raw[None, :, None, None]).flatten().sigmoid() - 0.5
        for channel in range(x.shape[1]):
            out[frame, channel] = x[frame, channel] + x[frame, channel] * gain[channel]
    return out


@pytest.mark.parametrize("t", [1, 2, 4])
def test_me_is_its_equation(t: int) -> None:
    torch.manual_seed(t)
    module = MotionExcitation(32).train()
    x = torch.randn(8, 32, 5, 4)
    with torch.no_grad():
        for _ in range(20):
            module(x, t)  # statistics of BatchNorms
        module.eval()
        found = module(x, t)
        assert torch.allclose(found, excited(module, x, t), atol=1e-5)
        assert found.shape == x.shape
        assert (found - x).norm() / x.norm() > 0.01 or t == 1


def test_me_of_a_frame_looks_one_ahead_and_no_further() -> None:
    torch.manual_seed(0)
    module = MotionExcitation(32).eval()
    x = torch.randn(5, 32, 6, 6)
    other = x.clone()
    other[3] += 1
    with torch.no_grad():
        changed = (module(x, 5) - module(other, 5)).abs().amax(dim=(1, 2, 3)) > 1e-6
    assert changed.tolist() == [False, False, True, True, False]


def test_mta_is_three_weights_a_channel_over_time() -> None:
    torch.manual_seed(0)
    module = TemporalConv(6)
    nn.init.normal_(module.weight)
    x = torch.randn(10, 6, 3, 4)
    wanted = torch.zeros_like(x)
    for frame in range(10):
        for channel in range(6):
            for tap in (-1, 0, 1):
                if 0 <= frame % 5 + tap < 5:
                    wanted[frame, channel] += module.weight[channel, 0, 1 + tap] * x[frame + tap, channel]
    for format in (torch.contiguous_format, torch.channels_last):
        assert torch.allclose(module(x.contiguous(memory_format=format), 5), wanted, atol=1e-5)
    assert module.bias is None


def test_mta_starts_as_nothing_but_the_last_group_as_a_shift() -> None:
    module = TEA(104, 4)
    x = torch.randn(6, 26, 4, 4)
    with torch.no_grad():
        for index in range(3):
            assert torch.equal(module.group(x, 3, index), x)
        y_NTCHW = module.group(x, 3, 3).view(2, 3, 26, 4, 4)
    x_NTCHW = x.view(2, 3, 26, 4, 4)
    assert torch.equal(y_NTCHW[:, :2, :13], x_NTCHW[:, 1:, :13])  # half of the channels from the next frame
    assert torch.equal(y_NTCHW[:, 1:, 13:], x_NTCHW[:, :2, 13:])  # half from the last
    assert not y_NTCHW[:, 2, :13].any()
    assert not y_NTCHW[:, 0, 13:].any()
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_me_starts_at_random_as_the_authors_do() -> None:
    torch.manual_seed(0)
    module = MotionExcitation(832)
    assert module.expand.weight.std().item() == pytest.approx((2 / 832) ** 0.5, rel=0.05)
    assert module.reduce.weight.std().item() == pytest.approx((2 / 52) ** 0.5, rel=0.05)
    assert module.transform.weight.std().item() == pytest.approx((2 / (9 * 52)) ** 0.5, rel=0.1)
    assert torch.equal(module.expand_bn.weight, torch.ones(832))


@pytest.fixture(scope="module")
def settled() -> Recognizer:
    """In evaluation mode with the statistics of a batch."""
    torch.manual_seed(0)
    model = create_model("tea_res2net50", 5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(4, 4, 3, 48, 48))
    return model.eval()


def test_time_matters(settled: Recognizer) -> None:
    torch.manual_seed(1)
    clips = torch.randn(2, 5, 3, 48, 48)
    with torch.no_grad():
        forwards, backwards = settled(clips), settled(clips.flip(1))
        assert (forwards - backwards).norm() / forwards.norm() > 0.01
        assert torch.isfinite(settled(clips[:, :2])).all()


def test_with_no_gain_and_the_middle_taps_alone_it_is_tsn(settled: Recognizer) -> None:
    still = create_model("tea_res2net50", 5).eval()
    still.load_state_dict(settled.state_dict())
    with torch.no_grad():
        for module in still.modules():
            if isinstance(module, MotionExcitation):
                nn.init.zeros_(module.expand_bn.weight)
                nn.init.zeros_(module.expand_bn.bias)
            if isinstance(module, TemporalConv):
                module.weight.copy_(TemporalConv(module.in_channels).weight)
    plain = create_model("tsn_res2net50", 5).eval()
    plain.load_state_dict({name: x for name, x in still.state_dict().items() if ".temporal." not in name})
    clips = torch.randn(1, 3, 3, 48, 48)
    with torch.no_grad():
        assert torch.allclose(still(clips), plain(clips), atol=1e-4)
        assert not torch.allclose(settled(clips), plain(clips), atol=1e-2)


class OneBlock(nn.Module):
    """A block of Res2Net with TEA, by itself."""

    def __init__(self) -> None:
        super().__init__()
        site = Res2Block.site("layer2", 1, 3, 256, 64)
        self.block = Res2Block(site, 1, lambda site: TEA(site.width, site.groups))

    def forward(self, x_NTCHW: Tensor) -> Tensor:
        return self.block(x_NTCHW.flatten(0, 1), x_NTCHW.shape[1])


def test_it_exports_with_any_number_of_clips() -> None:
    torch.manual_seed(0)
    model = OneBlock().eval()
    n = torch.export.Dim("n", min=1, max=64)
    exported = torch.export.export(model, (torch.randn(2, 3, 256, 8, 8),), dynamic_shapes=({0: n},))
    for count in (1, 3):
        more = torch.randn(count, 3, 256, 8, 8)
        with torch.no_grad():
            assert torch.allclose(exported.module()(more), model(more), atol=1e-4)


def test_it_stands_in_res2net_only() -> None:
    with pytest.raises(UserError, match="did you mean 'tea_res2net50'"):
        create_model("tea_resnet50", 5)
