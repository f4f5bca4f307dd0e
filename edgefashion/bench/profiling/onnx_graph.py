"""What a profile needs to know of an ONNX file: nodes, their attributes, and the shapes and types of weights.

A device has no onnx package, so the protocol-buffer wire format is read directly (protobuf.dev, "Encoding");
only what is asked for here is decoded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from edgefashion.errors import BadInput

# Field numbers of onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OP_TYPE, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_INTS, _ATTRIBUTE_TENSOR = 1, 3, 8, 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME = 1, 2, 8

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_CONTINUES = 0x80
_MAX_VARINT_BITS = 70
_SIGN, _WORD = 1 << 63, 1 << 64

# What stands between a weight as it is stored and the operator that uses it.
_WRAPPERS = {"DequantizeLinear", "Cast", "Mul", "Transpose", "Identity", "Reshape"}
_MAX_WRAPPERS = 8


@dataclass(frozen=True)
class Node:
    """One node of the file, before any runtime has changed it."""

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    integers: dict[str, tuple[int, ...]]  # attributes that are one or several integers


@dataclass(frozen=True)
class Graph:
    """Nodes by name and by output, and the shape and element type of every weight."""

    by_name: dict[str, Node]
    by_output: dict[str, Node]
    shapes: dict[str, tuple[int, ...]]
    types: dict[str, int] = field(default_factory=dict)  # TensorProto.DataType, of initializers

    def stored(self, tensor: str) -> str | None:
        """The weight that `tensor` is, or is made of by dequantizing, casting, scaling or transposing; or None."""
        for _ in range(_MAX_WRAPPERS):
            if tensor in self.shapes:
                return tensor
            producer = self.by_output.get(tensor)
            if producer is None or producer.op_type not in _WRAPPERS or not producer.inputs:
                return None
            tensor = producer.inputs[0]
        return None


class _Field(NamedTuple):
    number: int
    value: int | bytes  # a varint as int64, or the content of anything with a length


def read_graph(content: bytes) -> Graph:
    """The outermost graph of a serialized ModelProto.

    Raises:
        BadInput: The bytes are no protocol buffer.
    """
    try:
        fields = [field for graph in _messages(_fields(content), _MODEL_GRAPH) for field in _fields(graph)]
        nodes = [_node(message) for message in _messages(fields, _GRAPH_NODE)]
        tensors = [_tensor(message) for message in _messages(fields, _GRAPH_INITIALIZER)]
        constants = [found for message in _messages(fields, _GRAPH_NODE) for found in _constants(message)]
    except (ValueError, IndexError):
        raise BadInput("the model's graph cannot be read: expected ONNX") from None
    return Graph(
        by_name={node.name: node for node in nodes if node.name},
        by_output={output: node for node in nodes for output in node.outputs},
        shapes=dict([*((name, shape) for name, shape, _ in tensors), *constants]),
        types={name: kind for name, _, kind in tensors},
    )


def _node(content: bytes) -> Node:
    fields = list(_fields(content))
    return Node(
        name=_text(fields, _NODE_NAME),
        op_type=_text(fields, _NODE_OP_TYPE),
        inputs=_texts(fields, _NODE_INPUT),
        outputs=_texts(fields, _NODE_OUTPUT),
        integers=dict(map(_integers, _messages(fields, _NODE_ATTRIBUTE))),
    )


def _integers(attribute: bytes) -> tuple[str, tuple[int, ...]]:
    fields = list(_fields(attribute))
    values = [value for each in fields if each.number in {_ATTRIBUTE_INT, _ATTRIBUTE_INTS} for value in _packed(each)]
    return _text(fields, _ATTRIBUTE_NAME), tuple(values)


def _constants(node: bytes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of a Constant node's tensor: older exporters keep weights there."""
    fields = list(_fields(node))
    if _text(fields, _NODE_OP_TYPE) != "Constant":
        return
    for attribute in _messages(fields, _NODE_ATTRIBUTE):
        for tensor in _messages(_fields(attribute), _ATTRIBUTE_TENSOR):
            yield _texts(fields, _NODE_OUTPUT)[0], _tensor(tensor)[1]


def _tensor(content: bytes) -> tuple[str, tuple[int, ...], int]:
    fields = list(_fields(content))
    dims = [value for each in fields if each.number == _TENSOR_DIMS for value in _packed(each)]
    kinds = [value for each in fields if each.number == _TENSOR_TYPE for value in _packed(each)]
    return _text(fields, _TENSOR_NAME), tuple(dims), kinds[-1] if kinds else 0


def _packed(field: _Field) -> Iterator[int]:
    """The integers of a repeated field, which may be written one by one or all in one."""
    if isinstance(field.value, int):
        yield field.value
        return
    position = 0
    while position < len(field.value):
        value, position = _varint(field.value, position)
        yield value


def _text(fields: Iterable[_Field], number: int) -> str:
    return next(iter(_texts(fields, number)), "")


def _texts(fields: Iterable[_Field], number: int) -> tuple[str, ...]:
    return tuple(message.decode() for message in _messages(fields, number))


def _messages(fields: Iterable[_Field], number: int) -> Iterator[bytes]:
    return (each.value for each in fields if each.number == number and isinstance(each.value, bytes))


def _fields(message: bytes) -> Iterator[_Field]:
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = _varint(message, position)
            yield _Field(number, value)
        elif wire in _FIXED_BYTES:
            position += _FIXED_BYTES[wire]
        elif wire == _LENGTH_DELIMITED:
            length, position = _varint(message, position)
            if not 0 <= length <= len(message) - position:
                raise ValueError("a field ends outside its message")
            yield _Field(number, message[position : position + length])
            position += length
        else:
            raise ValueError(f"wire type {wire} does not occur in ONNX")


def _varint(message: bytes, position: int) -> tuple[int, int]:
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
