"""A picture from a file, as the data set would have it: grey, small, bright garment on black."""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgefashion.errors import BadInput
from edgefashion.files import read_bounded

_MAX_FILE_BYTES = 64 * 2**20
_MAX_PIXELS = 64_000_000
_HALF = 127.5


def read_picture(path: Path, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture in a PNG or JPEG file of any size and colour, as uint8[H, W] of `shape`.

    Transparent parts become background. A picture with a bright border is inverted, because the data set's
    background is black. It is scaled to fit and padded with black, so that its proportions stay.

    Raises:
        BadInput: The file is missing, too large, or no picture.
    """
    content = read_bounded(path, _MAX_FILE_BYTES)
    try:
        with _open(content) as picture:
            width, height = picture.size
            if width * height > _MAX_PIXELS:
                raise BadInput(f"{path} has {width} by {height} pixels: expected at most {_MAX_PIXELS:,} in all")
            upright = ImageOps.exif_transpose(picture)
            grey = _to_grey(upright)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput(f"{path} is not a sound PNG or JPEG picture: {error}") from None
    if min(grey.shape) * min(shape) < max(grey.shape):
        raise BadInput(f"{path} has {width} by {height} pixels: too narrow to be fitted into {shape[1]} by {shape[0]}")
    if _border_level(grey) > _HALF:
        grey = 255 - grey
    fitted = ImageOps.pad(Image.fromarray(grey), (shape[1], shape[0]), method=Image.Resampling.LANCZOS, color=0)
    return np.asarray(fitted, dtype=np.uint8)


def _open(content: bytes) -> Image.Image:
    with warnings.catch_warnings():
        # Pillow warns of large pictures on stderr; ours are bounded by the caller, with an error.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))


def _to_grey(picture: Image.Image) -> NDArray[np.uint8]:
    """uint8[H, W]; what is transparent becomes black behind bright garments and white behind dark ones."""
    if picture.mode.startswith("I"):  # 16 bits a pixel, which convert() would cut off at 255
        return (np.asarray(picture).clip(0, 65535) // 257).astype(np.uint8)
    if "transparency" not in picture.info and "A" not in picture.getbands():
        return np.asarray(picture.convert("L"))
    layered = np.asarray(picture.convert("LA"), dtype=np.float64)
    level, alpha = layered[..., 0], layered[..., 1] / 255
    bright = float((level * alpha).sum()) > _HALF * float(alpha.sum())
    background = 0 if bright else 255
    return np.round(level * alpha + background * (1 - alpha)).astype(np.uint8)


def _border_level(grey: NDArray[np.uint8]) -> float:
    return float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))
