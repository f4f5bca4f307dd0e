"""Fewer bytes around the weights: every logit stays, bit for bit, and so does every integer kernel."""

from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from graphs import quantized
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefashion.data import Dataset
from edgefashion.quantize.compact import compact
from edgefashion.quantize.compact.names import shorten_names
from edgefashion.quantize.compact.repeated import drop_defaults
from edgefashion.quantize.layers import layer_of

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime  # noqa: E402 - after the skips

LAYERS = ["features.0.conv", "features.1.conv", "features.2.conv", "hidden", "classify"]
# What a session computes with, and as the file is written.
LEVELS = [
    onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
]
SCHEMES_TRIED = [
    "static",
    "static:per_channel=false",
    "static:activations=int8",
    "static:weights=uint8,per_channel=false",
    "static:method=percentile,percentile=90",
    "mixed:float_layers=features.1.conv",
    "mixed:float_layers=hidden+classify",
    "qoperator",
    "dynamic",
    "weight-only",
    "float16",
]


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> Any:
    """The tiny run's float32 graph, without its manifest."""
    graph = onnx.load(tiny_run / "fp32.onnx")
    del graph.metadata_props[:]
    return graph


def answers(model: Any, pictures: Any, level: Any, **config: str) -> Any:
    """The output for `pictures` of a session at that level."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    for key, value in config.items():
        options.add_session_config_entry(f"session.{key}", value)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pictures})[0]


def opened(model: Any, folder: Path) -> Any:
    """The graph that ONNX Runtime makes of a model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns that such a file is for this machine only
    options.optimized_model_filepath = str(folder / "opened.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "opened.onnx")


def assert_same(before: Any, after: Any, pictures: Any) -> None:
    """Both give the same bits, fused, folded only, and as they are written."""
    onnx.checker.check_model(after, full_check=True)
    for level in LEVELS:
        np.testing.assert_array_equal(answers(before, pictures, level), answers(after, pictures, level))


# Every scheme


@pytest.mark.parametrize("text", SCHEMES_TRIED)
def test_every_scheme_computes_what_it_did(text: str, model: Any, pixels: Any, sample: Dataset, tmp_path: Path) -> None:
    """The same bits in fewer bytes, from the same kernels but for a normalization that was rounded away."""
    before = quantized(model, text, pixels)
    written = before.SerializeToString()
    after = compact(before)
    assert_same(before, after, sample.test.pixels[:200])
    assert written == before.SerializeToString()
    assert after.ByteSize() < before.ByteSize() - 2_000
    were, are = (graphs.operators(opened(each, tmp_path)) for each in (before, after))
    assert are <= were
    assert set(were - are) <= {"Cast", "Mul", "Add", "QuantizeLinear"}


@pytest.mark.parametrize("text", ["static", "mixed:float_layers=hidden"])
def test_what_no_kernel_takes_in_keeps_its_name(text: str, model: Any, pixels: Any, tmp_path: Path) -> None:
    """Of the conversions, those that stand in a profile say whose they are, and no others do."""
    after = compact(quantized(model, text, pixels))
    named, standing = (
        {node.name for node in each.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")} - {""}
        for each in (after, opened(after, tmp_path))
    )
    assert named - {"preprocessing/Add"} == standing
    assert (text == "static") == (not standing)


def test_weights_of_eight_bits_may_be_made_unsigned(model: Any, pixels: Any, sample: Dataset) -> None:
    """The remedy for processors without VNNI, which rewrites weights and their zero points, gives the same bits too."""
    before = quantized(model, "static", pixels)
    both = [
        answers(each, sample.test.pixels[:200], LEVELS[0], x64quantprecision="1") for each in (before, compact(before))
    ]
    np.testing.assert_array_equal(*both)


def test_an_artifact_is_compact(tiny_run: Path) -> None:
    """What is kept has a quarter of the names' and zeros' bytes, and the layers' names."""
    found = onnx.load(tiny_run / "int8-static.onnx")
    weights = sum(each.ByteSize() for each in found.graph.initializer)
    assert weights < 13_000
    assert found.ByteSize() - weights - len(found.metadata_props[0].value) < 1_700
    assert [layer_of(node) for node in found.graph.node if node.op_type in ("Conv", "Gemm")] == LAYERS


def test_branches_and_matrix_products(tmp_path: Path) -> None:
    """A sum of two branches and a product without a bias stay in integers."""
    pictures = np.random.default_rng(0).integers(0, 256, (20, 4, 4), dtype=np.uint8)
    before = quantized(graphs.branched(), "static", pictures)
    after = compact(before)
    assert_same(before, after, pictures)
    found = graphs.operators(opened(after, tmp_path))
    assert (found["QLinearConv"], found["QLinearAdd"]) == (2, 1)


# The pictures' own levels


def test_a_normalization_of_levels_is_a_scale_and_a_zero_point(model: Any, pixels: Any) -> None:
    """Nothing is computed before the first convolution, and what it takes is still called the preprocessing's."""
    nodes = compact(quantized(model, "static", pixels)).graph.node
    first = next(index for index, node in enumerate(nodes) if node.op_type == "Conv")
    pictures = [node for node in nodes[:first] if layer_of(node) == "preprocessing"]
    expected = [("preprocessing/Unsqueeze", "Unsqueeze"), ("preprocessing/Add", "DequantizeLinear")]
    assert expected == [(node.name, node.op_type) for node in pictures]


@pytest.mark.parametrize("text", ["static:method=percentile,percentile=90", "static:activations=int8"])
def test_a_normalization_that_changes_levels_stays(text: str, model: Any, pixels: Any) -> None:
    """A range without the brightest pixels gives some levels another number, and signed levels are other numbers."""
    names = {node.name for node in compact(quantized(model, text, pixels)).graph.node}
    assert {"preprocessing/Cast", "preprocessing/Mul", "preprocessing/Add"} <= names


# One layer, made by hand


def layer(
    *,
    bias: int = 100,
    bias_scale: float = 0.5 * 0.25,
    zero_point: int = 0,
    pooled_scale: float = 2.0,
    **attributes: Any,
) -> Any:
    """uint8 pictures in levels, a convolution with two channels out, pooled in its levels or others."""
    from onnx import TensorProto, helper, numpy_helper

    make = helper.make_node
    generator = np.random.default_rng(0)
    stored = {
        "axis": np.array([1]),
        "sx": np.float32(0.5),
        "zx": np.uint8(7),
        "w": generator.integers(-9, 9, (2, 1, 3, 3), dtype=np.int8),
        "sw": np.array([0.25, 0.25], np.float32),
        "zw": np.full(2, zero_point, np.int8),
        "b": np.array([bias, -bias], np.int32),
        "sb": np.full(2, bias_scale, np.float32),
        "zb": np.zeros(2, np.int32),
        "sy": np.float32(2),
        "sp": np.float32(pooled_scale),
        "zy": np.uint8(50),
    }
    nodes = [
        make("Unsqueeze", ["images", "axis"], ["x"]),
        make("DequantizeLinear", ["x", "sx", "zx"], ["xf"]),
        make("DequantizeLinear", ["w", "sw", "zw"], ["wf"], axis=0),
        make("DequantizeLinear", ["b", "sb", "zb"], ["bf"], axis=0),
        make("Conv", ["xf", "wf", "bf"], ["y"], "layer/Conv", kernel_shape=[3, 3], **attributes),
        make("QuantizeLinear", ["y", "sy", "zy"], ["yq"]),
        make("DequantizeLinear", ["yq", "sy", "zy"], ["yf"]),
        make("MaxPool", ["yf"], ["p"], "layer/MaxPool", kernel_shape=[2, 2]),
        make("QuantizeLinear", ["p", "sp", "zy"], ["pq"]),
        make("DequantizeLinear", ["pq", "sp", "zy"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 12, 12])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2, "height", "width"])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


PICTURES = np.random.default_rng(1).integers(0, 256, (20, 12, 12), dtype=np.uint8)


def types_of_inputs(model: Any) -> list[str]:
    """What the convolution's inputs are made by; "" for what is stored as it is."""
    made = {name: node.op_type for node in model.graph.node for name in node.output}
    return [made.get(name, "") for name in next(each for each in model.graph.node if each.op_type == "Conv").input]


@settings(max_examples=15)
@given(
    strides=st.lists(st.integers(1, 3), min_size=2, max_size=2),
    dilations=st.lists(st.integers(1, 2), min_size=2, max_size=2),
    pads=st.lists(st.integers(0, 2), min_size=4, max_size=4),
)
def test_attributes_that_say_something_stay(strides: list[int], dilations: list[int], pads: list[int]) -> None:
    """Only defaults are left out: a convolution computes the same whatever its attributes are."""
    before = layer(strides=strides, dilations=dilations, pads=pads)
    after = compact(before)
    np.testing.assert_array_equal(answers(before, PICTURES, LEVELS[0]), answers(after, PICTURES, LEVELS[0]))
    told = {each.name for node in after.graph.node if node.op_type == "Conv" for each in node.attribute}
    given = {"strides": strides, "dilations": dilations, "pads": pads}
    assert {name for name, value in given.items() if set(value) != {0 if name == "pads" else 1}} == told


@settings(max_examples=15)
@given(st.integers(-(2**31), 2**31 - 1))
def test_a_bias_is_the_same_integer_again(bias: int) -> None:
    """As a float it is stored only if it rounds to the integer that it was: others stay what they are."""
    before = layer(bias=max(bias, -(2**31) + 1))
    after = compact(before)
    np.testing.assert_array_equal(answers(before, PICTURES, LEVELS[0]), answers(after, PICTURES, LEVELS[0]))
    stays = types_of_inputs(after)[2] == "DequantizeLinear"
    assert stays or abs(bias) < 2**25
    assert not stays or abs(bias) > 2**22


def test_a_bias_in_units_of_its_own_stays() -> None:
    """Whose scale is not the product of the others would become another integer."""
    after = compact(layer(bias_scale=0.126))
    assert types_of_inputs(after)[2] == "DequantizeLinear"
    assert types_of_inputs(compact(layer()))[2] == ""


def test_zero_points_that_are_not_zero_stay() -> None:
    """A zero that is subtracted is left out, any other number is not."""
    counts = [
        sum(len(node.input) == 2 for node in compact(layer(zero_point=point)).graph.node if "Dequ" in node.op_type)
        for point in (0, 3)
    ]
    assert counts == [1, 0]
    assert_same(layer(zero_point=3), compact(layer(zero_point=3)), PICTURES)


@pytest.mark.parametrize(("pooled_scale", "conversions"), [(2.0, 3), (2.5, 5)])
def test_levels_are_pooled_where_they_stay_the_same(pooled_scale: float, conversions: int) -> None:
    """Between two scales pooling goes through floats, which round to other levels."""
    before = layer(pooled_scale=pooled_scale)
    after = compact(before)
    assert_same(before, after, PICTURES)
    found = graphs.operators(after)
    # The weight is dequantized besides.
    assert conversions == found["QuantizeLinear"] + found["DequantizeLinear"] - 1


def test_what_others_read_too_stays() -> None:
    """A tensor that is an output of the graph is still computed, under its name."""
    before = layer()
    before.graph.output.append(onnx.helper.make_tensor_value_info("yf", onnx.TensorProto.FLOAT, None))
    before.graph.output.append(onnx.helper.make_tensor_value_info("p", onnx.TensorProto.FLOAT, None))
    after = compact(before)
    session = onnxruntime.InferenceSession(after.SerializeToString())
    old = onnxruntime.InferenceSession(before.SerializeToString())
    for one, other in zip(old.run(None, {"images": PICTURES}), session.run(None, {"images": PICTURES}), strict=True):
        np.testing.assert_array_equal(one, other)


# Names


def test_names_do_not_collide() -> None:
    """A graph whose own input and output have short names keeps them, and no other tensor gets them."""
    model = layer()
    for old, new in (("images", "a"), ("logits", "c")):
        for node in model.graph.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]
    model.graph.input[0].name, model.graph.output[0].name = "a", "c"
    assert_same(model, compact(model), PICTURES)


