"""Each scheme's graph has the operators and the types that the scheme claims."""

from typing import Any

import graphs
import numpy as np
import pytest
from graphs import quantized
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.errors import UsageError
from edgefashion.quantize.layers import layers_of
from edgefashion.quantize.weight_only import quantize_weight

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

LAYERS = ["features.0.conv", "features.1.conv", "features.2.conv", "hidden", "classify"]


@pytest.fixture
def model(fp32: Artifact) -> Any:
    """The tiny run's float32 graph."""
    return onnx.load_model_from_string(fp32.content)


def scale_of(constants: dict[str, Any], layer: str) -> Any:
    """The scale of a layer's weight, which dynamic quantization may have transposed."""
    return next(
        values
        for name, values in constants.items()
        if name.startswith(f"network.{layer}.weight") and name.endswith("_scale")
    )


def float_layers(model: Any) -> list[str]:
    """Layers whose weight is stored in float32."""
    constants = graphs.constants(model)
    return [layer for layer in LAYERS if f"network.{layer}.weight" in constants]


# Operators


def test_static_is_float_operators_between_quantize_and_dequantize(model: Any, pixels: Any) -> None:
    """QDQ form keeps the operators; their inputs and weights are dequantized, and the logits are not rounded."""
    found = quantized(model, "static", pixels)
    operators = graphs.operators(found)
    assert (operators["Conv"], operators["Gemm"], operators["QLinearConv"]) == (3, 2, 0)
    made_by = {name: node.op_type for node in found.graph.node for name in node.output}
    for node in found.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            assert {"DequantizeLinear"} == {made_by[name] for name in node.input}
    assert made_by["logits"] == "Gemm"


def test_qoperator_is_integer_operators(model: Any, pixels: Any) -> None:
    """QOperator form has no float32 layer; the picture is quantized once and the logits are dequantized."""
    operators = graphs.operators(quantized(model, "qoperator", pixels))
    assert (operators["QLinearConv"], operators["QGemm"], operators["QLinearSigmoid"]) == (3, 2, 1)
    assert (operators["QuantizeLinear"], operators["DequantizeLinear"]) == (1, 1)
    assert not {"Conv", "Gemm", "Sigmoid", "Relu"} & operators.keys()


def test_both_forms_are_one_model(model: Any, pixels: Any, sample: Dataset) -> None:
    """QOperator form gives QDQ's logits, rounded to one of 256 levels."""
    forms = [quantized(model, text, pixels) for text in ("static", "qoperator")]
    logits, rounded = (graphs.answers(form, sample.test.pixels[:200]) for form in forms)
    step = float(graphs.constants(forms[1])["logits_scale"])
    inside = (rounded > rounded.min()) & (rounded < rounded.max())
    assert np.abs(logits - rounded)[inside].max() <= 0.5001 * step


def test_dynamic_is_integer_operators_without_calibrated_scales(model: Any, pixels: Any) -> None:
    """Dynamic quantization finds the scale of every activation while the model runs."""
    operators = graphs.operators(quantized(model, "dynamic", pixels))
    assert (operators["ConvInteger"], operators["MatMulInteger"], operators["Conv"]) == (3, 2, 0)
    assert operators["DynamicQuantizeLinear"] == 5


def test_float16_stores_no_float32_weight(model: Any, pixels: Any) -> None:
    """Every weight has two bytes a value."""
    constants = graphs.constants(quantized(model, "float16", pixels))
    assert {"float16"} == {values.dtype.name for name, values in constants.items() if name.endswith(".weight")}


def test_preprocessing_is_not_rounded(model: Any, pixels: Any) -> None:
    """The picture has 256 levels: it is quantized once, behind its normalization, and nothing is lost."""
    found = quantized(model, "static", pixels)
    names = {node.name for node in found.graph.node}
    assert {"preprocessing/Mul", "preprocessing/Add", "preprocessing/Add_QuantizeLinear"} <= names
    assert "preprocessing/Mul_QuantizeLinear" not in names
    step = 1 / 255 / 0.353
    assert step == pytest.approx(float(graphs.constants(found)["preprocessing/Add_scale"]), rel=1e-3)


# Types, scales and ranges


