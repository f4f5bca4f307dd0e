"""ONNX graphs in torch: held against ONNX Runtime, operator by operator and model by model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the skips

from edgefashion.artifact import Artifact, open_artifact  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput  # noqa: E402
from edgefashion.models.fake_quantized import FakeQuantized  # noqa: E402
from edgefashion.models.from_onnx import OnnxModule  # noqa: E402
from edgefashion.models.onnx_operators import OPERATORS  # noqa: E402
from edgefashion.quantize import calibration_images, static  # noqa: E402

RANDOM = np.random.default_rng(0)
PICTURE = (2, 3, 6, 6)


def constant(array: Any, kind: Any = np.float32) -> np.ndarray:
    """An initializer."""
    return np.asarray(array, kind)


def normal(*shape: int) -> np.ndarray:
    """An initializer of random float32 values."""
    return RANDOM.normal(size=shape).astype(np.float32)


def graph_of(
    nodes: list[Any], constants: dict[str, np.ndarray], shape: tuple[int, ...], *, opset: int = 20, inputs: int = 1
) -> Any:
    """A model from float32 "x" to float32 "y"."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "other")[:inputs]],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def one_node(operator: str, constants: tuple[np.ndarray, ...] = (), **attributes: Any) -> Any:
    """A model of one node that reads "x" and then constants."""
    names = [f"c{index}" for index in range(len(constants))]
    node = helper.make_node(operator, ["x", *names], ["y"], name=f"the {operator}", **attributes)
    return graph_of([node], dict(zip(names, constants, strict=True)), ())


def in_onnxruntime(model: Any, value: np.ndarray) -> np.ndarray:
    """What ONNX Runtime computes."""
    import onnxruntime

    for dimensions in model.graph.input:
        del dimensions.type.tensor_type.shape.dim[:]
        dimensions.type.tensor_type.shape.dim.extend([onnx.TensorShapeProto.Dimension() for _ in value.shape])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {model.graph.input[0].name: value})[0]
    return result


def in_torch(model: Any, value: np.ndarray) -> np.ndarray:
    """What the module computes."""
    with torch.no_grad():
        result: np.ndarray = OnnxModule(model)(torch.tensor(value)).numpy()
    return result


# Operators


