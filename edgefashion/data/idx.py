"""Reading IDX, the format of the MNIST family, without trusting the file.

The format is four bytes (two zeros, a type code, the number of dimensions), the dimensions as big-endian
32-bit integers, then the data (http://yann.lecun.com/exdb/mnist, "The IDX file format").
"""

import gzip
import io
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefashion.errors import BadInput
from edgefashion.files import read_bounded, sha256

_UINT8 = 8
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path, *, shape: tuple[int, ...], digest: str) -> NDArray[np.uint8]:
    """The array in an IDX file, gzipped or not, whose shape and content are known beforehand.

    Args:
        path: The file.
        shape: Expected dimensions; nothing larger is ever decompressed.
        digest: Expected hex SHA-256 of the decompressed file.

    Returns:
        uint8 array of `shape`, read-only.

    Raises:
        BadInput: The file is missing, truncated, damaged, or holds something else.
    """
    header = bytes((0, 0, _UINT8, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape)
    expected = len(header) + int(np.prod(shape))
    # A compressed file is never much larger than its content, so the same bound serves both.
    content = _decompress(read_bounded(path, max_bytes=expected + 65536), expected, path)
    if content[: len(header)] != header or len(content) != expected:
        raise BadInput(f"{path} is not an IDX file of {' by '.join(map(str, shape))} bytes: fetch it again")
    if sha256(content) != digest:
        raise BadInput(f"{path} has another SHA-256 than the published file: it is damaged; fetch it again")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)


def write_idx(array: NDArray[np.uint8]) -> bytes:
    """`array` as an uncompressed IDX file."""
    header = bytes((0, 0, _UINT8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


def _decompress(raw: bytes, expected: int, path: Path) -> bytes:
    if raw[:2] != _GZIP_MAGIC:
        return raw
    try:
        # One byte more than expected shows a bomb or an appended member without inflating it.
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            return file.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path} is not a sound gzip file ({error}): fetch it again") from None
