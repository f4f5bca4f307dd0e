"""Cut points: tensors of a candidate whose reference values are known, each of them brought to float32."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.verify.locate.graph import Graph, exposing
from edgefashion.verify.locate.running import output_types

_FLOAT32 = "tensor(float)"
# Numbers of onnx.TensorProto.DataType by onnxruntime's names.
_FLOATS = {"tensor(float16)": 10, "tensor(double)": 11, "tensor(bfloat16)": 16}

# Nodes that stand at a cut and not in the file.
_AT_CUT = "cut:"


@dataclass(frozen=True, eq=False)
class Cut:
    """A tensor of the candidate and what it should hold.

    Attributes:
        tensor: Its name in the candidate.
        reference: What it is compared with, in words.
        values: float32[N, ...] of the reference.
    """

    tensor: str
    reference: str
    values: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True)
class Counterparts:
    """What of a candidate is known from its reference, and what is not."""

    cuts: tuple[Cut, ...]
    candidate_only: list[str]
    reference_only: list[str]


@dataclass(frozen=True)
class _Storage:
    """How the candidate holds a tensor: its onnx type, and the names of scale and zero point of an integer."""

    kind: int
    scale: str = ""
    zero_point: str = ""


def in_float(graph: Graph, tensors: Sequence[str]) -> Graph:
    """The same graph, where each of `tensors` passes through float32 under its own name.

    An integer tensor is dequantized with its own scale and zero point and quantized again; a float16 tensor is cast
    there and back. Both ways give back what was stored, so the graph computes what it did.
    """
    import onnx

    types = output_types(exposing(graph, tensors))
    changed = {name: _storage(graph, name, kind) for name, kind in types.items() if kind != _FLOAT32}
    if not changed:
        return graph
    nodes = []
    for node in graph.nodes:
        renamed = onnx.NodeProto()
        renamed.CopyFrom(node)
        renamed.input[:] = [f"{name}:again" if name in changed else name for name in node.input]
        renamed.output[:] = [f"{name}:stored" if name in changed else name for name in node.output]
        nodes.append(renamed)
        for name in node.output:
            if name in changed:
                nodes += _through_float(name, changed[name])
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    # What it said of types is no longer true; onnxruntime finds them by itself.
    del model.graph.value_info[:]
    return Graph(model)


def is_of_file(node: Any) -> bool:
    """Whether a node is one of the candidate's own."""
    return not node.name.startswith(_AT_CUT)


def _through_float(name: str, stored: _Storage) -> list[Any]:
    from onnx import TensorProto, helper

    there, back = f"{_AT_CUT}{name}:there", f"{_AT_CUT}{name}:back"
    if not stored.scale:
        return [
            helper.make_node("Cast", [f"{name}:stored"], [name], there, to=TensorProto.FLOAT),
            helper.make_node("Cast", [name], [f"{name}:again"], back, to=stored.kind),
        ]
    parameters = [stored.scale, stored.zero_point]
    return [
        helper.make_node("DequantizeLinear", [f"{name}:stored", *parameters], [name], there),
        helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}:again"], back),
    ]


def _storage(graph: Graph, name: str, kind: str) -> _Storage:
    if kind in _FLOATS:
        return _Storage(_FLOATS[kind])
    parameters = quantization_of(graph, name)
    if parameters is None:
        raise ValueError(f"{name} is {kind} and no node tells its scale and zero point: it can be no cut")
    return _Storage(graph.constants[parameters[1]].data_type, *parameters)


def quantization_of(graph: Graph, name: str) -> tuple[str, str] | None:
    """Names of the scale and zero point of an integer tensor; None where no node tells them.

    Every operator that computes with integers takes them right after the tensor. One that only moves elements, as
    pooling does, takes neither and hands them on.
    """
    from onnx import TensorProto

    while name in graph.consumers:
        consumer = graph.consumers[name][0]
        inputs = list(consumer.input)
        scale, zero_point = (*inputs[inputs.index(name) + 1 :], "", "")[:2]
        if scale in graph.constants and graph.constants[scale].data_type == TensorProto.FLOAT:
            return (scale, zero_point) if zero_point in graph.constants else None
        name = consumer.output[0]
    return None
