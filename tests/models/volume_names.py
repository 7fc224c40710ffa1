"""Names and shapes of published networks that see time, written down from their sources."""

from __future__ import annotations

from collections.abc import Iterator

from tests.models.names import Shapes, norm


def mfnet(classes: int = 400) -> Shapes:
    """MFNet-3D of its authors: stages of 3, 4, 6 and 3 units, 16 fibers."""
    shapes: Shapes = {"conv1.conv.weight": (16, 3, 3, 5, 5), **norm("conv1.bn", 16), **norm("tail.bn", 768)}
    channels = 16
    for stage, depth, width in ((2, 3, 96), (3, 4, 192), (4, 6, 384), (5, 3, 768)):
        for unit in range(1, depth + 1):
            for name, shape in units(channels, width, first=unit == 1):
                layer = f"conv{stage}.B{unit:02d}.{name}"
                kernel = (1, 1, 1) if len(shape) == 2 else shape[2:]
                shapes |= {f"{layer}.conv.weight": (*shape[:2], *kernel)}
                taken = {"conv_i2": width // 4, "conv_m2": width}.get(name, channels)
                shapes |= norm(f"{layer}.bn", taken)
            channels = width
    return {**shapes, "classifier.weight": (classes, 768), "classifier.bias": (classes,)}


def units(channels: int, width: int, *, first: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The convolutions of a unit."""
    yield "conv_i1", (width // 4, channels)
    yield "conv_i2", (channels, width // 4)
    yield "conv_m1", (width, channels // 16, 3, 3, 3)
    if first:
        yield from (("conv_m2", (width, width)), ("conv_w1", (width, channels)))
    else:
        yield "conv_m2", (width, width // 16, 1, 3, 3)


def c3d(classes: int = 487) -> Shapes:
    """The PyTorch port of C3D, with the classes of Sports-1M."""
    widths = {"1": 64, "2": 128, "3a": 256, "3b": 256, "4a": 512, "4b": 512, "5a": 512, "5b": 512}
    shapes: Shapes = {}
    channels = 3
    for name, width in widths.items():
        shapes |= {f"conv{name}.weight": (width, channels, 3, 3, 3), f"conv{name}.bias": (width,)}
        channels = width
    for name, (wide, narrow) in {"fc6": (4096, 8192), "fc7": (4096, 4096), "fc8": (classes, 4096)}.items():
        shapes |= {f"{name}.weight": (wide, narrow), f"{name}.bias": (wide,)}
    return shapes


def r2plus1d(depths: tuple[int, ...] = (2, 2, 2, 2), classes: int = 400, *, alike: bool = True) -> Shapes:
    """torchvision's R(2+1)D: both convolutions of a block have the first one's channels between their parts.

    alike: False for the weights from IG65M, where each has its own.
    """
    shapes: Shapes = {"stem.0.weight": (45, 3, 1, 7, 7), **norm("stem.1", 45)}
    shapes |= {"stem.3.weight": (64, 45, 3, 1, 1), **norm("stem.4", 64)}
    channels = 64
    for stage, (width, first, depth) in enumerate(
        zip((64, 128, 256, 512), (144, 230, 460, 921), depths, strict=True), start=1
    ):
        own = 9 * width // 4
        for index in range(depth):
            block = f"layer{stage}.{index}"
            between = first if index == 0 else own
            second = between if alike else own
            for conv, narrow, middle in ((f"{block}.conv1", channels, between), (f"{block}.conv2", width, second)):
                shapes |= {f"{conv}.0.0.weight": (middle, narrow, 1, 3, 3), **norm(f"{conv}.0.1", middle)}
                shapes |= {f"{conv}.0.3.weight": (width, middle, 3, 1, 1), **norm(f"{conv}.1", width)}
            if channels != width:
                shapes |= {f"{block}.downsample.0.weight": (width, channels, 1, 1, 1)}
                shapes |= norm(f"{block}.downsample.1", width)
            channels = width
    return {**shapes, "fc.weight": (classes, 512), "fc.bias": (classes,)}
