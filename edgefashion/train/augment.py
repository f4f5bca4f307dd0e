"""Augmentation of whole batches in memory: one tensor operation a batch, not one call a picture."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from edgefashion.errors import UsageError
from edgefashion.registry import unknown

Augment = Callable[[Tensor], Tensor]

_MAX_SHIFT = 2


def flip(images: Tensor) -> Tensor:
    """Mirror each picture left to right with probability ½; uint8[N, H, W] → the same."""
    chosen = torch.rand(len(images), 1, 1, device=images.device) < 0.5  # noqa: PLR2004 - a fair coin
    return torch.where(chosen, images.flip(-1), images)


def shift(images: Tensor) -> Tensor:
    """Move each picture by up to two pixels both ways, background coming in; uint8[N, H, W] → the same."""
    count, height, width = images.shape
    padded = functional.pad(images, [_MAX_SHIFT] * 4)
    offsets = torch.randint(0, 2 * _MAX_SHIFT + 1, (2, count), device=images.device)
    rows = offsets[0, :, None] + torch.arange(height, device=images.device)  # int64[N, H]
    columns = offsets[1, :, None] + torch.arange(width, device=images.device)  # int64[N, W]
    picture = torch.arange(count, device=images.device)[:, None, None]
    return padded[picture, rows[:, :, None], columns[:, None, :]]


AUGMENTATIONS: dict[str, Augment] = {"flip": flip, "shift": shift}


def compose(names: Sequence[str]) -> Augment:
    """The named augmentations, one after the other; torch's global generator decides.

    Raises:
        UsageError: A name is unknown.
    """
    for name in names:
        if name not in AUGMENTATIONS:
            raise UsageError(unknown("augmentation", name, tuple(AUGMENTATIONS)))

    def apply(images: Tensor) -> Tensor:
        for name in names:
            images = AUGMENTATIONS[name](images)
        return images

    return apply
