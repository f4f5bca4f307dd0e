"""An ONNX graph as it is cut into segments: who computes what, and the part of it between some tensors."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Graph:
    """An onnx.ModelProto that nobody changes, with its indices."""

    model: Any

    @property
    def nodes(self) -> Sequence[Any]:
        """In an order of execution."""
        nodes: Sequence[Any] = self.model.graph.node
        return nodes

    @property
    def input(self) -> str:
        """The name of the pictures."""
        return str(self.model.graph.input[0].name)

    @property
    def output(self) -> str:
        """The name of the logits."""
        return str(self.model.graph.output[0].name)

    @cached_property
    def producers(self) -> dict[str, Any]:
        """The node that computes each tensor, in the order of execution."""
        return {name: node for node in self.nodes for name in node.output if name}

    @cached_property
    def by_name(self) -> dict[str, Any]:
        """The nodes that have a name."""
        return {node.name: node for node in self.nodes if node.name}

    @cached_property
    def consumers(self) -> dict[str, list[Any]]:
        """The nodes that take each tensor."""
        found: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                found.setdefault(name, []).append(node)
        return found

    @cached_property
    def constants(self) -> dict[str, Any]:
        """Weights and other onnx.TensorProto in the file, by name."""
        return {tensor.name: tensor for tensor in self.model.graph.initializer}

    @cached_property
    def computed(self) -> dict[str, Any]:
        """The producers of all that depends on the pictures."""
        reached = {self.input}
        for node in self.nodes:
            if not reached.isdisjoint(node.input):
                reached.update(node.output)
        return {name: node for name, node in self.producers.items() if name in reached}

    def between(self, stops: Collection[str], end: str) -> tuple[list[Any], list[str]]:
        """The nodes that compute `end` from `stops` and the pictures, and those of the latter that they take."""
        starts = {self.input, *stops}
        wanted, nodes = {end}, []
        for node in reversed(self.nodes):
            if not wanted.isdisjoint(node.output):
                nodes.append(node)
                wanted.update(name for name in node.input if name not in starts)
        nodes.reverse()
        taken = dict.fromkeys(name for node in nodes for name in node.input if name in starts)
        return nodes, list(taken)


def layer_of(node: Any) -> str:
    """The layer in a node's name: "features.0.conv" of "features.0.conv/Conv_quant"; of a nameless one its result."""
    return str(node.name).rpartition("/")[0] or str(node.name) or str(node.output[0])


def exposing(graph: Graph, tensors: Sequence[str]) -> Any:
    """A copy of the model whose outputs are `tensors`, whatever their types."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    del model.graph.output[:]
    # onnxruntime finds types and shapes by itself.
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    return model


def extract(graph: Graph, stops: Collection[str], end: str, values: Values) -> Any:
    """The part of the graph that computes `end` from `stops` as a model of its own.

    `values` gives the types and shapes of `end` and of those stops that are taken; the first dimension is the batch.
    """
    from onnx import helper

    nodes, starts = graph.between(stops, end)
    used = {name for node in nodes for name in node.input}
    return helper.make_model(
        helper.make_graph(
            nodes,
            name=layer_of(next((node for node in reversed(nodes) if node.name), nodes[-1])),
            inputs=[_described(name, values[name]) for name in starts],
            outputs=[_described(end, values[end])],
            initializer=[tensor for name, tensor in graph.constants.items() if name in used],
        ),
        opset_imports=graph.model.opset_import,
        ir_version=graph.model.ir_version,
    )


def _described(name: str, values: NDArray[Any]) -> Any:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(values.dtype))
    return helper.make_tensor_value_info(name, kind, ["batch", *values.shape[1:]])