CASES: dict[str, list[Callable[[], Any]]] = {
    "Add": [lambda: one_node("Add", (normal(3, 1, 1),))],
    "AveragePool": [
        lambda: one_node("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        lambda: one_node("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1),
    ],
    "Cast": [lambda: one_node("Cast", to=TensorProto.FLOAT)],
    "Clip": [
        lambda: one_node("Clip", (constant(-0.5), constant(0.25))),
        lambda: graph_of([helper.make_node("Clip", ["x", "", "top"], ["y"])], {"top": constant(0.5)}, ()),
    ],
    "Concat": [lambda: one_node("Concat", (normal(2, 1, 6, 6),), axis=1)],
    "Conv": [
        lambda: one_node("Conv", (normal(4, 3, 3, 3), normal(4)), pads=[1, 1, 1, 1], strides=[2, 2]),
        lambda: one_node("Conv", (normal(3, 1, 2, 2),), group=3, dilations=[2, 2]),
    ],
    "Flatten": [lambda: one_node("Flatten"), lambda: one_node("Flatten", axis=2)],
    "Gemm": [
        lambda: _behind_flatten("Gemm", (normal(5, 108), normal(5)), transB=1),
        lambda: _behind_flatten("Gemm", (normal(108, 5), normal(5)), alpha=0.5, beta=2.0),
        lambda: _behind_flatten("Gemm", (normal(2, 5),), transA=1),
    ],
    "GlobalAveragePool": [lambda: one_node("GlobalAveragePool")],
    "ReduceMean": [
        lambda: one_node("ReduceMean", (constant([2, 3], np.int64),), keepdims=0),
        lambda: one_node("ReduceMean", (constant([-1], np.int64),)),
    ],
    "MatMul": [lambda: _behind_flatten("MatMul", (normal(108, 5),))],
    "MaxPool": [
        lambda: one_node("MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
        lambda: one_node("MaxPool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], ceil_mode=1),
    ],
    "Mul": [lambda: one_node("Mul", (normal(3, 1, 1),))],
    "Relu": [lambda: one_node("Relu")],
    "Reshape": [lambda: one_node("Reshape", (constant([0, -1], np.int64),))],
    "Sigmoid": [lambda: one_node("Sigmoid")],
    "Softmax": [lambda: one_node("Softmax"), lambda: one_node("Softmax", axis=1)],
    "Transpose": [lambda: one_node("Transpose"), lambda: one_node("Transpose", perm=[0, 2, 3, 1])],
    "Unsqueeze": [lambda: one_node("Unsqueeze", (constant([1, -1], np.int64),))],
}


def _behind_flatten(operator: str, constants: tuple[np.ndarray, ...], **attributes: Any) -> Any:
    model = one_node(operator, constants, **attributes)
    model.graph.node[0].input[0] = "flat"
    model.graph.node.insert(0, helper.make_node("Flatten", ["x"], ["flat"]))
    return model


@pytest.mark.parametrize(
    "make", [pytest.param(make, id=f"{name}-{index}") for name in CASES for index, make in enumerate(CASES[name])]
)
def test_each_operator_is_onnx_runtime_s(make: Callable[[], Any]) -> None:
    """An operator gives what ONNX Runtime gives, with the attributes that models set."""
    model, value = make(), normal(*PICTURE)
    expected = in_onnxruntime(model, value)
    found = in_torch(model, value)
    assert (expected.shape, expected.dtype) == (found.shape, found.dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_no_operator_is_untested() -> None:
    """Every operator of the table has a case here; the two of quantization have tests of their own."""
    assert OPERATORS.keys() == CASES.keys() | {"QuantizeLinear", "DequantizeLinear"}


# Rounding


def _rounded(values: Any, scale: float, zero: Any) -> Any:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    return graph_of(nodes, {"scale": constant(scale), "zero": zero}, np.shape(values))


@given(
    values=st.lists(st.floats(-400, 400, width=32), min_size=1, max_size=50),
    scale=st.floats(2**-10, 4, width=32),
    kind=st.sampled_from([np.int8, np.uint8]),
    data=st.data(),
)
@hypothesis_settings(max_examples=25)
def test_rounding_is_onnx_runtime_s(values: list[float], scale: float, kind: Any, data: st.DataObject) -> None:
    """Quantizing and dequantizing any values gives ONNX Runtime's, bit for bit."""
    ends = np.iinfo(kind)
    model = _rounded(values, scale, constant(data.draw(st.integers(ends.min, ends.max)), kind))
    value = constant(values)
    np.testing.assert_array_equal(in_torch(model, value), in_onnxruntime(model, value))


def test_halves_are_rounded_to_even() -> None:
    """A value midway between two levels goes to the even one."""
    model = _rounded([0.0], 1.0, constant(0, np.int8))
    assert in_torch(model, constant([-1.5, -0.5, 0.5, 1.5, 2.5, 3.5])).tolist() == [-2, 0, 0, 2, 2, 4]


def test_gradient_of_rounding_is_straight_inside_the_range_and_zero_outside() -> None:
    """A value that is clipped moves nothing; any other moves its level as if there were no rounding."""
    module = OnnxModule(_rounded([0.0], 0.5, constant(10, np.uint8)))
    values = torch.tensor([-5.3, -5.0, -4.9, 0.1, 122.5, 122.6], requires_grad=True)
    module(values).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0, 1, 1, 1, 1, 0]


def _quantized_gemm(weights: np.ndarray, bias: np.ndarray) -> Any:
    """uint8 levels of "x" times int8 weights plus an int32 bias, as float32 sums."""
    constants = {
        "one": constant(1),
        "zero": constant(0, np.uint8),
        "weights": weights,
        "bias": bias,
        "weights_zero": constant(0, np.int8),
        "bias_zero": constant(0, np.int32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "one", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "one", "zero"], ["x1"]),
        helper.make_node("DequantizeLinear", ["weights", "one", "weights_zero"], ["w1"]),
        helper.make_node("DequantizeLinear", ["bias", "one", "bias_zero"], ["b1"]),
        helper.make_node("Gemm", ["x1", "w1", "b1"], ["y"]),
    ]
    return graph_of(nodes, constants, (1, len(weights)))


def test_sums_beyond_float32_are_exact() -> None:
    """Sums of more than 24 bits are summed as integers, and rounded once at the end."""
    weights = np.full((1200, 2), 127, np.int8)
    weights[:5, 1] = 1
    model = _quantized_gemm(weights, constant([3, -5], np.int32))
    value = np.full((1, 1200), 255, np.float32)
    exact = value.astype(np.int64) @ weights.astype(np.int64) + np.array([3, -5])
    assert exact.min() > 2**25
    np.testing.assert_array_equal(in_torch(model, value), exact.astype(np.float32))
    np.testing.assert_array_equal(in_onnxruntime(model, value), exact.astype(np.float32))
    with torch.no_grad():
        trainable = FakeQuantized(model).eval()(torch.tensor(value)).numpy()
    np.testing.assert_array_equal(trainable, exact.astype(np.float32))


# Whole models


def module_of(artifact: Artifact) -> OnnxModule:
    """An artifact in torch."""
    return OnnxModule(onnx.load_model_from_string(artifact.content)).eval()


def test_float_model_agrees(fp32: Artifact, sample: Dataset) -> None:
    """A float32 artifact gives ONNX Runtime's logits up to the order of sums."""
    expected = in_onnxruntime(onnx.load_model_from_string(fp32.content), sample.test.pixels)
    found = in_torch(onnx.load_model_from_string(fp32.content), sample.test.pixels)
    assert np.abs(expected - found).max() < 64 * np.finfo(np.float32).eps * np.abs(expected).max()
    np.testing.assert_array_equal(found.argmax(1), expected.argmax(1))


@pytest.mark.parametrize(
    "settings",
    [{}, {"activations": "int8"}, {"per_channel": False}, {"weights": "uint8"}, {"reduce_range": True}],
    ids=str,
)
def test_quantized_model_is_the_same_bit_for_bit(settings: dict[str, Any], fp32: Artifact, sample: Dataset) -> None:
    """A QDQ graph gives ONNX Runtime's logits, every bit of them, whatever its types."""
    config = static.Config(calibration_images=100, **settings)
    pixels = calibration_images(sample, config.calibration_images, config.calibration_seed).pixels
    model = static.apply(onnx.load_model_from_string(fp32.content), config, pixels)
    expected = in_onnxruntime(model, sample.test.pixels)
    np.testing.assert_array_equal(in_torch(model, sample.test.pixels), expected)


@pytest.mark.parametrize("variant", ["fp32", "int8-static"])
def test_pixels_may_be_float(variant: str, tiny_run: Any, sample: Dataset) -> None:
    """The same values as bytes and as float32 give the same logits."""
    module = module_of(open_artifact(tiny_run / f"{variant}.onnx"))
    pixels = torch.tensor(sample.test.pixels[:20])
    with torch.no_grad():
        assert torch.equal(module(pixels), module(pixels.float()))


def noise(count: int) -> Any:
    """Float pixels no two of which are equal: where two are, a maximum of both has no slope."""
    values = np.random.default_rng(0).uniform(0, 255, (count, 28, 28))
    return torch.tensor(values, dtype=torch.float32, requires_grad=True)


def test_gradient_is_the_slope(fp32: Artifact) -> None:
    """The gradient with respect to float pixels is what finite differences of the logits tell."""
    module, pixels = module_of(fp32), noise(20)
    (gradient,) = torch.autograd.grad(module(pixels)[:, 3].sum(), pixels)
    slope = gradient.flatten(1).norm(dim=1)
    # A quarter of a pixel's unit in all: far enough for float32, and near enough that few maxima change places.
    step = gradient / slope[:, None, None] / 4
    with torch.no_grad():
        rise = (module(pixels + step) - module(pixels - step))[:, 3] * 2
    np.testing.assert_allclose(rise.numpy(), slope.numpy(), rtol=0.02)


def test_quantized_model_has_a_gradient(tiny_run: Any) -> None:
    """Through all roundings the gradient with respect to pixels points where the float model's does."""
    gradients = []
    for variant in ("fp32", "int8-static"):
        pixels = noise(20)
        logits = module_of(open_artifact(tiny_run / f"{variant}.onnx"))(pixels)
        gradients.append(torch.autograd.grad(logits[:, 3].sum(), pixels)[0].flatten())
    assert torch.cosine_similarity(*gradients, dim=0) > 0.8


# What cannot be run


def test_unknown_operator_is_named() -> None:
    """The message names the node, its operator, and those that are known."""
    with pytest.raises(BadInput, match=r"the LpNormalization is a LpNormalization, which cannot be run.*Add, Av"):
        OnnxModule(one_node("LpNormalization"))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: graph_of([], {}, (), opset=13), "opset 13: expected 18"),
        (lambda: graph_of([], {}, (), inputs=2), "2 inputs and 1 outputs"),
        (lambda: graph_of([helper.make_node("Relu", ["x"], ["y", "z"], name="n")], {}, ()), "n has 2 outputs"),
    ],
)
def test_strange_graph_is_refused(model: Callable[[], Any], message: str) -> None:
    """What the module would run wrongly is refused when it is built."""
    with pytest.raises(BadInput, match=message):
        OnnxModule(model())


