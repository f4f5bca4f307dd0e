"""Reading outputs that were computed elsewhere, without trusting the file: CSV, or NumPy's NPZ."""

import csv
import io
import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgefashion.errors import BadInput
from edgefashion.files import read_bounded

Outputs = NDArray[np.float32]

KEY = "logits"

# 32 characters hold any number; the rest is for headers of columns and of arrays, and for what else an NPZ holds.
_BYTES_A_NUMBER, _BYTES_MORE = 32, 2**16
_ZIP_MAGIC = b"PK"
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NUMBERS = "fiu"  # kinds of numpy's types


def read_outputs(path: Path, *, images: int, classes: int) -> Outputs:
    """Outputs float32[images, classes] from a CSV file, with or without a header, or an NPZ file.

    An NPZ file holds them as "logits", or holds nothing else. Nothing in it is unpickled.

    Raises:
        BadInput: The file is missing, too large, or does not hold exactly these numbers, all finite.
    """
    expectation = f"expected {images} rows of {classes} finite numbers, one row a golden picture, as CSV or NPZ"
    content = read_bounded(path, max_bytes=_most_bytes(images, classes))
    try:
        found = _from_npz(content, images, classes) if content[:2] == _ZIP_MAGIC else _from_csv(content)
        if found.shape != (images, classes):
            raise ValueError(f"it holds numbers of shape {list(found.shape)}")  # noqa: TRY301 - one place says what is expected
        with np.errstate(over="ignore"):  # told below
            outputs = found.astype(np.float32)
        if not np.isfinite(outputs).all():
            raise ValueError("some numbers are not finite as float32")  # noqa: TRY301 - likewise
    except ValueError as error:
        raise BadInput(f"{path}: {error}; {expectation}") from None
    return outputs


def _most_bytes(images: int, classes: int) -> int:
    return _BYTES_A_NUMBER * images * classes + _BYTES_MORE


def _from_csv(content: bytes) -> NDArray[np.float64]:
    """Numbers in rows; a first row of which no cell is a number is a header."""
    try:
        rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True) if row]
    except csv.Error as error:
        raise ValueError(f"it is no CSV: {error}") from None
    if rows and not any(map(_is_number, rows[0])):
        rows = rows[1:]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("its rows are not equally long")
    return np.array([[float(cell) for cell in row] for row in rows], dtype=np.float64)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _from_npz(content: bytes, images: int, classes: int) -> NDArray[Any]:
    limit = _most_bytes(images, classes)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            member = _member(archive)
            with archive.open(member) as file:
                array = file.read(limit + 1)
    # So many ways has zipfile to say that an archive is damaged.
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        OSError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise ValueError(f"it is no sound NPZ: {error}") from None
    if len(array) > limit:
        raise ValueError("its array is too large")
    return _from_npy(array)


def _member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    arrays = {member.filename: member for member in archive.infolist() if member.filename.endswith(".npy")}
    name = f"{KEY}.npy" if f"{KEY}.npy" in arrays else next(iter(arrays), "")
    if not name or (name != f"{KEY}.npy" and len(arrays) > 1):
        raise ValueError(f"it holds {len(arrays)} arrays and none is called {KEY}")
    if arrays[name].compress_type not in _COMPRESSIONS:
        raise ValueError("it is compressed in another way than NumPy's")
    return arrays[name]


def _from_npy(content: bytes) -> NDArray[Any]:
    """The array, if the file holds exactly the bytes that its header announces: nothing is allocated on its word."""
    file = io.BytesIO(content)
    try:
        read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(file)]
        shape, columns_first, dtype = read_header(file)
    # The header is a Python literal.
    except (KeyError, SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError):
        raise ValueError("its array has no sound header") from None
    start = file.tell()
    if dtype.kind not in _NUMBERS or math.prod(shape) * dtype.itemsize != len(content) - start:
        raise ValueError(f"its array is {dtype} of shape {list(shape)} in {len(content) - start:,} bytes")
    return np.frombuffer(content, dtype, offset=start).reshape(shape, order="F" if columns_first else "C")
