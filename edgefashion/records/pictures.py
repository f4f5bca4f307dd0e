"""Pictures as text: small enough to travel inside a manifest, and read without trusting it."""

import base64
import math
import zlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.errors import NotAvailable

# Ten pictures of 28 by 28 are 7,840 pixels; a hundred times that is still nothing to a reader.
MAX_PIXELS = 2**20

_PICTURE_DIMENSIONS = 3
# What compressing, which never grows its input by a tenth, and base 85 can make of each byte; and of no byte at all.
_MOST_CHARACTERS_A_PIXEL, _MOST_CHARACTERS_MORE = 2, 64

# No digit of base 85. Texts that begin otherwise are of the first kind: differences of rows, deflated.
_MARK = "."


def pack_pictures(pixels: NDArray[np.uint8]) -> str:
    """`pixels` uint8[N, H, W] as text that JSON need not escape.

    Column after column, compressed by LZMA and written in base 85. The ten golden pictures take 4,374 characters so;
    PNG's Paeth prediction before LZMA makes it 4,429, deflated differences of rows 4,873, plain zlib in base 64 5,592.

    Raises:
        NotAvailable: This Python was built without LZMA.
    """
    columns = np.ascontiguousarray(pixels.swapaxes(1, 2))
    lzma = _lzma()
    packed = lzma.compress(columns.tobytes(), lzma.FORMAT_RAW, filters=_filters(lzma))
    return _MARK + base64.b85encode(packed).decode()


def unpack_pictures(text: str, shape: Sequence[int]) -> NDArray[np.uint8]:
    """The pictures uint8[N, H, W] in `text`; never inflates more than `shape` says, nor more than `MAX_PIXELS`.

    Raises:
        ValueError: The shape is out of bounds, or the text does not hold exactly that many pixels.
        NotAvailable: This Python was built without LZMA.
    """
    size = math.prod(shape)
    if len(shape) != _PICTURE_DIMENSIONS or min(shape) < 1 or size > MAX_PIXELS:
        raise ValueError(f"their shape is {list(shape)}: expected [N, H, W] of at most {MAX_PIXELS:,} pixels")
    if len(text) > _MOST_CHARACTERS_A_PIXEL * size + _MOST_CHARACTERS_MORE:
        raise ValueError(f"{len(text):,} characters are too many for {size:,} pixels")
    count, height, width = shape
    if not text.startswith(_MARK):
        differences = _inflated(zlib.decompressobj(), text, size, zlib.error).reshape(shape)
        return np.cumsum(differences, axis=1, dtype=np.uint8)
    lzma = _lzma()
    unpack = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_filters(lzma))
    columns = _inflated(unpack, text.removeprefix(_MARK), size, lzma.LZMAError).reshape(count, width, height)
    return np.ascontiguousarray(columns.swapaxes(1, 2))


def _inflated(decompressor: Any, text: str, size: int, refusal: type[Exception]) -> NDArray[np.uint8]:
    """The `size` bytes that `text` holds."""
    try:
        # One byte more than expected shows that there is more, without inflating it.
        content = decompressor.decompress(base64.b85decode(text), size + 1)
    except refusal as error:
        raise ValueError(str(error)) from None
    if len(content) != size or not decompressor.eof or decompressor.unused_data:
        raise ValueError(f"they are not the {size:,} pixels that their shape says")
    return np.frombuffer(content, np.uint8)


def _lzma() -> ModuleType:
    # Where Python was built from source without liblzma, all but these pictures works.
    try:
        import lzma
    except ImportError:
        raise NotAvailable(
            "golden pictures are compressed by LZMA, without which this Python was built: use another Python, or "
            "models exported with --no-pictures"
        ) from None
    return lzma


def _filters(lzma: ModuleType) -> list[dict[str, int]]:
    """No header and no check, as the artifact's seal is one; the upper half of a byte foretells the next."""
    return [{"id": lzma.FILTER_LZMA1, "dict_size": 2**13, "lc": 4, "lp": 0, "pb": 0, "nice_len": 64}]
