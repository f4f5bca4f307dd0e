"""Faults in the normalisation: the first layer is given other values. Pure functions uint8[N, H, W] → float32."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import Preprocessing

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]

# Means and standard deviations of pixels over 255 that are handed around.
WELL_KNOWN = (
    ("[-1, 1]", 0.5, 0.5),
    ("MNIST", 0.1307, 0.3081),
    ("ImageNet's red channel", 0.485, 0.229),
    ("ImageNet's green channel", 0.456, 0.224),
    ("ImageNet's blue channel", 0.406, 0.225),
    ("CIFAR-10's red channel", 0.4914, 0.2470),
)


@dataclass(frozen=True)
class ValueFault:
    """Something done instead of the normalisation.

    Attributes:
        fault: In words.
        change: What the first layer is given: float32[N, H, W].
    """

    fault: str
    change: Callable[[Pixels], Values]


def affine(pixels: Pixels, *, scale: float, offset: float) -> Values:
    """`scale` · pixel + `offset`."""
    return (pixels * np.float32(scale) + np.float32(offset)).astype(np.float32)


def contract_of(preprocessing: Preprocessing) -> tuple[float, float]:
    """The artifact's own normalisation as one scale and one offset."""
    return 1 / (preprocessing.divisor * preprocessing.std), -preprocessing.mean / preprocessing.std


def known_normalisations(preprocessing: Preprocessing) -> dict[str, tuple[float, float]]:
    """Fault to scale and offset: what becomes of (pixel / divisor - mean) / std when parts are missing or doubled."""
    divisor, mean, std = preprocessing.divisor, preprocessing.mean, preprocessing.std
    scale, offset = contract_of(preprocessing)
    known = {
        "not normalised: raw values of 0 to 255": (1.0, 0.0),
        f"only divided by {divisor:g}: mean and standard deviation forgotten": (1 / divisor, 0.0),
        "mean forgotten": (scale, 0.0),
        "standard deviation forgotten": (1 / divisor, -mean),
        f"division by {divisor:g} forgotten": (1 / std, offset),
        "mean and standard deviation exchanged": (1 / (divisor * mean), -std / mean),
        "normalised twice: mean and standard deviation applied twice": (scale / std, (offset - mean) / std),
        "normalised twice: all of it applied twice": (scale * scale, offset * scale + offset),
        f"normalised twice: divided by {divisor:g} twice": (scale / divisor, offset),
        f"wrong scale: divided by 256 instead of {divisor:g}": (scale * divisor / 256, offset),
        "wrong mean: 128 subtracted from raw values, nothing else": (1.0, -128.0),
        **{
            f"wrong mean and scale: those of {name}": (1 / (divisor * other_std), -other_mean / other_std)
            for name, other_mean, other_std in WELL_KNOWN
        },
    }
    # A fault that is this model's own contract is none.
    return {fault: found for fault, found in known.items() if not np.allclose(found, (scale, offset), rtol=1e-6)}


def value_faults(preprocessing: Preprocessing) -> list[ValueFault]:
    """Every known fault of the normalisation."""
    scale, offset = contract_of(preprocessing)
    return [
        *(
            ValueFault(fault, partial(affine, scale=scale, offset=offset))
            for fault, (scale, offset) in known_normalisations(preprocessing).items()
        ),
        ValueFault("bytes read as signed", partial(_signed, scale=scale, offset=offset)),
    ]


def remedy_of(preprocessing: Preprocessing) -> str:
    """What to do about every one of them."""
    return (
        f"give the first layer (pixel / {preprocessing.divisor:g} - {preprocessing.mean:g}) / {preprocessing.std:g}, "
        "once; or feed uint8 pictures to the whole graph, which does so itself"
    )


def _signed(pixels: Pixels, *, scale: float, offset: float) -> Values:
    return (pixels.view(np.int8) * np.float32(scale) + np.float32(offset)).astype(np.float32)
