"""The wire format of protocol buffers (protobuf.dev, "Encoding"), as far as ONNX uses it.

A device has no onnx package, and needs none to learn what a model says of itself and which nodes it has.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_CONTINUES = 0x80
_MAX_VARINT_BITS = 70
_SIGN, _WORD = 1 << 63, 1 << 64


class Field(NamedTuple):
    """One field of a message; those of fixed width, which ONNX needs for nothing that is read here, are left out."""

    number: int
    value: int | bytes  # a varint as int64, or the content of anything with a length


def fields(message: bytes) -> Iterator[Field]:
    """The fields of one message, in their order.

    Raises:
        ValueError: A field ends outside the message, or is of a kind that does not occur in ONNX.
        IndexError: The message ends inside a number.
    """
    position = 0
    while position < len(message):
        tag, position = varint(message, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = varint(message, position)
            yield Field(number, value)
        elif wire in _FIXED_BYTES:
            position += _FIXED_BYTES[wire]
        elif wire == _LENGTH_DELIMITED:
            length, position = varint(message, position)
            if not 0 <= length <= len(message) - position:
                raise ValueError("a field ends outside its message")
            yield Field(number, message[position : position + length])
            position += length
        else:
            raise ValueError(f"wire type {wire} does not occur in ONNX")


def messages(found: Iterable[Field], number: int) -> Iterator[bytes]:
    """The contents of the fields of that number that have a length."""
    return (each.value for each in found if each.number == number and isinstance(each.value, bytes))


def varint(message: bytes, position: int) -> tuple[int, int]:
    """The int64 at `position`, and the position behind it.

    Raises:
        ValueError: It is longer than ten bytes.
        IndexError: The message ends inside it.
    """
    value = bits = 0
    while True:
        byte = message[position]
        value |= (byte & ~_CONTINUES) << bits
        position, bits = position + 1, bits + 7
        if byte < _CONTINUES:
            # Negative numbers are written as the 64-bit word that holds them.
            return (value - _WORD if value & _SIGN else value), position
        if bits >= _MAX_VARINT_BITS:
            raise ValueError("a varint is longer than ten bytes")
