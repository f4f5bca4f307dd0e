"""Biases as floats: an integer with a scale of its own and a zero point takes three times the bytes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.quantize.compact.graph import DEQUANTIZE, QUANTIZE, Index, prune

_WITH_BIAS = {"Conv", "Gemm"}
_BIAS = 2


def store_biases_as_floats(model: Any) -> None:
    """Store what biases stand for, where ONNX Runtime makes the same integers of it when it opens the model.

    It does so (weight_bias_quantization.cc, from 1.21 on) for layers between conversions, in units of the input's scale
    times the weight's. Layers that hand on floats keep their integers: there it computes in floats otherwise.
    """
    from onnx import numpy_helper

    graph = model.graph
    index = Index.of(graph)
    for node in graph.node:
        values = _as_floats(node, index)
        if values is not None:
            name = f"{node.input[_BIAS]}_float"
            graph.initializer.append(numpy_helper.from_array(values, name))
            node.input[_BIAS] = name
    prune(graph)


def _as_floats(node: Any, index: Index) -> NDArray[np.float32] | None:
    """The bias of a layer in float32; None where it has none, or where it would not become the same integers again."""
    if node.op_type not in _WITH_BIAS or len(node.input) <= _BIAS:
        return None
    taken = index.consumers.get(node.output[0], [])
    made = [index.producer(name, DEQUANTIZE) for name in node.input]
    if not taken or any(each.op_type != QUANTIZE for each in taken) or None in made:
        return None
    stored = [*(each.input[1] for each in made), made[_BIAS].input[0]]
    if not index.constants.keys() >= set(stored):
        return None
    of_input, of_weight, of_bias, levels = (index.constants[name] for name in stored)
    unit = of_input * of_weight
    values: NDArray[np.float32] = levels.astype(np.float32) * of_bias
    # ONNX Runtime divides by the unit, in float32 as here, and rounds.
    same = np.array_equal(unit, of_bias) and np.array_equal(np.rint(values / unit), levels)
    return values if same else None
