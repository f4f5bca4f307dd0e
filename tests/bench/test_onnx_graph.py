"""Reading an ONNX file's graph without the onnx package."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.bench.profiling.onnx_graph import Graph, Node, read_graph
from edgefashion.errors import BadInput


@pytest.mark.parametrize("variant", ["fp32", "int8-static", "int8-dynamic"])
def test_it_reads_what_onnx_reads(tiny_run: Path, variant: str) -> None:
    """Names, operators, edges, integer attributes and weight shapes are those that the onnx package finds."""
    onnx = pytest.importorskip("onnx")
    content = (tiny_run / f"{variant}.onnx").read_bytes()
    truth = onnx.load_model_from_string(content).graph
    graph = read_graph(content)
    assert {each.name: tuple(each.dims) for each in truth.initializer} == graph.shapes
    assert {each.name for each in truth.node if each.name} == graph.by_name.keys()
    for each in truth.node:
        node = graph.by_output[each.output[0]]
        assert (each.name, each.op_type) == (node.name, node.op_type)
        assert (tuple(each.input), tuple(each.output)) == (node.inputs, node.outputs)
        for attribute in each.attribute:
            if attribute.type == onnx.AttributeProto.INTS:
                assert tuple(attribute.ints) == node.integers[attribute.name]
            if attribute.type == onnx.AttributeProto.INT:
                assert (attribute.i,) == node.integers[attribute.name]


def test_negative_attributes_and_constants() -> None:
    """An axis may be negative, and a weight may be a Constant node's tensor."""
    onnx = pytest.importorskip("onnx")
    weight = onnx.helper.make_tensor("inside", onnx.TensorProto.FLOAT, [2, 3], range(6))
    nodes = [
        onnx.helper.make_node("Constant", [], ["weight"], name="constant", value=weight),
        onnx.helper.make_node("Softmax", ["weight"], ["y"], name="softmax", axis=-1),
    ]
    graph = read_graph(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [])).SerializeToString())
    assert graph.by_name["softmax"].integers == {"axis": (-1,)}
    assert graph.shapes == {"weight": (2, 3)}


def test_packed_dimensions() -> None:
    """Dimensions may be written all in one field, as other writers of protocol buffers do."""
    tensor = bytes([1 << 3 | 2, 3, 3, 0xAC, 0x02]) + bytes([8 << 3 | 2, 1]) + b"w"
    content = _message(7, _message(5, tensor))
    assert read_graph(content).shapes == {"w": (3, 300)}


def test_a_weight_is_found_behind_what_wraps_it() -> None:
    """Through dequantizing and casting, but not through arithmetic, and not for ever in a circle."""
    graph = _graph(
        Node("d", "DequantizeLinear", ("w_int8", "scale"), ("w_float",), {}),
        Node("c", "Cast", ("w_float",), ("w_half",), {}),
        Node("a", "Add", ("w_int8", "w_int8"), ("sum",), {}),
        Node("i", "Identity", ("circle",), ("circle",), {}),
        shapes={"w_int8": (4, 1, 3, 3)},
    )
    found = {name: graph.stored(name) for name in ("w_int8", "w_half", "sum", "circle", "unknown")}
    assert found == {"w_int8": "w_int8", "w_half": "w_int8", "sum": None, "circle": None, "unknown": None}


@given(st.binary(max_size=200))
def test_hostile_bytes_are_bad_input(content: bytes) -> None:
    """Anything gives a graph or is refused; nothing else is raised."""
    for hostile in (
        content,
        _message(7, content),
        _message(7, _message(1, content)),
        _message(7, _message(5, content)),
    ):
        try:
            read_graph(hostile)
        except BadInput:
            continue


def test_a_truncated_graph_is_refused(tiny_run: Path) -> None:
    """A file that ends too early has no graph."""
    content = (tiny_run / "fp32.onnx").read_bytes()
    with pytest.raises(BadInput, match="cannot be read"):
        read_graph(content[: len(content) // 2])


def _graph(*nodes: Node, shapes: dict[str, tuple[int, ...]]) -> Graph:
    by_output = {output: node for node in nodes for output in node.outputs}
    return Graph(by_name={node.name: node for node in nodes}, by_output=by_output, shapes=shapes)


def _message(number: int, content: bytes) -> bytes:
    length, size = bytearray(), len(content)
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content
