"""Bounds on 16-bit sums, held against the instruction itself, emulated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402 - after the skip

from edgefashion.artifact import open_artifact  # noqa: E402
from edgefashion.quantize.saturation import (  # noqa: E402
    LIMIT,
    largest_pair_sums,
    largest_sums_in_any_order,
    rows_in_kernel_order,
    saturation,
)
from edgefashion.records.explanation import SaturationBound  # noqa: E402

Integers = NDArray[Any]

full_range = hnp.arrays(np.int8, st.tuples(st.integers(1, 5), st.integers(1, 9)))
seven_bits = hnp.arrays(np.int8, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.integers(-64, 64))


def vpmaddubsw(activations: Integers, weights: Integers) -> Integers:
    """int64[…, pairs]: the instruction's sums before it clips them, of uint8 and int8 numbers side by side."""
    odd = [(0, 0)] * (activations.ndim - 1) + [(0, activations.shape[-1] % 2)]
    products = np.pad(activations.astype(np.int64) * weights, odd)
    return products[..., 0::2] + products[..., 1::2]


def clips(activations: Integers, weights: Integers) -> bool:
    """Whether the instruction returns anything but the true sums."""
    sums = vpmaddubsw(activations, weights)
    return bool((np.clip(sums, -(2**15), 2**15 - 1) != sums).any())


def worst_input(row: Integers, *, positive: bool) -> Integers:
    """255 wherever the weight has that sign."""
    return np.where(row > 0 if positive else row < 0, 255, 0).astype(np.uint8)


# The bound and the instruction


@given(full_range, st.integers(0, 2**32 - 1))
def test_the_bound_is_exact(weights: Integers, seed: int) -> None:
    """Where it says no, neither random nor extreme inputs clip a sum; where it says yes, a crafted one does."""
    random = np.random.default_rng(seed)
    for row, bound in zip(weights.astype(np.int64), largest_pair_sums(weights.astype(np.int64)), strict=True):
        extremes = [worst_input(row, positive=sign) for sign in (True, False)]
        assert any(clips(each, row) for each in extremes) == (bound > LIMIT)
        tried = np.stack(
            [*extremes, *random.integers(0, 256, (20, len(row))), *random.choice([0, 255], (20, len(row)))]
        )
        assert np.abs(vpmaddubsw(tried, row)).max() == bound


@given(seven_bits, st.integers(0, 2**32 - 1))
def test_a_reduced_range_never_saturates(weights: Integers, seed: int) -> None:
    """Two weights of 64 times 255 are 32,640, in whatever order they come."""
    rows = weights.astype(np.int64)
    inputs = np.random.default_rng(seed).choice([0, 255], (50, 1, rows.shape[1]))
    assert not clips(inputs, rows)
    assert largest_sums_in_any_order(rows).max(initial=0) <= 2 * 64 * 255 <= LIMIT


@given(full_range, st.randoms(use_true_random=False))
def test_any_order_bounds_every_order(weights: Integers, random: Any) -> None:
    """No permutation of a channel's weights exceeds it, and one that puts the two largest together attains it."""
    rows = weights.astype(np.int64)
    anyhow = largest_sums_in_any_order(rows)
    order = list(range(rows.shape[1]))
    random.shuffle(order)
    assert (largest_pair_sums(rows[:, order]) <= anyhow).all()
    attained = np.maximum(largest_pair_sums(np.sort(rows, axis=1)), largest_pair_sums(np.sort(rows, axis=1)[:, ::-1]))
    assert (attained == anyhow).all()


@given(
    hnp.arrays(np.int8, st.tuples(st.integers(1, 3), st.integers(1, 5), st.just(3), st.just(3))),
    st.integers(0, 2**32 - 1),
)
def test_a_convolution_reduces_over_taps_then_channels(weights: Integers, seed: int) -> None:
    """Windows of a channels-last picture, flattened, meet the rows in the kernel's order: their sums are the bound."""
    channels = weights.shape[1]
    picture = np.random.default_rng(seed).integers(0, 256, (6, 6, channels))
    windows = sliding_window_view(picture, (3, 3), axis=(0, 1)).transpose(0, 1, 3, 4, 2).reshape(-1, 9 * channels)
    rows = rows_in_kernel_order(weights, "QLinearConv")
    truth = np.einsum("hwcij,ocij->hwo", sliding_window_view(picture, (3, 3), axis=(0, 1)), weights.astype(np.int64))
    assert (windows @ rows.T == truth.reshape(-1, len(weights))).all()
    reached = np.abs(vpmaddubsw(windows[:, None], rows)).max(axis=(0, 2))
    assert (reached <= largest_pair_sums(rows)).all()


def test_the_order_decides() -> None:
    """The same weights saturate as neighbouring channels of one tap, and not as neighbouring taps of one channel."""
    channels = np.zeros((1, 2, 1, 2), np.int8)
    channels[0, :, 0, 0] = 100
    taps = np.zeros((1, 2, 1, 2), np.int8)
    taps[0, 0, 0, :] = 100
    found = [int(largest_pair_sums(rows_in_kernel_order(each, "Conv"))[0]) for each in (channels, taps)]
    assert found == [255 * 200, 255 * 100]
    assert {255 * 200} == {
        int(largest_sums_in_any_order(rows_in_kernel_order(each, "Conv"))[0]) for each in (channels, taps)
    }


# Reading files


