"""A mean over all positions as a pooling operator, which has an integer kernel; ReduceMean has none."""

from typing import Any

_LAST_TWO = ({2, 3}, {-1, -2})


def means_as_pooling(model: Any) -> Any:
    """A copy of an onnx.ModelProto with GlobalAveragePool in the place of each ReduceMean over height and width.

    Both compute the same. But a quantizer leaves ReduceMean in float32, whose sum depends on the order in which a
    processor adds: next to the middle of two levels, machines round it to different ones. The integer kernel of the
    pooling operator gives the same level everywhere.
    """
    import onnx

    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    constants = {each.name: each for each in changed.graph.initializer}
    for node in changed.graph.node:
        if _is_mean_over_positions(node, constants):
            node.op_type = "GlobalAveragePool"
            node.name = node.name.replace("ReduceMean", "GlobalAveragePool")
            del node.input[1:]
            del node.attribute[:]
    used = {name for node in changed.graph.node for name in node.input}
    for name in constants.keys() - used:
        changed.graph.initializer.remove(constants[name])
    return changed


def _is_mean_over_positions(node: Any, constants: dict[str, Any]) -> bool:
    """Whether a node is a ReduceMean over the last two of four dimensions that keeps them."""
    from onnx import numpy_helper

    if node.op_type != "ReduceMean" or any(each.name == "keepdims" and not each.i for each in node.attribute):
        return False
    listed = [each.ints for each in node.attribute if each.name == "axes"]
    if len(node.input) > 1 and node.input[1] in constants:
        listed.append(numpy_helper.to_array(constants[node.input[1]]).tolist())
    return bool(listed) and set(listed[0]) in _LAST_TWO
