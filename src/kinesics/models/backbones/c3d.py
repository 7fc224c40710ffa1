"""C3D, with the parameter names of its PyTorch port (conv1, conv2, conv3a … fc7; fc8 is the head's).

Source: Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks, ICCV 2015.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.backbones.backbone import STAGES, InputNorm
from kinesics.models.backbones.volume import Volume

CONVOLUTIONS = {
    "conv2": 128,
    "conv3a": 256,
    "conv3b": 256,
    "conv4a": 512,
    "conv4b": 512,
    "conv5a": 512,
    "conv5b": 512,
}
HIDDEN = 4096
CELLS = 4
"""Height and width of the maps that fc6 sees."""


class C3D(Volume):
    """C3D: 4096 features for every 16 frames. Made for 16 frames of 112², where it is C3D itself; T and size are free.

    Pooling rounds up, as in the authors' network, so that no clip is too short; fc6 and fc7 see every 16 frames for
    themselves, and maps of another size are averaged to the 4×4 that fc6 has weights for.
    """

    # Blue, green and red on the scale 0–255, less their means over its clips; the authors subtract a mean clip.
    input_norm = InputNorm(mean=(90 / 255, 98 / 255, 102 / 255), std=(1 / 255,) * 3, order="bgr")
    num_features = HIDDEN
    time_strides = (2, 4, 8, 16)
    mapped = STAGES[:-1]
    first_conv = "conv1"
    stages = (("conv1",), ("conv2",), ("conv3a", "conv3b"), ("conv4a", "conv4b"), ("conv5a", "conv5b", "fc6", "fc7"))

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.widths = dict(zip(STAGES, (128, 256, 512, HIDDEN), strict=True))
        self.conv1 = nn.Conv3d(in_channels, 64, 3, padding=1)
        channels = 64
        for name, width in CONVOLUTIONS.items():
            self.add_module(name, nn.Conv3d(channels, width, 3, padding=1))
            channels = width
        self.fc6 = nn.Linear(channels * CELLS * CELLS, HIDDEN)
        self.fc7 = nn.Linear(HIDDEN, HIDDEN)
        self.dropout = nn.Dropout(0.5)
        for module in self.modules():
            if isinstance(module, (nn.Conv3d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.conv1.weight.data /= 64  # as no norm follows, and pixels are on the scale of 0–255

    def stem(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) → (N, 64, T, H/2, W/2)."""
        return F.max_pool3d(F.relu(self.conv1(x), inplace=True), (1, 2, 2), ceil_mode=True)

    def stage(self, name: str, x: Tensor, t: int) -> Tensor:
        """(N, C, T, H, W) → (N, C', T/2, H/2, W/2); layer5, with fc6 and fc7: (N, 4096, T/2, 1, 1)."""
        for convolution in self.stages[STAGES.index(name) + 1]:
            if convolution.startswith("conv"):
                x = F.relu(self.get_submodule(convolution)(x), inplace=True)
        if name != "layer5":
            return F.max_pool3d(x, 2, ceil_mode=True)
        x = F.max_pool3d(x, 2, padding=(0, 1, 1), ceil_mode=True)
        if x.shape[3:] != (CELLS, CELLS):
            # Frame by frame, for ONNX has no such pooling of clips.
            x = torch.unflatten(F.adaptive_avg_pool2d(x.flatten(1, 2), CELLS), 1, x.shape[1:3])
        x_NTD = self.dropout(F.relu(self.fc6(x.transpose(1, 2).flatten(2)), inplace=True))
        return F.relu(self.fc7(x_NTD), inplace=True).transpose(1, 2)[..., None, None]
