"""From profiled kernels to operators: layers, operations, bytes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from edgefashion.bench.profiling.onnx_graph import Graph, Node
from edgefashion.bench.profiling.operators import Kernel, operator

CONV = Node("features.0.conv/Conv", "Conv", ("x", "w", "b"), ("features.0.conv/Conv",), {"pads": (1, 1, 1, 1)})
RELU = Node("features.0.relu/Relu", "Relu", CONV.outputs, ("features.0.relu/Relu",), {})
POOL = Node("pool/MaxPool", "MaxPool", RELU.outputs, ("pool/MaxPool",), {"kernel_shape": (2, 2), "strides": (2, 2)})
GEMM = Node("hidden/Gemm", "Gemm", ("y", "v", "c"), ("hidden/Gemm",), {})
OLD = Node("node_conv2d", "Conv", ("x", "network.features.0.conv.weight"), ("conv2d",), {})
SHAPES = {"w": (4, 1, 3, 3), "v": (64, 144), "network.features.0.conv.weight": (4, 1, 3, 3)}


def graph_of(*nodes: Node, shapes: dict[str, tuple[int, ...]] = SHAPES) -> Graph:
    by_output = {output: node for node in nodes for output in node.outputs}
    return Graph(by_name={node.name: node for node in nodes}, by_output=by_output, shapes=shapes)


def kernel_of(node: str, op_type: str, **changes: Any) -> Kernel:
    values: dict[str, Any] = {
        "node": node,
        "op_type": op_type,
        "provider": "CPUExecutionProvider",
        "seconds": 5e-6,
        "inputs": [(1, 1, 28, 28)],
        "input_types": ["float"],
        "outputs": [(1, 4, 28, 28)],
        "bytes_moved": 100,
    }
    return Kernel(**{**values, **changes})


GRAPH = graph_of(CONV, RELU, POOL, GEMM, OLD)


@pytest.mark.parametrize(
    ("node", "op_type", "layer"),
    [
        ("features.0.conv/Conv", "Conv", "features.0.conv"),
        ("features.0.conv/Conv_token_12", "QLinearConv", "features.0.conv"),
        ("features.0.relu/Relu_nchwc", "Conv", "features.0.conv"),
        ("InsertedPrecisionFreeCast_features.0.relu/Relu_nchwc", "Conv", "features.0.conv"),
        ("features.0.conv/Conv_bias_add", "Add", "features.0.conv"),
        ("fused hidden/Gemm", "FusedGemm", "hidden"),
        ("pool/MaxPool_nchwc_token_3", "MaxPool", "pool"),
        ("node_conv2d", "Conv", "network.features.0.conv"),
        ("ReorderOutput_token_8", "ReorderOutput", None),
        ("Transpose", "Transpose", None),
    ],
)
def test_a_kernel_is_mapped_to_its_layer(node: str, op_type: str, layer: str | None) -> None:
    """Whatever onnxruntime made of a name leads back to the layer; what it inserted has none."""
    assert layer == operator(kernel_of(node, op_type), GRAPH, probe_s=0.0).layer


def test_a_node_without_a_layer_keeps_its_own_name() -> None:
    """In a model whose names tell no layer, the file's name is what there is."""
    graph = graph_of(Node("relu_7", "Relu", ("x",), ("y",), {}), shapes={})
    assert operator(kernel_of("relu_7", "Relu"), graph, probe_s=0.0).layer == "relu_7"


@given(
    size=st.integers(5, 12),
    window=st.integers(1, 3),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    before=st.integers(0, 2),
    after=st.integers(0, 2),
)
def test_products_with_padding_are_not_counted(
    size: int, window: int, stride: int, dilation: int, before: int, after: int
) -> None:
    """A convolution's operations are twice the products whose pixel lies on the picture, counted one by one."""
    reach = (window - 1) * dilation + 1
    ones = np.pad(np.ones((size, size), int), ((before, after), (before, after)))
    places = sliding_window_view(ones, (reach, reach))[::stride, ::stride]
    products = int(places[..., ::dilation, ::dilation].sum())
    node = Node(
        *("c", "Conv", ("x", "w"), ("y",)),
        {"pads": (before, before, after, after), "strides": (stride,) * 2, "dilations": (dilation,) * 2},
    )
    kernel = kernel_of("c", "Conv", inputs=[(2, 6, size, size)], outputs=[(2, 5, *places.shape[:2])])
    found = operator(kernel, graph_of(node, shapes={"w": (5, 6, window, window)}), probe_s=0.0)
    assert 2 * 2 * 5 * 6 * products == found.operations


