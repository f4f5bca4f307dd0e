"""What a profile needs to know of an ONNX file: nodes, their attributes, and the shapes and types of weights.

A device has no onnx package, so the protocol buffer is read directly; only what is asked for here is decoded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from edgefashion.errors import BadInput
from edgefashion.protobuf import Field, fields, messages, varint

# Field numbers of onnx.proto.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OP_TYPE, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_INTS, _ATTRIBUTE_TENSOR = 1, 3, 8, 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME = 1, 2, 8

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


def read_graph(content: bytes) -> Graph:
    """The outermost graph of a serialized ModelProto.

    Raises:
        BadInput: The bytes are no protocol buffer.
    """
    try:
        found = [field for graph in messages(fields(content), _MODEL_GRAPH) for field in fields(graph)]
        nodes = [_node(message) for message in messages(found, _GRAPH_NODE)]
        tensors = [_tensor(message) for message in messages(found, _GRAPH_INITIALIZER)]
        constants = [each for message in messages(found, _GRAPH_NODE) for each in _constants(message)]
    except (ValueError, IndexError):
        raise BadInput("the model's graph cannot be read: expected ONNX") from None
    return Graph(
        by_name={node.name: node for node in nodes if node.name},
        by_output={output: node for node in nodes for output in node.outputs},
        shapes=dict([*((name, shape) for name, shape, _ in tensors), *constants]),
        types={name: kind for name, _, kind in tensors},
    )


def _node(content: bytes) -> Node:
    found = list(fields(content))
    return Node(
        name=_text(found, _NODE_NAME),
        op_type=_text(found, _NODE_OP_TYPE),
        inputs=_texts(found, _NODE_INPUT),
        outputs=_texts(found, _NODE_OUTPUT),
        integers=dict(map(_integers, messages(found, _NODE_ATTRIBUTE))),
    )


def _integers(attribute: bytes) -> tuple[str, tuple[int, ...]]:
    found = list(fields(attribute))
    values = [value for each in found if each.number in {_ATTRIBUTE_INT, _ATTRIBUTE_INTS} for value in _packed(each)]
    return _text(found, _ATTRIBUTE_NAME), tuple(values)


def _constants(node: bytes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of a Constant node's tensor: older exporters keep weights there."""
    found = list(fields(node))
    if _text(found, _NODE_OP_TYPE) != "Constant":
        return
    for attribute in messages(found, _NODE_ATTRIBUTE):
        for tensor in messages(fields(attribute), _ATTRIBUTE_TENSOR):
            yield _texts(found, _NODE_OUTPUT)[0], _tensor(tensor)[1]


def _tensor(content: bytes) -> tuple[str, tuple[int, ...], int]:
    found = list(fields(content))
    dims = [value for each in found if each.number == _TENSOR_DIMS for value in _packed(each)]
    kinds = [value for each in found if each.number == _TENSOR_TYPE for value in _packed(each)]
    return _text(found, _TENSOR_NAME), tuple(dims), kinds[-1] if kinds else 0


def _packed(field: Field) -> Iterator[int]:
    """The integers of a repeated field, which may be written one by one or all in one."""
    if isinstance(field.value, int):
        yield field.value
        return
    position = 0
    while position < len(field.value):
        value, position = varint(field.value, position)
        yield value


def _text(found: Iterable[Field], number: int) -> str:
    return next(iter(_texts(found, number)), "")


def _texts(found: Iterable[Field], number: int) -> tuple[str, ...]:
    return tuple(message.decode() for message in messages(found, number))
