"""Inputs at the edge of what a classifier is ever given: cheap to try, and often worse than any photograph.

Every family takes the pictures' size from the caller. What is random comes from the caller's generator.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgefashion.verify.search import alter

Pixels = NDArray[np.uint8]

_DENSITIES = (0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
_RANGES = ((0, 255), (0, 63), (96, 160), (192, 255))
_OF_EACH = 16  # random pictures of one kind


def edge_inputs(photographs: Pixels, random: np.random.Generator) -> Iterator[tuple[str, Pixels]]:
    """Name and pictures uint8[N, H, W] of each family.

    Args:
        photographs: uint8[M, H, W], real pictures that some families are made from.
        random: Decides what is left to chance.
    """
    height, width = photographs.shape[1:]
    yield "flat", _flat(height, width)
    yield "one pixel", _one_pixel(height, width, random)
    yield "checkerboard", _checkerboards(height, width)
    yield "stripes", _stripes(height, width)
    yield "gradient", _gradients(height, width)
    yield "binary noise", _binary_noise(height, width, random)
    yield "uniform noise", _uniform_noise(height, width, random)
    yield "shifted", alter.shifted(photographs)
    yield "rotated", alter.rotated(photographs)
    yield "inverted", 255 - photographs
    yield "contrast", alter.contrasted(photographs)
    yield "occluded", alter.occluded(photographs, random)
    yield "mixed", alter.mixed(photographs, random)


def _flat(height: int, width: int) -> Pixels:
    """Black, white, and what lies between."""
    levels = np.unique(np.append(np.arange(0, 256, 15), 128)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None], (len(levels), height, width)).copy()


def _one_pixel(height: int, width: int, random: np.random.Generator) -> Pixels:
    """White on black and black on white: in each corner, in the middle, and anywhere."""
    places = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1), (height // 2, width // 2)]
    places += [(int(random.integers(height)), int(random.integers(width))) for _ in range(_OF_EACH)]
    pictures = np.zeros((len(places), height, width), np.uint8)
    for picture, place in zip(pictures, places, strict=True):
        picture[place] = 255
    return np.concatenate([pictures, 255 - pictures])


def _checkerboards(height: int, width: int) -> Pixels:
    """Squares of each size up to half the picture, in both phases and shifted by half a square."""
    rows, columns = np.indices((height, width))
    boards = [
        (((rows + shift) // side + (columns + shift) // side) % 2 == phase) * np.uint8(255)
        for side in _sizes(height, width)
        for shift in {0, side // 2}
        for phase in (0, 1)
    ]
    return np.stack(boards).astype(np.uint8)


def _stripes(height: int, width: int) -> Pixels:
    """Rows, columns and both diagonals, of each width up to half the picture, in both phases."""
    rows, columns = np.indices((height, width))
    stripes = [
        (along // side % 2 == phase) * np.uint8(255)
        for along in (rows, columns, rows + columns, rows - columns + width)
        for side in _sizes(height, width)
        for phase in (0, 1)
    ]
    return np.stack(stripes).astype(np.uint8)


def _gradients(height: int, width: int) -> Pixels:
    """From black to white and back: down, across, along the diagonals, and from the middle outwards."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    ramps = np.stack([rows, columns, rows + columns, rows - columns, rows**2 + columns**2])
    low, high = ramps.min(axis=(1, 2), keepdims=True), ramps.max(axis=(1, 2), keepdims=True)
    pictures = np.round(255 * (ramps - low) / (high - low)).astype(np.uint8)
    return np.concatenate([pictures, 255 - pictures])


def _binary_noise(height: int, width: int, random: np.random.Generator) -> Pixels:
    chances = np.repeat(_DENSITIES, _OF_EACH)[:, None, None]
    return np.where(random.random((len(chances), height, width)) < chances, 255, 0).astype(np.uint8)


def _uniform_noise(height: int, width: int, random: np.random.Generator) -> Pixels:
    shape = (_OF_EACH, height, width)
    return np.concatenate([random.integers(low, high, shape, np.uint8, endpoint=True) for low, high in _RANGES])


def _sizes(height: int, width: int) -> list[int]:
    """1, 2, 3 and on, each about half as large again, up to half the shorter side."""
    sizes = [1]
    while sizes[-1] * 3 // 2 + 1 <= min(height, width) // 2:
        sizes.append(sizes[-1] * 3 // 2 + 1)
    return sizes
