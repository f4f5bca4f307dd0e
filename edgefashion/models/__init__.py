"""Architectures: one file each, with a `build` function, and one line in the registry.

    model = models.build(architecture, image_shape=(28, 28), classes=10, preprocessing=preprocessing)

A model takes pictures as they come from a camera or a file, uint8[N, H, W], and gives logits
float32[N, classes]. The normalization is its first layer, so training and device cannot disagree about it.
"""

import torch
from torch import Tensor, nn

from edgefashion.records import Architecture, Preprocessing
from edgefashion.registry import Registry

ARCHITECTURES = Registry(
    kind="architecture",
    group="edgefashion.architectures",
    built_in={"seed": "edgefashion.models.seed", "compact": "edgefashion.models.compact"},
)


class Classifier(nn.Module):
    """A network behind its preprocessing: uint8[N, H, W] → logits float32[N, classes]."""

    scale: Tensor
    offset: Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        # (x / divisor - mean) / std as one multiplication and one addition. Not parameters of the checkpoint:
        # the manifest holds the contract, and two copies could disagree.
        scale = 1 / (preprocessing.divisor * preprocessing.std)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)
        self.register_buffer("offset", torch.tensor(-preprocessing.mean / preprocessing.std), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits float32[N, classes] of `images` uint8[N, H, W]."""
        pixels = images.unsqueeze(1).float() * self.scale + self.offset  # float32[N, 1, H, W]
        logits: Tensor = self.network(pixels)
        return logits


def build(
    architecture: Architecture, *, image_shape: tuple[int, int], classes: int, preprocessing: Preprocessing
) -> Classifier:
    """A freshly initialized classifier; torch's global generator decides its weights.

    Raises:
        UsageError: No architecture has that name.
    """
    module = ARCHITECTURES.load(architecture.name)
    return Classifier(module.build(architecture.settings, image_shape, classes), preprocessing)


def count_parameters(model: nn.Module) -> int:
    """Number of parameters, batch-norm's fixed scales included."""
    return sum(parameter.numel() for parameter in model.parameters())