@pytest.mark.parametrize(
    ("changes", "operations"),
    [
        # 4 channels × (3 · 28 - 2)² products on the picture, blocked to 16 channels, or channels last.
        ({"op_type": "Conv", "outputs": [(1, 16, 28, 28)]}, 2 * 4 * 82**2),
        ({"op_type": "QLinearConv", "inputs": [(1, 28, 28, 1)], "outputs": [(1, 28, 28, 4)]}, 2 * 4 * 82**2),
        ({"op_type": "ConvInteger", "outputs": [(1, 4, 28, 28)]}, 2 * 4 * 82**2),
        ({"node": "hidden/Gemm", "op_type": "QGemm", "inputs": [(3, 144)], "outputs": [(3, 64)]}, 2 * 3 * 144 * 64),
        ({"node": "hidden/Gemm", "op_type": "FusedGemm", "inputs": [(1, 144)], "outputs": [(1, 64)]}, 2 * 144 * 64),
        ({"node": "pool/MaxPool", "op_type": "MaxPool", "outputs": [(1, 16, 14, 14)]}, 16 * 14 * 14 * 4),
        (
            {
                "node": "pool/MaxPool",
                "op_type": "NhwcMaxPool",
                "inputs": [(1, 28, 28, 4)],
                "outputs": [(1, 14, 14, 4)],
            },
            4 * 14 * 14 * 4,
        ),
        ({"op_type": "GlobalAveragePool", "inputs": [(1, 8, 7, 7)], "outputs": [(1, 8, 1, 1)]}, 8 * 49),
        ({"op_type": "QLinearAdd", "outputs": [(2, 5)]}, 10),
        ({"op_type": "DynamicQuantizeLinear", "outputs": [(2, 5), (), ()]}, 30),
        ({"op_type": "ReorderInput"}, 0),
        ({"op_type": "Cast"}, 0),
        ({"op_type": "LSTM"}, None),
        ({"node": "elsewhere", "op_type": "Conv"}, None),
    ],
)
def test_operations_of_each_kind(changes: dict[str, Any], operations: int | None) -> None:
    """A multiply-add is two operations, an element-wise one is one, moving is none, the unknown is unknown."""
    kernel = kernel_of(changes.pop("node", "features.0.conv/Conv"), changes.pop("op_type"), **changes)
    assert operations == operator(kernel, GRAPH, probe_s=0.0).operations


def test_weights_that_the_runtime_packed_are_moved_too() -> None:
    """A weight missing among the listed inputs is added in the type that is computed in; a listed one is not."""
    fused = kernel_of("fused hidden/Gemm", "FusedGemm", inputs=[(1, 144), (64,)], outputs=[(1, 64)])
    quantized = kernel_of("hidden/Gemm", "QGemm", inputs=[(1, 144), (64,)], input_types=["uint8"], outputs=[(1, 64)])
    listed = kernel_of("features.0.conv/Conv", "Conv", inputs=[(1, 1, 28, 28), (16, 1, 3, 3), (16,)])
    moved = [operator(each, GRAPH, probe_s=0.0).bytes_moved for each in (fused, quantized, listed)]
    assert moved == [100 + 4 * 64 * 144, 100 + 64 * 144, 100]


def test_a_view_moves_nothing() -> None:
    """Reshaping hands on the same bytes."""
    assert operator(kernel_of("r", "Reshape"), GRAPH, probe_s=0.0).bytes_moved == 0


def test_what_profiling_adds_is_taken_off() -> None:
    """The profile's figure is kept beside it, and no time is negative."""
    found = [operator(kernel_of("x", "Add"), GRAPH, probe_s=probe_s) for probe_s in (2e-6, 6e-6)]
    assert [each.time_s for each in found] == pytest.approx([3e-6, 0.0])
    assert [each.profiled_s for each in found] == [5e-6, 5e-6]


def test_arithmetic_on_bytes_is_told_apart() -> None:
    """Operators that read bytes, or make bytes of floats before they multiply, count as 8-bit."""
    kinds = {
        operator(kernel_of("x", op_type, input_types=[kind]), GRAPH, probe_s=0.0).arithmetic
        for op_type, kind in (("QLinearConv", "uint8"), ("ConvInteger", "int8"), ("DynamicQuantizeMatMul", "float"))
    }
    assert kinds == {"int8"}
    assert operator(kernel_of("x", "Conv"), GRAPH, probe_s=0.0).arithmetic == "float"
