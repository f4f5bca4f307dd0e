"""Real pictures as they should not be: shifted, rotated, too dark, covered, mixed. All are uint8[N, H, W]."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_ANGLES_DEG = (-30, -15, -5, 5, 15, 30)
_GAINS = (0.1, 0.25, 0.5, 2.0, 4.0, 16.0)  # below one contrast is lost, above it pixels saturate
_BLOCKS = 4  # covered places of each picture


def shifted(pictures: Pixels) -> Pixels:
    """By an eighth and by half of the side in each direction; what comes in is black."""
    height, width = pictures.shape[1:]
    moves = [
        (down * height // part, right * width // part)
        for part in (8, 2)
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
        if (down, right) != (0, 0)
    ]
    return np.concatenate([_shift(pictures, down, right) for down, right in moves])


def _shift(pictures: Pixels, down: int, right: int) -> Pixels:
    height, width = pictures.shape[1:]
    moved = np.zeros_like(pictures)
    moved[:, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = pictures[
        :, max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
    ]
    return moved


def rotated(pictures: Pixels) -> Pixels:
    """Upside down, mirrored, a quarter turn either way where pictures are square, and by small angles."""
    height, width = pictures.shape[1:]
    turned = [pictures[:, ::-1, ::-1], pictures[:, ::-1], pictures[:, :, ::-1]]
    if height == width:
        turned += [np.rot90(pictures, quarter, axes=(1, 2)) for quarter in (1, 3)]
    turned += [_rotate(pictures, angle_deg) for angle_deg in _ANGLES_DEG]
    return np.concatenate(turned)


def _rotate(pictures: Pixels, angle_deg: float) -> Pixels:
    """About the middle, by bilinear interpolation; what comes in is black."""
    height, width = pictures.shape[1:]
    rows, columns = np.indices((height, width)) - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    # One black pixel around each picture; places further out are pulled onto that frame.
    framed = np.pad(pictures.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    y = np.clip(cosine * rows + sine * columns + (height + 1) / 2, 0, height + 0.999)
    x = np.clip(cosine * columns - sine * rows + (width + 1) / 2, 0, width + 0.999)
    top, left = y.astype(np.intp), x.astype(np.intp)
    below, beside = y - top, x - left
    upper = framed[:, top, left] * (1 - beside) + framed[:, top, left + 1] * beside
    lower = framed[:, top + 1, left] * (1 - beside) + framed[:, top + 1, left + 1] * beside
    return np.asarray(np.round(upper * (1 - below) + lower * below), dtype=np.uint8)


def contrasted(pictures: Pixels) -> Pixels:
    """Stretched and compressed about mid grey, and darkened and brightened about black."""
    values = pictures.astype(np.float64)
    changed = [pivot + gain * (values - pivot) for gain in _GAINS for pivot in (0, 128)]
    return np.concatenate([np.clip(np.round(each), 0, 255).astype(np.uint8) for each in changed])


def occluded(pictures: Pixels, random: np.random.Generator) -> Pixels:
    """A black or white block of half the sides, anywhere."""
    height, width = pictures.shape[1:]
    covered = np.tile(pictures, (_BLOCKS, 1, 1))
    tall, wide = height // 2, width // 2
    for picture in covered:
        top, left = random.integers(height - tall + 1), random.integers(width - wide + 1)
        picture[top : top + tall, left : left + wide] = random.choice((0, 255))
    return covered


def mixed(pictures: Pixels, random: np.random.Generator) -> Pixels:
    """Each with another one: the mean, the brighter of both, and the upper half of one over the other's lower."""
    order = random.permutation(len(pictures))
    others = np.empty_like(pictures)
    others[order] = pictures[np.roll(order, 1)]  # one round through all of them, so that none meets itself
    halves = pictures.copy()
    middle = pictures.shape[1] // 2
    halves[:, middle:] = others[:, middle:]
    mean = ((pictures.astype(np.uint16) + others) // 2).astype(np.uint8)
    return np.concatenate([mean, np.maximum(pictures, others), halves])