@pytest.mark.parametrize("scheme", ["static", "qoperator"])
@pytest.mark.parametrize(("activations", "weights"), [("uint8", "int8"), ("int8", "int8"), ("uint8", "uint8")], ids=str)
def test_types_are_in_the_file(scheme: str, activations: str, weights: str, model: Any, pixels: Any) -> None:
    """Weights, and the zero points of activations, have the types that were asked for."""
    text = f"{scheme}:activations={activations},weights={weights},per_channel=false"
    found = quantized(model, text, pixels)
    assert {weights} == {values.dtype.name for values in graphs.stored_weights(found).values()}
    constants = graphs.constants(found)
    points = [constants[f"{name}_zero_point"] for name in ("preprocessing/Add", "hidden/Gemm", "network/Sigmoid")]
    assert {activations} == {values.dtype.name for values in points}
    assert len(LAYERS) == len(graphs.stored_weights(found))


@pytest.mark.parametrize("scheme", ["static", "qoperator", "dynamic"])
def test_a_scale_for_each_channel_or_one(scheme: str, model: Any, pixels: Any) -> None:
    """A weight has as many scales as output channels, all different, or a single one."""
    several, one = (
        graphs.constants(quantized(model, f"{scheme}:per_channel={text}", pixels)) for text in ("true", "false")
    )
    for layer, channels in zip(LAYERS, (4, 8, 16, 64, 10), strict=True):
        if scheme != "dynamic" or layer in ("hidden", "classify"):  # ConvInteger has one scale
            assert channels == len(np.unique(scale_of(several, layer)))
        assert scale_of(one, layer).size == 1


@pytest.mark.parametrize("text", ["static", "static:activations=int8", "qoperator", "qoperator:per_channel=false"])
def test_reduced_range_is_seven_bits(text: str, model: Any, pixels: Any) -> None:
    """Every weight lies within 7 bits, and the largest uses them; without, weights use all 8."""
    settings = ("," if ":" in text else ":") + "reduce_range=true"
    largest = [
        max(int(np.abs(values.astype(int)).max()) for values in graphs.stored_weights(found).values())
        for found in (quantized(model, text, pixels), quantized(model, text + settings, pixels))
    ]
    assert largest[0] == 127
    assert 60 <= largest[1] <= 64


def test_reduced_range_of_unsigned_weights_is_seven_bits(model: Any, pixels: Any) -> None:
    """uint8 weights of 7 bits span no more than 128 values."""
    found = quantized(model, "static:weights=uint8,per_channel=false,reduce_range=true", pixels)
    for values in graphs.stored_weights(found).values():
        assert int(values.max()) - int(values.min()) <= 127


def test_methods_give_other_scales(model: Any, pixels: Any) -> None:
    """Ranges reach the file: every method has scales of its own, and those of weights are the same."""
    texts = ["static", "static:method=mse", "static:method=percentile,percentile=99"]
    found = [graphs.scales(quantized(model, text, pixels)) for text in texts]
    assert len({float(each["features.1.relu/Relu_scale"]) for each in found}) == len(texts)
    for each in found[1:]:
        np.testing.assert_array_equal(each["network.hidden.weight_scale"], found[0]["network.hidden.weight_scale"])


# Layers


def test_layers_are_those_with_weights_in_order(model: Any) -> None:
    """Layers are named as the network names them, each once."""
    assert layers_of(model) == LAYERS


@pytest.mark.parametrize("layers", [[LAYERS[0]], ["hidden", "classify"], LAYERS[:4], LAYERS[1:], LAYERS, []])
def test_float_layers_stay_float(layers: list[str], model: Any, pixels: Any, sample: Dataset) -> None:
    """Layers that are named keep their float32 weights and read unrounded sums; all others are int8."""
    text = f"mixed:float_layers={'+'.join(layers)}" if layers else "mixed"
    found = quantized(model, text, pixels)
    assert float_layers(found) == layers
    assert set(LAYERS) - set(layers) == {
        name.removeprefix("network.").removesuffix(".weight") for name in graphs.stored_weights(found)
    }
    logits = graphs.answers(found, sample.test.pixels[:100])
    np.testing.assert_allclose(logits, graphs.answers(model, sample.test.pixels[:100]), atol=0.5)


def test_all_layers_float_is_the_float32_model(model: Any, pixels: Any, sample: Dataset) -> None:
    """With nothing left to quantize nothing is rounded, operators without weights included."""
    found = quantized(model, f"mixed:float_layers={'+'.join(LAYERS)}", pixels)
    assert graphs.operators(found) == graphs.operators(model)
    np.testing.assert_array_equal(
        graphs.answers(model, sample.test.pixels[:100]), graphs.answers(found, sample.test.pixels[:100])
    )