@pytest.mark.parametrize("attributes", [{"auto_pad": "SAME_UPPER"}, {"pads": [0, 0, 1, 1]}])
def test_unequal_padding_is_refused(attributes: dict[str, Any]) -> None:
    """Padding that torch's operators do not have is not replaced by another one."""
    with pytest.raises(BadInput, match="equal pads"):
        in_torch(one_node("MaxPool", kernel_shape=[2, 2], **attributes), normal(*PICTURE))


@pytest.mark.parametrize(
    ("operator", "scale", "attributes", "message"),
    [
        ("QuantizeLinear", [1.0, 2.0], {"axis": 0}, "scale for each channel"),
        ("DequantizeLinear", [[1.0], [2.0]], {"block_size": 2}, "scale for each block"),
    ],
)
def test_unusual_scales_are_refused(operator: str, scale: Any, attributes: dict[str, Any], message: str) -> None:
    """Scales that are laid out as no kernel here reads them are not read in another way."""
    with pytest.raises(BadInput, match=message):
        in_torch(one_node(operator, (constant(scale),), **attributes), normal(2, 2))


def test_cast_to_an_unknown_type_is_refused() -> None:
    """A type that torch lacks is named by ONNX's number."""
    with pytest.raises(BadInput, match="element type 8"):
        in_torch(one_node("Cast", to=TensorProto.STRING), normal(*PICTURE))
