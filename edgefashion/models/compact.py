"""Small convolutional networks for integer kernels: 3×3 convolution, batch-norm and ReLU, and nothing else.

Stages of decreasing resolution end in a mean over all positions and one linear layer. Batch-norm folds into the
convolution before it, so that a device computes convolutions with ReLU and pooling: what 8-bit kernels do best.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from torch import Tensor, nn

from edgefashion.records import Setting


@dataclass(frozen=True)
class CompactConfig:
    """Shape of the network.

    Attributes:
        widths: Channels of each stage; a stage begins with a convolution that halves the resolution by max-pooling.
        depths: Convolutions of each stage, the first included.
        dropout: Share of the means that a training step leaves out before the linear layer.
        strided: The first convolution is 5×5 and moves by two pixels, instead of 3×3 before max-pooling: a kernel that
            reads one channel is slow, and so is asked for a quarter of the places.

    Raises:
        ValueError: The lists differ in length, or hold something else than positive integers.
    """

    widths: list[int]
    depths: list[int]
    dropout: float = 0.0
    strided: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.depths) or not self.widths:
            raise ValueError(f"widths {self.widths} and depths {self.depths} must be as many, and at least one")
        if min(*self.widths, *self.depths) < 1 or not 0 <= self.dropout < 1:
            raise ValueError("widths and depths are positive, and dropout is from 0 to below 1")


class ConvBlock(nn.Module):
    """Convolution, batch-norm, ReLU, and 2×2 max-pooling if `pool`: [N, in, H, W] → [N, out, H or H/2, …]."""

    def __init__(self, channels_in: int, channels_out: int, *, pool: bool, strided: bool = False) -> None:
        super().__init__()
        kernel, stride = (5, 2) if strided else (3, 1)
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)
        # Without a scale of its own, batch-norm is monotone, and ReLU and the next convolution need none.
        self.norm.weight.requires_grad_(False)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        if channels_in > 1:
            # A picture passes an untrained network: Zagoruyko and Komodakis 2017, arXiv:1706.00388.
            nn.init.dirac_(self.conv.weight.data[:channels_in])

    def forward(self, x: Tensor) -> Tensor:
        """The block's output; pooling commutes with the two monotone steps, in evaluation to the last bit."""
        x = self.conv(x)
        # Pooling first leaves the rest a quarter of the work in training; exported the other way round, batch-norm
        # and ReLU become part of the convolution.
        y: Tensor = self.relu(self.norm(self.pool(x))) if self.training else self.pool(self.relu(self.norm(x)))
        return y


class CompactNet(nn.Module):
    """float32[N, 1, H, W] → logits float32[N, classes]."""

    def __init__(self, config: CompactConfig, classes: int) -> None:
        super().__init__()
        blocks: list[ConvBlock] = []
        channels = 1
        for width, depth in zip(config.widths, config.depths, strict=True):
            for index in range(depth):
                strided = config.strided and not blocks
                blocks.append(ConvBlock(channels, width, pool=index == 0 and not strided, strided=strided))
                channels = width
        self.features = nn.Sequential(*blocks)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(config.dropout)
        self.classify = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits float32[N, classes]."""
        logits: Tensor = self.classify(self.dropout(self.mean(self.features(x)).flatten(1)))
        return logits


def build(settings: Mapping[str, Setting], image_shape: tuple[int, int], classes: int) -> CompactNet:
    """A network with the given `widths` and `depths`, and `dropout` and `strided` where they are given.

    Raises:
        TypeError: A setting has another type.
        ValueError: The settings do not fit each other, one is unknown, or pictures of `image_shape` cannot be halved so
            often.
    """
    if unknown := settings.keys() - {field.name for field in fields(CompactConfig)}:
        raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
    widths, depths, dropout = settings["widths"], settings["depths"], settings.get("dropout", 0.0)
    strided = settings.get("strided", False)
    if not (isinstance(widths, list) and isinstance(depths, list) and isinstance(dropout, int | float)):
        raise TypeError("widths and depths are lists of integers, and dropout is a number")
    if not isinstance(strided, bool):
        raise TypeError("strided is true or false")
    config = CompactConfig(widths, depths, float(dropout), strided)
    if min(image_shape) < 2 ** len(widths):
        raise ValueError(f"pictures of {image_shape} cannot be halved {len(widths)} times")
    return CompactNet(config, classes)
