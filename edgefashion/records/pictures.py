"""Pictures as text: small enough to travel inside a manifest, and read without trusting it."""

import base64
import math
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Ten pictures of 28 by 28 are 7,840 pixels; a hundred times that is still nothing to a reader.
MAX_PIXELS = 2**20

_PICTURE_DIMENSIONS = 3
# What deflate, which never grows its input by a hundredth, and base 85 can make of each byte; and of no byte at all.
_MOST_CHARACTERS_A_PIXEL, _MOST_CHARACTERS_MORE = 2, 64


def pack_pictures(pixels: NDArray[np.uint8]) -> str:
    """`pixels` uint8[N, H, W] as text that JSON need not escape.

    Each row is replaced by its difference to the row above, deflated without looking for repetitions, which noise has
    none of, and written in base 85. The ten golden pictures take 4,873 characters so, and 5,592 as plain zlib in
    base 64.
    """
    deflate = zlib.compressobj(9, strategy=zlib.Z_RLE)
    differences = np.diff(pixels, axis=1, prepend=np.uint8(0))
    return base64.b85encode(deflate.compress(differences.tobytes()) + deflate.flush()).decode()


def unpack_pictures(text: str, shape: Sequence[int]) -> NDArray[np.uint8]:
    """The pictures uint8[N, H, W] in `text`; never inflates more than `shape` says, nor more than `MAX_PIXELS`.

    Raises:
        ValueError: The shape is out of bounds, or the text does not hold exactly that many pixels.
    """
    size = math.prod(shape)
    if len(shape) != _PICTURE_DIMENSIONS or min(shape) < 1 or size > MAX_PIXELS:
        raise ValueError(f"their shape is {list(shape)}: expected [N, H, W] of at most {MAX_PIXELS:,} pixels")
    if len(text) > _MOST_CHARACTERS_A_PIXEL * size + _MOST_CHARACTERS_MORE:
        raise ValueError(f"{len(text):,} characters are too many for {size:,} pixels")
    inflate = zlib.decompressobj()
    try:
        # One byte more than expected shows that there is more, without inflating it.
        content = inflate.decompress(base64.b85decode(text), size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(content) != size or not inflate.eof or inflate.unused_data:
        raise ValueError(f"they are not the {size:,} pixels of the shape {list(shape)}")
    differences = np.frombuffer(content, np.uint8).reshape(shape)
    return np.cumsum(differences, axis=1, dtype=np.uint8)
