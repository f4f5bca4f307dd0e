"""Names of one or two letters for what only the file itself calls by name."""

import itertools
import string
from collections import Counter
from collections.abc import Iterator
from typing import Any

from edgefashion.quantize.compact.graph import DEQUANTIZE, QUANTIZE, Index
from edgefashion.quantize.layers import WEIGHTED

_CONVERSIONS = {QUANTIZE, DEQUANTIZE}
_LETTERS = string.ascii_letters + string.digits
# Between conversions ONNX Runtime's CPU provider makes an integer kernel of these, in which the conversions vanish.
_WITH_KERNELS = {
    *("Add", "AveragePool", "Concat", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "LeakyRelu", "MatMul"),
    *("MaxPool", "Mul", "Reshape", "Sigmoid", "Softmax", "Squeeze", "Transpose", "Unsqueeze"),
}
_HAND_ON_FLOATS = {"Gemm", "MatMul"}  # too: their kernels need no conversion behind them


def shorten_names(model: Any) -> None:
    """Short names for weights and tensors, none for conversions that become part of their layer's kernel.

    Nodes of layers keep theirs, "features.0.conv/Conv": by them layers are told. What such a node gives is found by
    them too; what other nodes give, such as those that a quantizer puts in a layer's place, keeps its name.
    """
    graph = model.graph
    _forget_conversions(graph)
    fixed = _found_by_name(graph)
    uses = Counter(name for node in graph.node for name in (*node.input, *node.output))
    uses.update(each.name for each in graph.initializer)
    free = (name for name in _short() if name not in fixed)
    shorter = {name: name if name in fixed else next(free) for name, _ in uses.most_common()}
    for node in graph.node:
        node.input[:] = [shorter[name] for name in node.input]
        node.output[:] = [shorter[name] for name in node.output]
    for each in graph.initializer:
        each.name = shorter[each.name]


def _forget_conversions(graph: Any) -> None:
    index = Index.of(graph)
    for node in graph.node:
        # So quantizers name them; any other name says more.
        if node.op_type in _CONVERSIONS and node.name.endswith(f"_{node.op_type}") and _vanishes(node, index):
            node.ClearField("name")


def _vanishes(node: Any, index: Index) -> bool:
    """Whether a conversion becomes part of a kernel; where it stays, a profile tells its layer by its name."""
    if index.is_dequantized_constant(node):
        return True
    before, behind = index.producers.get(node.input[0]), index.consumers.get(node.output[0], [])
    beside = [before] if node.op_type == QUANTIZE else behind
    return bool(beside) and all(each is not None and _is_integer(each, index) for each in beside)


def _is_integer(node: Any, index: Index) -> bool:
    """Whether a node between conversions computes in integers."""
    is_layer = node.op_type in WEIGHTED
    # A bias may be floats, and a shape is none; a weight must not be.
    given = [name for name in node.input[:2] if is_layer or name not in index.constants]
    taken = {each.op_type for name in node.output for each in index.consumers.get(name, [])}
    return (
        node.op_type in _WITH_KERNELS
        and all(index.producer(name, DEQUANTIZE) is not None for name in given)
        and (node.op_type in _HAND_ON_FLOATS or taken == {QUANTIZE})
    )


def _found_by_name(graph: Any) -> set[str]:
    """Tensors that are not found through the name of the node that gives them; among them that of no tensor."""
    inserted = (node for node in graph.node if node.op_type not in _CONVERSIONS and not _is_of_network(node))
    ends = (each.name for each in (*graph.input, *graph.output))
    return {"", *ends, *(name for node in inserted for name in node.output)}


def _is_of_network(node: Any) -> bool:
    """Whether a node is named as the exporter names one: after its layer and its own operator."""
    operator = str(node.name).rpartition("/")[2]
    return operator.partition("_")[0] == str(node.op_type)


def _short() -> Iterator[str]:
    """Every name of one character, then every one of two, and so on."""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(_LETTERS, repeat=length))
