"""Augmentation of whole batches in memory: one tensor operation a batch, not one call a picture."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from edgefashion.errors import UsageError
from edgefashion.registry import unknown

Augment = Callable[[Tensor], Tensor]

_CUTOUT = 8  # pixels


def flip(images: Tensor) -> Tensor:
    """Mirror each picture left to right with probability ½; uint8[N, H, W] → the same."""
    chosen = torch.rand(len(images), 1, 1, device=images.device) < 0.5  # noqa: PLR2004 - a fair coin
    return torch.where(chosen, images.flip(-1), images)


def shifted(images: Tensor, reach: int) -> Tensor:
    """Move each picture by up to `reach` pixels both ways, background coming in; uint8[N, H, W] → the same."""
    count, height, width = images.shape
    # Every place that a picture can be cut from, without a copy: [N, 2·reach + 1, 2·reach + 1, H, W].
    places = functional.pad(images, [reach] * 4).unfold(1, height, 1).unfold(2, width, 1)
    offsets = torch.randint(0, 2 * reach + 1, (2, count), device=images.device)
    return places[torch.arange(count, device=images.device), offsets[0], offsets[1]]


def cutout(images: Tensor) -> Tensor:
    """Blank a square of 8×8 pixels of each picture, less where it reaches beyond; uint8[N, H, W] → the same.

    DeVries and Taylor 2017, arXiv:1708.04552.
    """
    count, height, width = images.shape
    rows = _near(torch.randint(0, height, (count, 1), device=images.device), height, _CUTOUT)
    columns = _near(torch.randint(0, width, (count, 1), device=images.device), width, _CUTOUT)
    return images.masked_fill(rows[:, :, None] & columns[:, None, :], 0)


def erasing(images: Tensor) -> Tensor:
    """Fill a rectangle of random place, size and shape with noise, in half of the pictures; uint8[N, H, W] → the same.

    Zhong et al. 2020, "Random Erasing Data Augmentation", arXiv:1708.04896: 2 to 33 % of the area.
    """
    count, height, width = images.shape
    area = height * width * torch.empty(count, 1, device=images.device).uniform_(0.02, 0.33)
    shape = torch.empty(count, 1, device=images.device).uniform_(math.log(0.3), math.log(1 / 0.3)).exp()
    rows = _near(torch.randint(0, height, (count, 1), device=images.device), height, (area * shape).sqrt())
    columns = _near(torch.randint(0, width, (count, 1), device=images.device), width, (area / shape).sqrt())
    chosen = torch.rand(count, 1, 1, device=images.device) < 0.5  # noqa: PLR2004 - a fair coin
    noise = torch.randint_like(images, 0, 256)
    return torch.where(chosen & rows[:, :, None] & columns[:, None, :], noise, images)


def _near(centre: Tensor, size: int, extent: Tensor | int) -> Tensor:
    """Which of `size` places are within `extent` around each `centre` int64[N, 1]; bool[N, size]."""
    return (torch.arange(size, device=centre.device) - centre + 0.5).abs() * 2 < extent


AUGMENTATIONS: dict[str, Augment] = {
    "flip": flip,
    "shift": lambda images: shifted(images, 2),
    "shift-1": lambda images: shifted(images, 1),
    "cutout": cutout,
    "erasing": erasing,
}


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
