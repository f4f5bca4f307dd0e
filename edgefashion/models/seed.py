"""The published homework network: three convolutions with ReLU and max-pooling, two fully connected layers.

The first fully connected layer is followed by batch-norm and a sigmoid. There is no sigmoid on the logits:
under cross-entropy it could not bring the loss of ten classes below 1.461, and the published losses are .39.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from edgefashion.records import Setting


@dataclass(frozen=True)
class SeedConfig:
    """Widths of the network; the publication does not give them."""

    widths: list[int]  # output channels of each convolution
    hidden: int  # units of the first fully connected layer


class ConvBlock(nn.Module):
    """3×3 convolution, ReLU, 2×2 max-pooling: [N, in, H, W] → [N, out, H/2, W/2]."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output; ReLU and max-pooling commute, so both orders give the same values."""
        x = self.conv(x)
        # Pooling first leaves ReLU a quarter of the work in training; exported the other way round, runtimes
        # fuse ReLU into the convolution.
        y: Tensor = self.relu(self.pool(x)) if self.training else self.pool(self.relu(x))
        return y


class SeedNet(nn.Module):
    """float32[N, 1, H, W] → logits float32[N, classes]."""

    def __init__(self, config: SeedConfig, image_shape: tuple[int, int], classes: int) -> None:
        super().__init__()
        channels = [1, *config.widths]
        self.features = nn.Sequential(*(ConvBlock(before, after) for before, after in pairwise(channels)))
        shrink = 2 ** len(config.widths)
        flat = channels[-1] * (image_shape[0] // shrink) * (image_shape[1] // shrink)
        self.hidden = nn.Linear(flat, config.hidden)
        self.norm = nn.BatchNorm1d(config.hidden)
        self.classify = nn.Linear(config.hidden, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits float32[N, classes]."""
        x = self.features(x).flatten(1)
        logits: Tensor = self.classify(torch.sigmoid(self.norm(self.hidden(x))))
        return logits


def build(settings: Mapping[str, Setting], image_shape: tuple[int, int], classes: int) -> SeedNet:
    """A network with the given `widths` and `hidden`."""
    widths, hidden = settings["widths"], settings["hidden"]
    if not isinstance(widths, list) or not isinstance(hidden, int):
        raise TypeError("widths are a list of integers and hidden is an integer")
    return SeedNet(SeedConfig(widths, hidden), image_shape, classes)