def test_more_names_than_letters() -> None:
    """Hundreds of tensors have different names, the most used ones the shortest."""
    helper = onnx.helper
    nodes = [helper.make_node("Add", [f"tensor {index}", "one"], [f"tensor {index + 1}"]) for index in range(200)]
    graph = helper.make_graph(
        nodes,
        "long",
        [helper.make_tensor_value_info("tensor 0", onnx.TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("tensor 200", onnx.TensorProto.FLOAT, [1])],
        [onnx.numpy_helper.from_array(np.ones(1, np.float32), "one")],
    )
    for node in graph.node:
        node.name = "layer/Add"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    shorten_names(model)
    onnx.checker.check_model(model, full_check=True)
    names = [name for node in model.graph.node for name in node.output]
    assert len(set(names)) == len(names) == 200
    assert model.graph.initializer[0].name == "a"
    assert {len(name) for name in names} == {1, 2, len("tensor 200")}


def test_what_onnx_does_not_know_keeps_its_attributes() -> None:
    """Operators of onnxruntime's own have no schema in onnx: whatever they say stays."""
    node = onnx.helper.make_node("FusedConv", ["x"], ["y"], domain="com.microsoft", activation="Relu", group=1)
    graph = onnx.helper.make_graph([node], "g", [], [])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("com.microsoft", 1)])
    drop_defaults(model)
    assert {each.name for each in model.graph.node[0].attribute} == {"activation", "group"}