def test_no_float_layer_is_static(model: Any, pixels: Any) -> None:
    """Mixed precision that leaves out nothing is static quantization."""
    assert quantized(model, "mixed", pixels).graph == quantized(model, "static", pixels).graph


def test_an_unknown_layer_is_answered_with_the_nearest(model: Any, pixels: Any) -> None:
    """A misspelt layer is refused by name."""
    with pytest.raises(UsageError, match=r"unknown layer 'features.0.con': did you mean 'features.0.conv'\?"):
        quantized(model, "mixed:float_layers=features.0.con", pixels)


@pytest.mark.parametrize(("layers", "is_integer"), [((), True), (("left",), False), (("left", "right"), False)])
def test_what_joins_branches_is_integer_if_both_are(layers: tuple[str, ...], is_integer: bool) -> None:
    """An addition computes in integers only where both of its inputs do."""
    pictures = np.random.default_rng(0).integers(0, 256, (20, 4, 4), dtype=np.uint8)
    text = f"mixed:float_layers={'+'.join(layers)}" if layers else "mixed"
    found = quantized(graphs.branched(), text, pictures)
    made_by = {name: node.op_type for node in found.graph.node for name in node.output}
    add = next(node for node in found.graph.node if node.op_type == "Add")
    assert is_integer == ({"DequantizeLinear"} == {made_by[name] for name in add.input})
    expected = graphs.answers(graphs.branched(), pictures)
    np.testing.assert_allclose(graphs.answers(found, pictures), expected, atol=0.02 * np.abs(expected).max())


# Weights alone


def test_weight_only_stores_large_weights_in_int8(model: Any, pixels: Any) -> None:
    """Weights from the threshold on are int8 with a scale for each output channel; smaller ones stay."""
    found = quantized(model, "weight-only", pixels)
    sizes = {name: values.size for name, values in graphs.constants(model).items() if name.endswith(".weight")}
    large = {name for name, size in sizes.items() if size >= 256}
    stored = graphs.stored_weights(found)
    assert 0 < len(large) < len(sizes)
    assert large == stored.keys()
    assert {"int8"} == {values.dtype.name for values in stored.values()}
    assert graphs.constants(found)["network.features.2.conv.weight_scale"].shape == (16, 1, 1, 1)
    assert graphs.operators(found)["Conv"] == 3
    assert "QuantizeLinear" not in graphs.operators(found)
    assert not large & graphs.constants(found).keys()


def test_weight_only_is_restored_once_when_the_model_is_opened(model: Any, pixels: Any, tmp_path: Any) -> None:
    """ONNX Runtime folds what restores the weights, so that no call pays for it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "opened.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(quantized(model, "weight-only", pixels).SerializeToString(), options)
    opened = graphs.operators(onnx.load(tmp_path / "opened.onnx"))
    assert (opened["Cast"], opened["Mul"]) == (1, 1)  # the preprocessing's


def test_weight_only_reads_every_kind_of_layer() -> None:
    """Channels of a MatMul are its columns, of a convolution its first axis; the answers stay."""
    pictures = np.random.default_rng(0).integers(0, 256, (20, 4, 4), dtype=np.uint8)
    found = quantized(graphs.branched(), "weight-only:min_weights=0", pictures)
    constants = graphs.constants(found)
    assert constants["head.weight_scale"].shape == (1, 2)
    assert constants["left.weight_scale"].shape == (3, 1, 1, 1)
    expected = graphs.answers(graphs.branched(), pictures)
    np.testing.assert_allclose(graphs.answers(found, pictures), expected, atol=0.02 * np.abs(expected).max())


@settings(max_examples=50)
@given(
    values=arrays(np.float32, (3, 4), elements=st.floats(-1e3, 1e3, width=32)),
    axis=st.sampled_from([0, 1, -1]),
)
def test_a_stored_weight_is_half_a_step_off_at_most(values: Any, axis: int) -> None:
    """Rounding moves no weight by more than half of its channel's scale, and nothing is clipped."""
    stored, scales = quantize_weight(values, axis)
    assert np.all(np.abs(stored * scales.astype(np.float64) - values) <= 0.5001 * scales)
    assert scales.shape[axis] == values.shape[axis]
    assert scales.size == values.shape[axis]