def model_of(op_type: str, weight: Integers, activations: Any, **attributes: Any) -> Any:
    """One operator of a graph in QDQ form or, for integer operators, as such."""
    stored = {"s": np.float32(1), "az": activations(0), "wz": weight.dtype.type(0), "w": weight}
    scaled = ["x", "s", "az", "w", "s", "wz", "s", "az"]
    if op_type in {"ConvInteger", "MatMulInteger"}:
        nodes = [helper.make_node(op_type, ["x", "w", "az", "wz"], ["y"], name="layer/Op", **attributes)]
    elif op_type.startswith("Q"):
        nodes = [helper.make_node(op_type, scaled, ["y"], name="layer/Op", **attributes)]
    else:
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "s", "az"], ["xq"]),
            helper.make_node("DequantizeLinear", ["xq", "s", "az"], ["xf"]),
            helper.make_node("DequantizeLinear", ["w", "s", "wz"], ["wf"]),
            helper.make_node(op_type, ["xf", "wf"], ["y"], name="layer/Op", **attributes),
        ]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()]
    return helper.make_model(helper.make_graph(nodes, "g", [], [], initializer=initializers))


def bound_of(*arguments: Any, **attributes: Any) -> SaturationBound:
    (found,) = saturation(model_of(*arguments, **attributes))
    return found


CONV = np.full((8, 4, 3, 3), 127, np.int8)
MATRIX = np.full((4, 6), 127, np.int8)


@pytest.mark.parametrize(
    ("op_type", "weight", "activations", "at_risk"),
    [
        ("Conv", CONV, np.uint8, True),
        ("Conv", CONV, np.int8, True),  # onnxruntime makes them uint8
        ("QLinearConv", CONV, np.uint8, True),
        ("QLinearConv", CONV, np.int8, False),
        ("QLinearConv", CONV.astype(np.uint8), np.uint8, False),
        ("ConvInteger", CONV, np.uint8, False),
        ("Gemm", MATRIX, np.uint8, True),
        ("MatMul", MATRIX.astype(np.uint8), np.uint8, False),
        ("MatMulInteger", MATRIX, np.uint8, True),
        ("QGemm", MATRIX, np.uint8, True),
    ],
)
def test_which_types_are_added_in_16_bits(op_type: str, weight: Integers, activations: Any, at_risk: bool) -> None:
    """uint8 × int8 alone, wherever onnxruntime multiplies with activations on the left."""
    found = bound_of(op_type, weight, activations)
    channels = len(weight) if "Conv" in op_type else weight.shape[1]
    assert (found.layer, found.pair_bound, found.channels) == ("layer", 2 * 127 * 255, channels)
    assert (found.can_saturate, found.channels_at_risk) == (at_risk, channels if at_risk else 0)


def test_depthwise_convolutions_add_in_32_bits() -> None:
    """They have one channel a group, and a kernel of their own; others with one channel or with groups have not."""
    weight = np.full((8, 1, 3, 3), 127, np.int8)
    assert not bound_of("Conv", weight, np.uint8, group=8).sums_16_bit
    assert bound_of("Conv", weight, np.uint8).can_saturate
    assert bound_of("Conv", np.full((8, 2, 3, 3), 127, np.int8), np.uint8, group=8).can_saturate


@pytest.mark.parametrize(("largest", "at_risk"), [(64, 0), (65, 6)])
def test_the_limit_lies_between_128_and_129(largest: int, at_risk: int) -> None:
    """Two weights that sum up to 128 reach 32,640, one more 32,895: past 32,767."""
    weight = np.full((2, 6), 64, np.int8)
    weight[0] = largest
    found = bound_of("MatMulInteger", weight, np.uint8)
    assert (found.can_saturate, found.channels_at_risk) == (at_risk > 0, at_risk)


def test_matrix_products_reduce_over_the_right_axis() -> None:
    """Of [in, out] the first; with transB the second."""
    weight = np.zeros((2, 4), np.int8)
    weight[:, 0] = 100
    assert bound_of("Gemm", weight, np.uint8).pair_bound == 200 * 255
    turned = bound_of("Gemm", weight, np.uint8, transB=1)
    assert (turned.pair_bound, turned.channels) == (100 * 255, 2)


def test_weight_only_layers_have_no_bound() -> None:
    """Their activations are floats, and so are their sums."""
    model = model_of("MatMul", MATRIX, np.uint8)
    model.graph.node[-1].input[0] = "x"
    assert saturation(model) == []


def test_real_artifacts(tiny_run: Path) -> None:
    """Static int8 can saturate in every layer; dynamic only where it multiplies matrices; floats have no bounds."""
    found = {
        name: saturation(open_artifact(tiny_run / f"{name}.onnx"))
        for name in ("fp32", "fp16", "int8-static", "int8-dynamic")
    }
    layers = ["features.0.conv", "features.1.conv", "features.2.conv", "hidden", "classify"]
    assert (found["fp32"], found["fp16"]) == ([], [])
    assert [layers, layers] == [[each.layer for each in found[name]] for name in ("int8-static", "int8-dynamic")]
    assert [each.sums_16_bit for each in found["int8-static"]] == [True] * 5
    assert [each.sums_16_bit for each in found["int8-dynamic"]] == [False, False, False, True, True]
    assert all(
        each.channels_at_risk <= each.channels_at_risk_any_order <= each.channels for each in found["int8-static"]
    )
    assert any(each.can_saturate for each in found["int8-static"])
