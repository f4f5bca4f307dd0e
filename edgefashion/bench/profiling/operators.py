"""From a profiled kernel and the model's file to an operator: its layer, its operations, the bytes it moves.

An operation is one multiplication, addition or comparison of the values that the layer computes: a fused
multiply-add is two, padding is not counted, nor are biases, activations fused into another operator, and the
channels that a blocked layout adds. Any element-wise function is one operation an element. Integer operators
are counted in the same way. Bytes are those that the kernel reads and writes, padded channels included.
"""

import re
from collections.abc import Sequence
from math import prod

from edgefashion.bench.profiling.onnx_graph import Graph, Node
from edgefashion.records import Arithmetic, Operator, Record

# What onnxruntime's graph transformers put before and after the name of the node or tensor they start from.
_PREFIX = re.compile(r"^(fused |InsertedPrecisionFreeCast_)+")
_SUFFIX = re.compile(r"(_nchwc|_nhwc|_token_\d+)+$")
_MAX_FUSED = 8

# These hand on the same bytes under another shape; nothing is moved.
_VIEWS = {"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
_MOVES = _VIEWS | {
    *("Cast", "Concat", "Dropout", "Expand", "Gather", "Pad", "Shape", "Slice", "Split", "Tile", "Transpose"),
    *("MemcpyFromHost", "MemcpyToHost", "ReorderInput", "ReorderOutput"),
}
_ELEMENTWISE = {
    *("Abs", "Add", "Ceil", "Clip", "Div", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish"),
    *("LeakyRelu", "Log", "Max", "Min", "Mul", "Neg", "PRelu", "Pow", "QuickGelu", "Reciprocal", "Relu", "Round"),
    *("Selu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Sum", "Tanh", "QuantizeLinear", "DequantizeLinear"),
}
# Finding a range takes two comparisons an element; a batch-norm multiplies and adds.
_PER_ELEMENT = {
    **dict.fromkeys(_MOVES, 0),
    **dict.fromkeys(_ELEMENTWISE, 1),
    "BatchNormalization": 2,
    "DynamicQuantizeLinear": 3,
}
_REDUCTIONS = {"GlobalAveragePool", "GlobalMaxPool", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"}
# Where the weight stands among a node's inputs: quantized operators name scales and zero points in between.
_WEIGHT_INPUT = {"QLinearConv": 3, "QLinearMatMul": 3, "QGemm": 3}
_BYTES_OF = {"float": 4, "float16": 2, "bfloat16": 2, "double": 8}

Shape = tuple[int, ...]


class Kernel(Record, frozen=True):
    """One node of the profile: what the runtime says about it, and its median time in one call."""

    node: str
    op_type: str
    provider: str
    seconds: float
    inputs: list[Shape]
    input_types: list[str]
    outputs: list[Shape]
    bytes_moved: int  # of the inputs and outputs that the runtime lists

    @property
    def arithmetic(self) -> Arithmetic:
        """8-bit where it computes on bytes."""
        on_bytes = bool(self.input_types) and self.input_types[0] in {"int8", "uint8"}
        return "int8" if on_bytes or self.op_type == "DynamicQuantizeMatMul" else "float"


def operator(kernel: Kernel, graph: Graph, *, probe_s: float) -> Operator:
    """What `kernel` is in the model, and what it does in a call.

    Args:
        kernel: A node of the profile.
        graph: The model's file.
        probe_s: What profiling adds to this kernel; times are never negative.
    """
    node = _main_node(kernel, graph)
    weight = _weight_of(node, graph)
    shape = graph.shapes[weight] if weight else None
    return Operator(
        node=kernel.node,
        layer=_layer(kernel, node, weight),
        op_type=kernel.op_type,
        provider=kernel.provider,
        time_s=max(0.0, kernel.seconds - probe_s),
        profiled_s=kernel.seconds,
        operations=_operations(kernel, node, shape),
        bytes_moved=0 if kernel.op_type in _VIEWS else kernel.bytes_moved + _unlisted_bytes(kernel, shape),
        arithmetic=kernel.arithmetic,
    )


def _main_node(kernel: Kernel, graph: Graph) -> Node | None:
    """The node of the file that `kernel` mainly is; None where the runtime inserted it."""
    name = _source_name(kernel)
    node = graph.by_name.get(name) or graph.by_output.get(name)
    if _kind(kernel.op_type) not in {"Conv", "MatMul"}:
        return node
    # A fused kernel may bear the name of the last node that went into it, such as the activation's.
    for _ in range(_MAX_FUSED):
        if node is None or _kind(node.op_type) == _kind(kernel.op_type):
            break
        node = graph.by_output.get(node.inputs[0]) if node.inputs else None
    return node


def _source_name(kernel: Kernel) -> str:
    return _SUFFIX.sub("", _PREFIX.sub("", kernel.node))


def _layer(kernel: Kernel, node: Node | None, weight: str | None) -> str | None:
    """The module's name: of the exporter's `layer/Operator`, else that of the weight, else the node's own."""
    name = node.name if node else _source_name(kernel)
    if "/" in name:
        return name.rpartition("/")[0]
    if weight and ".weight" in weight:
        return weight.partition(".weight")[0]
    return name if node else None


def _weight_of(node: Node | None, graph: Graph) -> str | None:
    if node is None or _kind(node.op_type) not in {"Conv", "MatMul"}:
        return None
    index = _WEIGHT_INPUT.get(node.op_type, 1)
    return graph.stored(node.inputs[index]) if index < len(node.inputs) else None


def _kind(op_type: str) -> str:
    """Conv, MatMul or Pool for every variant of them; else the operator's own name without its prefix."""
    if "Conv" in op_type and "Transpose" not in op_type:
        return "Conv"
    if "MatMul" in op_type or "Gemm" in op_type:
        return "MatMul"
    plain = op_type.removeprefix("QLinear").removeprefix("Nhwc")
    return "Pool" if plain in {"AveragePool", "MaxPool"} else plain


def _operations(kernel: Kernel, node: Node | None, weight: Shape | None) -> int | None:
    kind = _kind(kernel.op_type)
    if not kernel.inputs or not kernel.outputs:
        return None
    given, made = kernel.inputs[0], kernel.outputs[0]
    if kind in _PER_ELEMENT:
        return _PER_ELEMENT[kind] * prod(made)
    if kind in _REDUCTIONS:
        return prod(given)
    if kind == "MatMul" and given:
        return 2 * prod(made) * given[-1]
    return _windowed_operations(kernel, node, weight)


def _windowed_operations(kernel: Kernel, node: Node | None, weight: Shape | None) -> int | None:
    made = kernel.outputs[0]
    if node is None:
        return None
    if _kind(kernel.op_type) == "Conv" and weight:
        channels, per_group, *window = weight
        return 2 * made[0] * channels * per_group * _taps(kernel, node, window, channels=channels)
    if _kind(kernel.op_type) == "Pool" and "kernel_shape" in node.integers:
        channels = made[-1] if kernel.op_type.startswith("Nhwc") else made[1]
        return made[0] * channels * _taps(kernel, node, node.integers["kernel_shape"], channels=channels)
    return None


def _taps(kernel: Kernel, node: Node, window: Sequence[int], *, channels: int) -> int:
    """Over all places of the window, how many of its elements lie on the picture and not on its padding."""
    given, made = kernel.inputs[0], kernel.outputs[0]
    # The CPU provider moves 8-bit operators to channels-last; blocked layouts keep channels second.
    last = made[-1] == channels and made[1] != channels
    given, made = (given[1:-1], made[1:-1]) if last else (given[2:], made[2:])
    ones = (1,) * len(window)
    strides, dilations = node.integers.get("strides", ones), node.integers.get("dilations", ones)
    pads = node.integers.get("pads")
    total = 1
    for axis, (size, places, width) in enumerate(zip(given, made, window, strict=True)):
        stride, dilation = strides[axis], dilations[axis]
        reach = (places - 1) * stride + (width - 1) * dilation + 1
        before = pads[axis] if pads else max(0, reach - size) // 2
        starts = range(-before, -before + places * stride, stride)
        total *= sum(0 <= start + step * dilation < size for start in starts for step in range(width))
    return total


def _unlisted_bytes(kernel: Kernel, weight: Shape | None) -> int:
    """Bytes of a weight that the runtime packed beforehand and therefore does not list among the inputs."""
    if weight is None or any(len(shape) == len(weight) for shape in kernel.inputs[1:]):
        return 0
    each = 1 if kernel.arithmetic == "int8" else _BYTES_OF.get(kernel.input_types[0], 4)
    return prod(weight) * each
