"""Faults before the artifact: it is given other bytes than the picture's. Pure functions uint8[N, H, W] → the same."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_OPAQUE = 255
_ROW_ALIGNMENT_BYTES = 32


@dataclass(frozen=True)
class PictureFault:
    """Something done to the pictures.

    Attributes:
        fault: In words.
        remedy: What to do about it.
        change: What arrives instead of the pictures.
    """

    fault: str
    remedy: str
    change: Callable[[Pixels], Pixels]


def invert(pixels: Pixels) -> Pixels:
    """Dark on bright instead of bright on dark."""
    return 255 - pixels


def transpose(pixels: Pixels) -> Pixels:
    """Columns read as rows; of pictures that are not square the bytes, in the shape that is expected."""
    return pixels.transpose(0, 2, 1).reshape(pixels.shape)


def mirror(pixels: Pixels) -> Pixels:
    """Left and right exchanged."""
    return pixels[:, :, ::-1]


def upend(pixels: Pixels) -> Pixels:
    """The last row first."""
    return pixels[:, ::-1]


def rotate(pixels: Pixels) -> Pixels:
    """Rotated by 180°."""
    return pixels[:, ::-1, ::-1]


def turn_left(pixels: Pixels) -> Pixels:
    """Rotated by 90° against the clock."""
    return np.rot90(pixels, 1, axes=(1, 2)).reshape(pixels.shape)


def turn_right(pixels: Pixels) -> Pixels:
    """Rotated by 90° with the clock."""
    return np.rot90(pixels, 3, axes=(1, 2)).reshape(pixels.shape)


def as_rgb(pixels: Pixels) -> Pixels:
    """Interleaved RGB bytes of a grey picture, read as a plane: each value three times, and a third of the picture."""
    return _first_plane(np.repeat(_flat(pixels), 3, axis=1), pixels)


def as_rgba(pixels: Pixels) -> Pixels:
    """Interleaved RGBA bytes of an opaque grey picture, read as a plane."""
    flat = _flat(pixels)
    opaque = np.full_like(flat, _OPAQUE)
    return _first_plane(np.stack([flat, flat, flat, opaque], axis=2).reshape(len(flat), -1), pixels)


def with_padded_rows(pixels: Pixels) -> Pixels:
    """Rows that a camera's buffer fills up to 32 bytes, read as if there were nothing between them."""
    padding = -pixels.shape[2] % _ROW_ALIGNMENT_BYTES
    return _first_plane(_flat(np.pad(pixels, ((0, 0), (0, 0), (0, padding)))), pixels)


def to_unit_bytes(pixels: Pixels) -> Pixels:
    """Divided by 255 and cut to whole numbers again: 0 everywhere but where the picture is white."""
    return pixels // 255


def _flat(pixels: Pixels) -> Pixels:
    return pixels.reshape(len(pixels), -1)


def _first_plane(flat: Pixels, like: Pixels) -> Pixels:
    return flat[:, : like[0].size].reshape(like.shape)


PICTURE_FAULTS = (
    PictureFault("inverted", "feed 255 − pixel", invert),
    PictureFault("transposed", "feed the picture row by row: height before width", transpose),
    PictureFault("flipped left-right", "mirror the pictures before the model", mirror),
    PictureFault("flipped upside down", "feed the top row first", upend),
    PictureFault("rotated by 180°", "feed the top row first and each row from the left", rotate),
    PictureFault("rotated by 90° to the left", "rotate the pictures by 90° to the right before the model", turn_left),
    PictureFault("rotated by 90° to the right", "rotate the pictures by 90° to the left before the model", turn_right),
    PictureFault(
        "wrong channel layout: interleaved RGB read as one plane", "take one byte of each three of a pixel", as_rgb
    ),
    PictureFault(
        "wrong channel layout: interleaved RGBA read as one plane", "take one byte of each four of a pixel", as_rgba
    ),
    PictureFault(
        "row padding read as pixels", "leave out what fills each row up to a multiple of 32 bytes", with_padded_rows
    ),
    PictureFault(
        "divided by 255 before the cast to uint8", "feed the bytes as they are: the model normalises", to_unit_bytes
    ),
)
