"""What can go wrong inside a graph: each function spoils an onnx.ModelProto in one way."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.quantize.layers import layer_of


class NotApplicable(Exception):  # noqa: N818 - nothing is wrong: there is nothing to spoil
    """This model has no such part; the message says which."""


_PREPROCESSING = "preprocessing/"
_ARITHMETIC = ("Mul", "Add", "Sub", "Div")


def normalise_twice(model: Any) -> None:
    """The preprocessing's arithmetic, once more on its own result."""
    import onnx

    nodes = [node for node in model.graph.node if node.name.startswith(_PREPROCESSING) and node.op_type in _ARITHMETIC]
    if not nodes:
        raise NotApplicable(f"no node is named {_PREPROCESSING}…, as exports name their preprocessing")
    tensor = last = nodes[-1].output[0]
    position = list(model.graph.node).index(nodes[-1]) + 1
    before = nodes[0].input[0]
    renamed = {before: tensor}
    again = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name += "_again"
        copy.input[:] = [renamed.get(name, name) for name in node.input]
        copy.output[:] = [f"{name}_again" for name in node.output]
        renamed |= {name: f"{name}_again" for name in node.output}
        again.append(copy)
        last = copy.output[0]
    for node in model.graph.node:
        node.input[:] = [last if name == tensor else name for name in node.input]
    for offset, copy in enumerate(again):
        model.graph.node.insert(position + offset, copy)


def swap_classes(model: Any, one: int, other: int) -> None:
    """The last layer's outputs in another order, as after sorting the class names."""

    def swap(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
        order = np.arange(values.shape[axis])
        order[[one, other]] = order[[other, one]]
        return np.take(values, order, axis)

    node = _last_layer(model)
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    _change(model, node.input[1], lambda values: swap(values, 0 if transposed else 1))
    _change(model, node.input[2], lambda values: swap(values, 0))


def lower_class(model: Any, label: int, by: float) -> None:
    """One class made less likely, the others untouched."""

    def lower(bias: NDArray[np.float32]) -> NDArray[np.float32]:
        bias[label] -= by
        return bias

    _change(model, _last_layer(model).input[2], lower)


def perturb_weights(model: Any, layer: str, *, share: float, seed: int) -> None:
    """One weight tensor with noise of `share` of each of its values, as after a bad conversion."""
    node = next(node for node in model.graph.node if layer_of(node) == layer and len(node.input) > 1)
    random = np.random.default_rng(seed)

    def perturb(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values * (1 + share * random.standard_normal(values.shape, dtype=np.float32))

    _change(model, node.input[1], perturb)


def _last_layer(model: Any) -> Any:
    """The fully connected layer, with a bias, that gives the logits."""
    output = model.graph.output[0].name
    node = next(node for node in model.graph.node if output in node.output)
    weights = {each.name for each in model.graph.initializer}
    if node.op_type != "Gemm" or len(node.input) != 3 or not weights.issuperset(node.input[1:]):  # noqa: PLR2004 - input, weights, bias
        raise NotApplicable(f"the logits come from {node.op_type}: expected a fully connected layer with a bias")
    return node


def _change(model: Any, name: str, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
    from onnx import numpy_helper

    initializer = next(each for each in model.graph.initializer if each.name == name)
    initializer.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(initializer).copy()), name))
