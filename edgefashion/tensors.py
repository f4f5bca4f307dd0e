"""Sealed safetensors files: named arrays beside one record. Nothing here can execute code when it is read."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefashion.errors import BadInput
from edgefashion.files import check_seal, read_bounded, seal
from edgefashion.records.base import AnyRecord, Record, decode, encode_unsealed

REFERENCE_KEY = "edgefashion.reference"

Arrays = dict[str, NDArray[np.generic]]


def pack(arrays: Arrays, key: str, record: Record) -> bytes:
    """Serialize `arrays` with `record`, which has the member `seal`, under `key` in the header.

    The format is described at https://github.com/huggingface/safetensors.
    """
    from safetensors.numpy import save

    # The header is the file's first part: contiguous copies make its bytes a function of the values alone.
    plain = {name: array.copy(order="C") for name, array in arrays.items()}
    return seal(save(plain, metadata={key: encode_unsealed(record).decode()}))


def read(path: Path, key: str, kind: type[AnyRecord]) -> tuple[Arrays, AnyRecord]:
    """The arrays and the record of a file written by `pack`, checked against its seal first.

    Raises:
        BadInput: The file is missing, damaged, or holds no record of this kind.
    """
    content = read_bounded(path)
    check_seal(content, path)
    wrong_kind = f"{path} holds no {key}: expected a {kind.__name__}"
    try:
        text = header(content)[key].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadInput(wrong_kind) from None
    record = decode(text, kind, path)
    return arrays(content, path), record


def header(content: bytes) -> dict[str, str]:
    """The string metadata in the header of a safetensors file.

    Raises:
        ValueError, KeyError, TypeError: The bytes are no safetensors file with metadata.
    """
    length = int.from_bytes(content[:8], "little")
    found = json.loads(content[8 : 8 + length])["__metadata__"]
    return {str(name): str(value) for name, value in found.items()}


def arrays(content: bytes, path: Path) -> Arrays:
    """Every array of a safetensors file; `path` is only its name.

    Raises:
        BadInput: The arrays are not laid out as the header says.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(content))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path} is no sound safetensors file: {error}") from None
