"""Which layers a graph has, and which of its operators compute in integers once some layers do."""

from collections.abc import Collection
from typing import Any

from edgefashion.errors import UsageError
from edgefashion.registry import unknown

# Operators that multiply by a constant: what their weights are decides size, speed and rounding.
WEIGHTED = ("Conv", "Gemm", "MatMul")


def layer_of(node: Any) -> str:
    """The layer that an onnx.NodeProto belongs to: "features.0.conv" of "features.0.conv/Conv"."""
    name: str = node.name
    return name.partition("/")[0]


def layers_of(model: Any) -> list[str]:
    """The layers of an onnx.ModelProto that can be quantized, those with weights, in the order they are computed."""
    weights = {initializer.name for initializer in model.graph.initializer}
    return list(dict.fromkeys(layer_of(node) for node in model.graph.node if _is_weighted(node, weights)))


def float_nodes(model: Any, float_layers: Collection[str]) -> list[str]:
    """Names of the nodes of an onnx.ModelProto that stay float32 when all layers but `float_layers` are quantized.

    An operator without weights computes in integers only if all that it reads was computed in integers: rounding its
    input for its own sake would cost accuracy and gain no time. So the preprocessing stays float32 too.

    Raises:
        UsageError: There is no layer of that name.
    """
    known = layers_of(model)
    for layer in float_layers:
        if layer not in known:
            raise UsageError(unknown("layer", layer, tuple(known)))
    weights = {initializer.name for initializer in model.graph.initializer}
    weights.update(name for node in model.graph.node if node.op_type == "Constant" for name in node.output)
    integer: set[str] = set()
    stay = []
    for node in model.graph.node:
        if _is_weighted(node, weights):
            is_integer = layer_of(node) not in float_layers
        else:
            read = [name for name in node.input if name and name not in weights]
            is_integer = bool(read) and integer.issuperset(read)
        if is_integer:
            integer.update(node.output)
        else:
            stay.append(node.name)
    return stay


def _is_weighted(node: Any, weights: Collection[str]) -> bool:
    return node.op_type in WEIGHTED and node.input[1] in weights
