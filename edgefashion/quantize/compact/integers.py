"""Conversions between floats and integers that change nothing, and zeros that are stored to be subtracted.

Which forms ONNX Runtime's CPU provider still computes in integers was tried with every scheme (tests hold it); what it
looks for is in its qdq_selectors.cc and qdq_actions.cc.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.quantize.compact.graph import DEQUANTIZE, QUANTIZE, Index, prune, take_instead

# They move or choose values: the order of levels is that of what they stand for, so they do the same to both.
_MOVES = {"Flatten", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_RESHAPES = {"Reshape", "Squeeze", "Unsqueeze"}
_ARITHMETIC = {"Add", "Cast", "Div", "Mul", "Sub"}
_MATRIX_PRODUCTS = {"Gemm", "MatMul"}
_LEVELS = 256


def move_integers(model: Any) -> None:
    """Pool and reshape levels where floats would be made of them, moved, and rounded to the same levels again.

    Signed levels stay: ONNX Runtime makes them unsigned on x86, but only where they are dequantized at once.
    """
    graph = model.graph
    for node in list(graph.node):
        index = Index.of(graph)
        if node.op_type not in _MOVES:
            continue
        before, after = index.producer(node.input[0], DEQUANTIZE), index.only_consumer(node.output[0])
        if before is None or after is None or after.op_type != QUANTIZE or before.input[1:] != after.input[1:]:
            continue
        if not all(_is_unsigned(index.constants.get(name)) for name in before.input[2:]):
            continue
        node.input[0] = before.input[0]
        take_instead(graph, after.output[0], node.output[0])
    prune(graph)


def _is_unsigned(zero_point: NDArray[Any] | None) -> bool:
    return zero_point is not None and zero_point.dtype == np.uint8


def drop_zero_points(model: Any) -> None:
    """Zero points of stored weights and biases that are all zero, which is what holds without them.

    Matrix products keep those of their weights: without them ONNX Runtime computes in floats where there is a scale for
    each channel.
    """
    graph = model.graph
    index = Index.of(graph)
    kept = {node.input[1] for node in graph.node if node.op_type in _MATRIX_PRODUCTS}
    for node in graph.node:
        if index.is_dequantized_constant(node) and node.output[0] not in kept:
            zeros = [index.constants.get(name) for name in node.input[2:]]
            if all(each is not None and not each.any() for each in zeros):
                del node.input[2:]
    prune(graph)


def take_pictures_as_levels(model: Any) -> None:
    """Take out a normalization whose result is rounded to the levels that the pictures have already.

    A picture's 256 levels are normalized, then rounded to 256 levels over the range of what was seen. Where darkest
    and brightest were seen, level 0 becomes level 0 and 255 becomes 255, and scale and zero point alone say what a
    level stands for. All 256 are tried.
    """
    graph = model.graph
    chain = _until_quantized(graph)
    if not chain or not _keeps_levels(model, chain):
        return
    tensor = graph.input[0].name
    for node in chain:
        if node.op_type in _RESHAPES:
            node.input[0] = tensor
            tensor = node.output[0]
    take_instead(graph, chain[-1].output[0], tensor)
    for node in graph.node:
        if node.op_type == DEQUANTIZE and node.input[0] == tensor:
            node.name = chain[-2].name  # what it gives is what that node gave
    prune(graph)


def _until_quantized(graph: Any) -> list[Any]:
    """The nodes from the pictures to the first QuantizeLinear, all element by element; none if there are others."""
    index = Index.of(graph)
    chain: list[Any] = []
    tensor = graph.input[0].name
    while (node := index.only_consumer(tensor)) is not None:
        constants = [index.constants.get(name) for name in node.input if name != tensor]
        scalars = all(each is not None and each.size == 1 for each in constants)
        chain.append(node)
        if node.op_type == QUANTIZE and scalars:
            return chain
        if node.op_type not in _RESHAPES and not (node.op_type in _ARITHMETIC and scalars):
            break
        tensor = node.output[0]
    return []


def _keeps_levels(model: Any, chain: list[Any]) -> bool:
    """Whether each level of a picture is given as the same level: uint8 in, the same uint8 out."""
    import onnx
    import onnxruntime

    alone = onnx.ModelProto()
    alone.CopyFrom(model)
    del alone.graph.output[:]
    alone.graph.output.append(onnx.ValueInfoProto(name=chain[-1].output[0]))
    prune(alone.graph)
    session = onnxruntime.InferenceSession(alone.SerializeToString(), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    height, width = given.shape[1:]
    levels = np.arange(_LEVELS, dtype=np.uint8)
    pictures = np.broadcast_to(levels[:, None, None], (_LEVELS, height, width))
    (got,) = session.run(None, {given.name: np.ascontiguousarray(pictures)})
    return got.dtype == np.uint8 and bool((got.reshape(_LEVELS, -1) == levels[:, None]).all())
