"""What an ONNX file promises about integer arithmetic, read without running it.

A graph in QDQ form computes in integers only where a runtime can fuse an operator with the DequantizeLinear before
and the QuantizeLinear behind it. The operators for which onnxruntime's CPU provider can are those of its
qdq_transformer (qdq_selector_action_transformer.cc); what stands beside any other is quantized for nothing.
"""

from edgefashion.bench.profiling.onnx_graph import Graph, Node, read_graph
from edgefashion.records import Arithmetic
from edgefashion.records.explanation import Structure

# TensorProto.DataType of onnx.proto.
_UINT8, _INT8 = 2, 3

_INTEGER = {"QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger", "DynamicQuantizeMatMul"}
_FLOAT = {"Conv", "Gemm", "MatMul", "MatMulNBits"}
_QLINEAR = {"QLinearConv", "QLinearMatMul", "QGemm"}
_WEIGHT_INPUT = dict.fromkeys(_QLINEAR, 3)
# MlasConvSymPackWSize: the direct 8-bit convolution on x86-64 takes input channels in fours.
_PACKED_CHANNELS = 4
_ZERO_POINT = 2  # which input it is, of QLinear operators, QuantizeLinear and DequantizeLinear alike

_CONVERSIONS = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
_FUSABLE = _CONVERSIONS | {
    *("Add", "ArgMax", "AveragePool", "Clip", "Concat", "Expand", "Flatten", "Gather", "GlobalAveragePool"),
    *("LeakyRelu", "MaxPool", "Mul", "Relu", "Reshape", "Resize", "Sigmoid", "Slice", "Softmax", "Split", "Squeeze"),
    *("Transpose", "Unsqueeze", "Where"),
}
# What a QuantizeLinear behind it does anyway, so that onnxruntime drops it.
_CLIPPING = {"Relu", "Clip"}


def read_structure(content: bytes) -> Structure:
    """What the ONNX file in `content` says about its arithmetic.

    Raises:
        BadInput: The bytes are no ONNX.
    """
    graph = read_graph(content)
    nodes = list({id(node): node for node in graph.by_output.values()}.values())
    consumers: dict[str, list[Node]] = {}
    for node in nodes:
        for tensor in node.inputs:
            consumers.setdefault(tensor, []).append(node)
    weighty = {_layer(node, graph): node for node in nodes if _weight(node, graph) is not None}
    around = [node for node in nodes if node.op_type in _CONVERSIONS and graph.stored(node.outputs[0]) is None]
    return Structure(
        weight_layers={layer: _arithmetic(node, graph, consumers) for layer, node in weighty.items()},
        signed_activations=[
            layer
            for layer, node in weighty.items()
            if node.op_type in _QLINEAR and _type(node, _ZERO_POINT, graph) == _INT8
        ],
        signed_weights=[
            layer for layer, node in weighty.items() if node.op_type == "ConvInteger" and _type(node, 1, graph) == _INT8
        ],
        ragged_channels=[
            layer
            for layer, node in weighty.items()
            if _is_ragged(node, graph) and _arithmetic(node, graph, consumers) == "int8"
        ],
        quantize=len(around),
        unfusable=[
            node.name or node.outputs[0]
            for node in around
            if not all(_fuses(other, graph, consumers) for other in _beside(node, graph, consumers))
        ],
    )


def _weight(node: Node, graph: Graph) -> str | None:
    if node.op_type not in _INTEGER | _FLOAT:
        return None
    index = _WEIGHT_INPUT.get(node.op_type, 1)
    return graph.stored(node.inputs[index]) if index < len(node.inputs) else None


def _layer(node: Node, graph: Graph) -> str:
    """As a profile names it: the exporter's `layer/Operator`, else the weight's module, else the node."""
    weight = _weight(node, graph) or ""
    if "/" in node.name:
        return node.name.rpartition("/")[0]
    return weight.partition(".weight")[0] if ".weight" in weight else node.name or node.outputs[0]


def _is_ragged(node: Node, graph: Graph) -> bool:
    """Whether a convolution sums over a number of channels that is no multiple of four; depthwise ones have one."""
    weight = _weight(node, graph)
    if "Conv" not in node.op_type or weight is None:
        return False
    channels, depthwise = graph.shapes[weight][1], node.integers.get("group", (1,)) != (1,)
    return channels % _PACKED_CHANNELS != 0 and not (depthwise and channels == 1)


def _arithmetic(node: Node, graph: Graph, consumers: dict[str, list[Node]]) -> Arithmetic:
    if node.op_type in _INTEGER:
        return "int8"
    given = [graph.by_output.get(tensor) for tensor in node.inputs[:2]]
    if node.op_type == "MatMulNBits" or not all(_dequantizes_bytes(each, graph) for each in given):
        return "float"
    # A QLinearConv hands on bytes; matrix products may hand on float32 as well.
    return "int8" if node.op_type != "Conv" or _is_quantized(node.outputs[0], consumers) else "float"


def _dequantizes_bytes(node: Node | None, graph: Graph) -> bool:
    if node is None or node.op_type != "DequantizeLinear":
        return False
    return _type(node, _ZERO_POINT, graph) in {_UINT8, _INT8}


def _is_quantized(tensor: str, consumers: dict[str, list[Node]]) -> bool:
    used = consumers.get(tensor, [])
    through = used[0].outputs[0] if len(used) == 1 and used[0].op_type in _CLIPPING else None
    if through is not None:
        return _is_quantized(through, consumers)
    return bool(used) and all(each.op_type == "QuantizeLinear" for each in used)


def _beside(node: Node, graph: Graph, consumers: dict[str, list[Node]]) -> list[Node]:
    """The operators for whose sake a node quantizes or dequantizes; none at the ends of the graph."""
    if node.op_type == "DequantizeLinear":
        return consumers.get(node.outputs[0], [])
    producer = graph.by_output.get(node.inputs[0])
    return [producer] if producer and node.op_type == "QuantizeLinear" else []


def _fuses(node: Node, graph: Graph, consumers: dict[str, list[Node]]) -> bool:
    if _weight(node, graph) is not None:
        return _arithmetic(node, graph, consumers) == "int8"
    return node.op_type in _FUSABLE | _INTEGER


def _type(node: Node, index: int, graph: Graph) -> int:
    # Without a zero point the type is uint8.
    return graph.types.get(node.inputs[index], 0) if index < len(node.inputs) else _UINT8
