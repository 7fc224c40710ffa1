"""The blocks of the backbones, one after the other, from the papers that define them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.parity.loops import Array, conv, max_pool, mean_pool, norm, relu, relu6

Place = Callable[[Array], Array]


def unchanged(x: Array) -> Array:
    return x


def shifted(t: int, direction: str = "both", fold_div: int = 8) -> Place:
    """TSM's shift, section 3: some channels from the next frame, as many from the last, zero at the ends.

    direction "past", section 4.2: from the last frame alone.
    """

    def shift(x: Array) -> Array:
        out, fold = np.zeros_like(x), x.shape[1] // fold_div
        for frame in range(len(x)):
            for channel in range(x.shape[1]):
                step = 0
                if direction == "past":
                    step = -1 if channel < fold else 0
                elif channel < 2 * fold:
                    step = 1 if channel < fold else -1
                if 0 <= frame % t + step < t:
                    out[frame, channel] = x[frame + step, channel]
        return out

    return shift


def shortcut(x: Array, block: Any, stride: int | Sequence[int]) -> Array:
    if block.downsample is None:
        return x
    return norm(conv(x, block.downsample[0].weight, None, stride), block.downsample[1])


def basic_block(x: Array, block: Any, stride: int, first: Place = unchanged, hidden: Place = unchanged) -> Array:
    """He et al., CVPR 2016, figure 5 left. The functions act on the branch and not on the shortcut."""
    y = hidden(relu(norm(conv(first(x), block.conv1.weight, None, stride, 1), block.bn1)))
    y = norm(conv(y, block.conv2.weight, padding=1), block.bn2)
    return relu(y + shortcut(x, block, stride))


def bottleneck(
    x: Array,
    block: Any,
    stride: int,
    first: Place = unchanged,
    inner: Place = unchanged,
    spatial: Place | None = None,
    hidden: Place = unchanged,
) -> Array:
    """He et al., figure 5 right, the stride in the 3×3 convolution. The functions act at the places of a block."""
    y = inner(relu(norm(conv(first(x), block.conv1.weight), block.bn1)))
    y = spatial(y) if spatial else conv(y, block.conv2.weight, None, stride, 1)
    y = hidden(relu(norm(y, block.bn2)))
    y = norm(conv(y, block.conv3.weight), block.bn3)
    return relu(y + shortcut(x, block, stride))


def inflated_bottleneck(x: Array, block: Any, stride: int, reach: int) -> Array:
    """Wang and Gupta, ECCV 2018, section 3: the first kernel 3×1×1 where the block reaches over time, then 1×3×3."""
    strides = (1, stride, stride)
    y = relu(norm(conv(x, block.conv1.weight, padding=(reach, 0, 0)), block.bn1))
    y = relu(norm(conv(y, block.conv2.weight, None, strides, (0, 1, 1)), block.bn2))
    y = norm(conv(y, block.conv3.weight), block.bn3)
    return relu(y + shortcut(x, block, strides))


def res2_block(
    x: Array,
    block: Any,
    stride: int,
    opens_stage: bool,
    inner: Place = unchanged,
    group: Callable[[int], Place] = lambda index: unchanged,
) -> Array:
    """Gao et al., equation 1, with four groups: y1 = K1(x1), yi = Ki(xi + y(i−1)), y4 = x4.

    There the first group passes; the authors' code has the last one pass, and in the block that opens a stage the
    groups are apart and the last one is averaged over 3×3. group(i): what acts on what Ki takes, and on x4.
    """
    y = inner(relu(norm(conv(x, block.conv1.weight), block.bn1)))
    width = y.shape[1] // 4
    made: list[Array] = []
    for index in range(4):
        taken = y[:, index * width : (index + 1) * width]
        if 0 < index < 3 and not opens_stage:
            taken = taken + made[index - 1]
        taken = group(index)(taken)
        if index < 3:
            made.append(relu(norm(conv(taken, block.convs[index].weight, None, stride, 1), block.bns[index])))
        else:
            made.append(mean_pool(taken, (3, 3), stride, 1) if opens_stage else taken)
    y = norm(conv(np.concatenate(made, axis=1), block.conv3.weight), block.bn3)
    return relu(y + shortcut(x, block, stride))


def inverted_residual(x: Array, block: Any, stride: int, first: Place = unchanged) -> Array:
    """Sandler et al., CVPR 2018, section 3.3: expansion where there is one, depthwise 3×3, projection, shortcut."""
    *narrow, project, project_norm = block.conv
    has_shortcut = stride == 1 and x.shape[1] == project.weight.shape[0]
    y = first(x) if has_shortcut else x
    if len(narrow) > 1:
        y = relu6(norm(conv(y, narrow[0][0].weight), narrow[0][1]))
    y = relu6(norm(conv(y, narrow[-1][0].weight, None, stride, 1, y.shape[1]), narrow[-1][1]))
    y = norm(conv(y, project.weight), project_norm)
    return x + y if has_shortcut else y


def tensorflow_same(x: Array, kernel: int, stride: int) -> Array:
    """The input padded so that ceil(size / stride) outputs come, the odd pixel right and below."""
    pads = []
    for size in x.shape[2:]:
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(x, [(0, 0), (0, 0), *pads])


def lite_block(
    x: Array,
    block: Any,
    kernel: int,
    stride: int,
    first: Place = unchanged,
    hidden: Place = unchanged,
    expands: bool = True,
) -> Array:
    """EfficientNet's block (Tan and Le, ICML 2019) without squeeze and excitation, with ReLU6; norms' epsilon 1e-3."""
    has_shortcut = stride == 1 and x.shape[1] == block._project_conv.weight.shape[0]
    y = first(x) if has_shortcut else x
    y = relu6(norm(conv(y, block._expand_conv.weight), block._bn0, 1e-3)) if expands else y
    y = conv(tensorflow_same(y, kernel, stride), block._depthwise_conv.weight, None, stride, 0, y.shape[1])
    y = relu6(norm(y, block._bn1, 1e-3))
    y = hidden(y) if has_shortcut else y
    y = norm(conv(y, block._project_conv.weight), block._bn2, 1e-3)
    return x + y if has_shortcut else y


def split_block(x: Array, block: Any, stride: int, *, alike: bool, eps: float = 1e-5) -> Array:
    """Tran et al., CVPR 2018, section 3.5: 1×3×3, then 3×1×1, with as many parameters as 3×3×3.

    alike: the second pair has as many channels between its parts as the first, as in torchvision.
    """
    width = block.conv2[1].weight.shape[0]

    def split(y: Array, layers: Any, channels: int, step: int) -> Array:
        between = int(3 * 3 * 3 * channels * width / (3 * 3 * channels + 3 * width))
        assert layers[0].weight.shape == (between, y.shape[1], 1, 3, 3)
        y = relu(norm(conv(y, layers[0].weight, None, (1, step, step), (0, 1, 1)), layers[1], eps))
        return conv(y, layers[3].weight, None, (step, 1, 1), (1, 0, 0))

    y = relu(norm(split(x, block.conv1[0], x.shape[1], stride), block.conv1[1], eps))
    y = norm(split(y, block.conv2[0], x.shape[1] if alike else width, 1), block.conv2[1], eps)
    kept = x
    if block.downsample is not None:
        kept = norm(conv(x, block.downsample[0].weight, None, stride), block.downsample[1], eps)
    return relu(y + kept)


def multi_fiber_unit(x: Array, unit: Any, stride: Sequence[int], first: bool) -> Array:
    """Chen et al., ECCV 2018, figure 2 (e), and figure 3 for 3D: norm, ReLU and a convolution each time; 16 fibers.

    The multiplexer's two 1×1×1 convolutions and their shortcut, 3×3×3 fibers, then 1×3×3 fibers; in the first unit of a
    stage the second is a full 1×1×1, and so is the shortcut.
    """

    def made(y: Array, layer: Any, stride: Any = 1, padding: Any = 0, groups: int = 1) -> Array:
        return conv(relu(norm(y, layer.bn)), layer.conv.weight, None, stride, padding, groups)

    y = x + made(made(x, unit.conv_i1), unit.conv_i2)
    y = made(y, unit.conv_m1, stride, 1, 16)
    if first:
        return made(y, unit.conv_m2) + made(x, unit.conv_w1, stride)
    return made(y, unit.conv_m2, 1, (0, 1, 1), 16) + x


def inception_block(x: Array, network: Any, name: str) -> Array:
    """Ioffe and Szegedy, figure 5: 1×1, 3×3, two 3×3 and a pooling side by side; convolutions have biases.

    3c and 4e halve the picture, have no 1×1, and pool without a projection. 5b pools by the maximum, all others that
    keep the size by the mean.
    """
    halves = name in ("3c", "4e")
    stride = 2 if halves else 1

    def made(y: Array, layer: str, size: int = 1, stride: int = 1) -> Array:
        found = network.get_submodule(f"inception_{name}_{layer}")
        batch_norm = network.get_submodule(f"inception_{name}_{layer}_bn")
        return relu(norm(conv(y, found.weight, found.bias, stride, size // 2), batch_norm))

    branches = [] if halves else [made(x, "1x1")]
    branches.append(made(made(x, "3x3_reduce"), "3x3", 3, stride))
    branches.append(made(made(made(x, "double_3x3_reduce"), "double_3x3_1", 3), "double_3x3_2", 3, stride))
    if halves:
        branches.append(pool_up(x))
    else:
        pooled = max_pool(x, (3, 3), 1, 1) if name == "5b" else mean_pool(x, (3, 3), 1, 1)
        branches.append(made(pooled, "pool_proj"))
    return np.concatenate(branches, axis=1)


def pool_up(x: Array) -> Array:
    """Caffe's 3×3 maximum of stride 2: windows from the first pixel on, as many as begin inside; for even sizes."""
    height, width = x.shape[2:]
    out = np.zeros((*x.shape[:2], height // 2, width // 2))
    for row in range(height // 2):
        for column in range(width // 2):
            window = x[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            out[:, :, row, column] = window.max(axis=(2, 3))
    return out
