"""Who computes and who takes each tensor of an ONNX graph, and what it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"


@dataclass(frozen=True)
class Index:
    """An onnx.GraphProto as it is now: after a change, take another.

    Attributes:
        producers: The node that computes each tensor.
        consumers: The nodes that take each tensor, once for each time they do.
        constants: Every initializer.
        results: The graph's own outputs.
    """

    producers: Mapping[str, Any]
    consumers: Mapping[str, list[Any]]
    constants: Mapping[str, NDArray[Any]]
    results: frozenset[str]

    @classmethod
    def of(cls, graph: Any) -> Self:
        """The index of an onnx.GraphProto."""
        from onnx import numpy_helper

        consumers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                consumers.setdefault(name, []).append(node)
        return cls(
            producers={name: node for node in graph.node for name in node.output},
            consumers=consumers,
            constants={each.name: numpy_helper.to_array(each) for each in graph.initializer},
            results=frozenset(each.name for each in graph.output),
        )

    def producer(self, tensor: str, op_type: str) -> Any:
        """The node that computes `tensor`, if it is of that type; else None."""
        node = self.producers.get(tensor)
        return node if node is not None and node.op_type == op_type else None

    def only_consumer(self, tensor: str) -> Any:
        """The node that takes `tensor`, if nothing else does; else None."""
        taken = self.consumers.get(tensor, [])
        return taken[0] if len(taken) == 1 and tensor not in self.results else None

    def is_dequantized_constant(self, node: Any) -> bool:
        """Whether a node makes floats of stored integers."""
        return node.op_type == DEQUANTIZE and node.input[0] in self.constants


def take_instead(graph: Any, tensor: str, other: str) -> None:
    """Let every node that takes `tensor` take `other`."""
    for node in graph.node:
        node.input[:] = [other if name == tensor else name for name in node.input]


def prune(graph: Any) -> None:
    """Remove the nodes and the initializers of an onnx.GraphProto that its outputs do not depend on."""
    needed, kept = {each.name for each in graph.output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    weights = [each for each in graph.initializer if each.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(weights)
