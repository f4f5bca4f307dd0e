"""Why a quantized model is slower or faster: from hand-made profiles to sentences, and from real files."""

from itertools import combinations, product
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from test_bottleneck import INFO, operator_of, profile_of

from edgefashion.bench.profiling import rounds as by_turns
from edgefashion.bench.profiling.onnx_graph import read_graph
from edgefashion.bench.profiling.quantized import explain_quantized
from edgefashion.bench.profiling.rounds import apart, enough, profile_by_turns
from edgefashion.bench.profiling.structure import read_structure
from edgefashion.data import Dataset
from edgefashion.environment import usable_cpus
from edgefashion.errors import BadInput
from edgefashion.records import Operator, Profile
from edgefashion.records.explanation import Explanation, Structure
from edgefashion.runtimes import default_spec
from edgefashion.subjects import open_model

INT8 = msgspec.structs.replace(INFO, variant="int8", precision="int8", scheme="static")
FP16 = msgspec.structs.replace(INFO, variant="fp16", precision="float16", scheme="float16")
PLAIN = Structure(
    weight_layers={"conv": "int8"},
    signed_activations=[],
    signed_weights=[],
    ragged_channels=[],
    quantize=0,
    unfusable=[],
)
# Four rounds whose noise is one per cent.
NOISE = (1.0, 1.01, 0.99, 1.005)
LAYERS = ["features.0.conv", "features.1.conv", "features.2.conv", "hidden", "classify"]


def rounds_of(*operators: Operator, overhead_us: float = 1.0, noise: tuple[float, ...] = NOISE) -> list[Profile]:
    """A profile a round, each stretched by its noise."""
    found = []
    for stretch in noise:
        stretched = [msgspec.structs.replace(each, time_s=stretch * each.time_s) for each in operators]
        call_us = 1e6 * sum(each.time_s for each in stretched) + stretch * overhead_us
        found.append(profile_of(*stretched, call_us=call_us))
    return found


def int8_of(time_us: float, op_type: str = "QLinearConv", **changes: Any) -> Operator:
    return operator_of(time_us, op_type=op_type, **{"arithmetic": "int8", "operations": 1000, **changes})


def explained(
    before: list[Profile], after: list[Profile], structure: Structure = PLAIN, *, info: Any = INT8, **changes: Any
) -> Explanation:
    after = [msgspec.structs.replace(each, artifact=info) for each in after]
    return explain_quantized(before, after, structure, machine=changes.get("machine", "x86_64"))


# Sentences


def test_a_slower_model_is_explained_by_its_slow_kernel() -> None:
    """Ratio, share of the difference, rates on both sides, and what to try: all from the figures."""
    before = rounds_of(operator_of(9, operations=90_000), operator_of(20, layer="other", op_type="Gemm"))
    after = rounds_of(
        int8_of(90, "ConvInteger", operations=90_000),
        operator_of(9, op_type="Mul", operations=0),
        int8_of(20, "MatMulInteger", layer="other"),
    )
    found = explained(before, after, msgspec.structs.replace(PLAIN, signed_weights=["conv"]))
    verdict, layers, kernel, integer, *_ = found.sentences
    assert found.speed == "slower"
    assert (
        verdict == "int8 takes 4.00 times as long as fp32 (120 µs against 30.1 µs; ×4.00 to ×4.00 in 4 rounds by turns)"
    )
    assert layers == (
        "layers take 90.2 µs more than in fp32: "
        "100 % in conv (ConvInteger 90.2 µs and 9.02 µs of Mul against Conv 9.02 µs)"
    )
    assert kernel == (
        "onnxruntime has no fast kernel on x86-64 for a ConvInteger whose weights are int8: conv: "
        "0.907 G operations/s here against 9.98 in fp32"
    )
    assert integer == "in integers run 1 ConvInteger and 1 MatMulInteger: 92 % of a call"
    assert ["--scheme static" in each for each in found.advice] == [True]


def test_a_faster_model_names_what_it_loses_too() -> None:
    """Gains first where they are larger; the layer that int8 makes slower is worth leaving in float32."""
    before = rounds_of(operator_of(5), operator_of(60, layer="second"))
    after = rounds_of(int8_of(25), int8_of(20, layer="second"))
    found = explained(before, after, msgspec.structs.replace(PLAIN, ragged_channels=["conv"]))
    assert found.speed == "faster"
    assert found.sentences[1].startswith("layers take 40.1 µs less than in fp32: 100 % in second (QLinearConv")
    assert found.sentences[2].startswith("layers take 20.0 µs more than in fp32: 100 % in conv (QLinearConv")
    assert "takes input channels in fours" in found.sentences[3]
    assert found.advice == ["leave conv in float32 (mixed precision): int8 takes 20.0 µs longer there"]


def test_a_slower_layer_of_unknown_cause_is_advised_upon_as_well() -> None:
    """Where no row of the table applies, the figure alone is reason enough; a trifle is none."""
    before = rounds_of(operator_of(5), operator_of(60, layer="second"), operator_of(1, layer="third"))
    after = rounds_of(int8_of(25), int8_of(20, layer="second"), int8_of(3, layer="third"))
    assert explained(before, after).advice == [
        "leave conv in float32 (mixed precision): int8 takes 20.0 µs longer there"
    ]


def test_a_difference_within_noise_is_called_that() -> None:
    """Rounds that overlap tell nothing apart, nor do their layers; nothing is advised."""
    found = explained(rounds_of(operator_of(100)), rounds_of(int8_of(100.5)))
    assert found.speed == "not told apart"
    assert found.sentences[0].endswith("they differ by no more than the rounds do")
    assert found.sentences[1] == "no layers gain or lose 5 % of a call beyond what the rounds vary"
    assert (found.layers[0].apart, found.advice) == (False, [])


def test_a_layer_that_varies_is_not_named() -> None:
    """Its median is far off, but one round of it is not."""
    before = rounds_of(operator_of(50), operator_of(20, layer="shaky"))
    after = rounds_of(int8_of(20), int8_of(40, layer="shaky"))
    calm = msgspec.structs.replace(after[0].operators[1], time_s=15e-6)
    after[0] = msgspec.structs.replace(after[0], operators=[after[0].operators[0], calm])
    found = explained(before, after)
    assert [(each.layer, each.apart) for each in found.layers] == [("conv", True), ("shaky", False)]
    assert not any("shaky" in each for each in [*found.sentences, *found.advice])


def test_three_rounds_tell_nothing_apart() -> None:
    """A tenth of such differences would be chance; the figures are there all the same."""
    found = explained(rounds_of(operator_of(10), noise=NOISE[:3]), rounds_of(int8_of(90), noise=NOISE[:3]))
    assert found.speed == "not told apart"
    assert found.sentences[0].endswith("so few rounds tell nothing apart")
    assert "100 % in conv (QLinearConv 90.0 µs against Conv 10.0 µs)" in found.sentences[1]


def test_a_known_kernel_that_is_not_slow_here_is_acquitted() -> None:
    """The table accuses; only what was measured convicts."""
    structure = msgspec.structs.replace(PLAIN, signed_activations=["conv"])
    quick = explained(rounds_of(operator_of(60)), rounds_of(int8_of(20)), structure)
    assert (quick.slow_kernels[0].confirmed, quick.advice) == (False, [])
    assert quick.sentences[2].endswith("; the rounds do not show it here")
    slow = explained(rounds_of(operator_of(60)), rounds_of(int8_of(200)), structure)
    assert (slow.slow_kernels[0].confirmed, len(slow.advice)) == (True, 1)
    assert "uint8 activations" in slow.advice[0]


def test_what_is_slow_on_x86_only_is_not_said_elsewhere() -> None:
    """ARM has kernels for int8 on both sides; a ConvInteger unfolds pictures everywhere."""
    signed = msgspec.structs.replace(PLAIN, signed_activations=["conv"])
    before, after = rounds_of(operator_of(60)), rounds_of(int8_of(200))
    assert explained(before, after, signed, machine="aarch64").slow_kernels == []
    unfolded = explained(before, rounds_of(int8_of(200, "ConvInteger")), machine="aarch64").slow_kernels
    assert ["copies each window" in each.reason for each in unfolded] == [True]


def test_falling_back_to_float_is_said() -> None:
    """A layer quantized in the file and computed in float is told from one that the file leaves in float."""
    structure = msgspec.structs.replace(PLAIN, weight_layers={"conv": "int8", "head": "float"})
    after = rounds_of(operator_of(10), operator_of(5, layer="head", op_type="Gemm"))
    found = explained(rounds_of(operator_of(10), operator_of(5, layer="head", op_type="Gemm")), after, structure)
    assert (found.fallen_back, found.left_float) == (["conv"], ["head"])
    words = "fallen back to float although quantized in the file: conv; left in float by the file: head"
    assert f"nothing is computed in integers; {words}" in found.sentences
    assert found.advice[0].startswith("quantize what goes into conv")


def test_unfused_conversions_have_their_time() -> None:
    """How many of the file's nodes really run, how long, and beside what; much of it is worth advice."""
    structure = msgspec.structs.replace(PLAIN, quantize=6, unfusable=["erf/Erf_QuantizeLinear"])
    conversions = [
        operator_of(4, op_type="QuantizeLinear", operations=10),
        int8_of(4, "DequantizeLinear", operations=10),
    ]
    found = explained(rounds_of(operator_of(50)), rounds_of(int8_of(31), *conversions), structure)
    assert [(each.op_type, each.count) for each in found.conversions] == [
        ("QuantizeLinear", 1),
        ("DequantizeLinear", 1),
    ]
    assert (
        "of 6 nodes that quantize or dequantize activations, 1 QuantizeLinear and 1 DequantizeLinear run unfused: "
        "8.02 µs, 20 % of a call; beside an operator without an integer kernel: erf/Erf_QuantizeLinear"
    ) in found.sentences
    assert [each.op_type for each in found.integer] == ["QLinearConv"]
    assert any("leave the operators beside erf/Erf_QuantizeLinear" in each for each in found.advice)
    fused = explained(rounds_of(operator_of(50)), rounds_of(int8_of(31)), structure)
    assert "of 6 nodes that quantize or dequantize activations, onnxruntime fused all" in fused.sentences


def test_float16_behind_casts_is_float32() -> None:
    """Told by the marks that the runtime leaves on what it computes in float32."""
    cast = operator_of(10, node="InsertedPrecisionFreeCast_conv")
    found = explained(rounds_of(operator_of(10)), rounds_of(cast, operator_of(1)), info=FP16)
    assert any("put 1 of 2 operators between casts" in each for each in found.sentences)
    assert any("take float16 for the size" in each for each in found.advice)
    real = explained(rounds_of(operator_of(10)), rounds_of(operator_of(5)), info=FP16)
    assert "float16 is computed as such: no operator stands between casts" in real.sentences


def test_mostly_overhead_is_said() -> None:
    """Quantization shortens operators, not calls of a tiny model."""
    before, after = rounds_of(operator_of(4), overhead_us=6), rounds_of(int8_of(3), overhead_us=7)
    found = explained(before, after)
    assert found.sentences[-1] == "outside operators, 70 % of a call is spent (fp32: 60 %)"
    assert any("more pictures a call" in each for each in found.advice)


def test_layers_come_in_order_and_sum_up_what_bears_their_name() -> None:
    """Layers of either side alone keep their place; inserted operators come last."""
    before = rounds_of(operator_of(1, layer="a"), operator_of(2, layer="b"), operator_of(3, layer="d"))
    after = rounds_of(
        operator_of(1, layer="a", op_type="QuantizeLinear"),
        operator_of(5, layer=None, op_type="Transpose"),
        int8_of(2, layer="a"),
        int8_of(3, layer="c"),
        int8_of(3, layer="d"),
    )
    found = explained(before, after)
    assert [each.layer for each in found.layers] == ["a", "b", "c", "d", None]
    assert [each.op_type for each in found.layers[0].quantized_operators] == ["QLinearConv", "QuantizeLinear"]
    assert found.layers[0].quantized_s.low == pytest.approx(0.99 * 3e-6)
    assert [(each.op_type, each.count) for each in found.inserted] == [("Transpose", 1)]


# Rounds


def test_separation_needs_four_rounds() -> None:
    """Exactly the sizes at which chance separates two sides in less than one of twenty draws."""
    sizes = [(one, other) for one, other in product(range(1, 6), repeat=2) if one <= other]
    assert [size for size in sizes if enough(*size)] == [(3, 5), (4, 4), (4, 5), (5, 5)]
    assert apart([1, 2, 3, 4], [5, 6, 7, 8])
    assert not apart([1, 2, 3, 5], [4, 6, 7, 8])
    assert not apart([1, 2, 3, 4], [4, 6, 7, 8])


def test_chance_separates_two_of_seventy() -> None:
    """Of all ways to deal eight values to two sides of four, two separate the sides: Mann and Whitney's extremes."""
    dealt = [(list(one), [each for each in range(8) if each not in one]) for one in combinations(range(8), 4)]
    assert (len(dealt), sum(apart(*sides) for sides in dealt)) == (70, 2)


def test_rounds_go_there_and_back(monkeypatch: pytest.MonkeyPatch, tiny_run: Path) -> None:
    """A drift that lasts meets all models alike, and each model gets one profile a round."""
    order: list[str] = []

    def fake(model: Any, **_: Any) -> Profile:
        order.append(model.info.variant)
        return profile_of(operator_of(1), call_us=1)

    monkeypatch.setattr(by_turns, "profile", fake)
    models = [open_model(tiny_run / f"{name}.onnx") for name in ("fp32", "fp16")]
    found = profile_by_turns(
        models, session=default_spec(models[0]), batch=1, cpus=[0], inputs=np.zeros((1, 1, 28, 28)), rounds=3
    )
    assert order == ["fp32", "fp16", "fp16", "fp32", "fp32", "fp16"]
    assert [len(each) for each in found] == [3, 3]


# Real files


@pytest.mark.parametrize(
    ("variant", "arithmetic", "signed"),
    [("fp32", "float", []), ("fp16", "float", []), ("int8-static", "int8", []), ("int8-dynamic", "int8", LAYERS[:3])],
)
def test_structure_of_real_files(tiny_run: Path, variant: str, arithmetic: str, signed: list[str]) -> None:
    """Which layers compute in integers is read from the file alone, and nodes are those that the onnx package finds."""
    onnx = pytest.importorskip("onnx")
    content = (tiny_run / f"{variant}.onnx").read_bytes()
    found, truth = read_structure(content), onnx.load_model_from_string(content).graph
    weights = {each.name for each in truth.initializer}
    kinds = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
    assert found.weight_layers == dict.fromkeys(LAYERS, arithmetic)
    assert (found.signed_activations, found.signed_weights) == ([], signed)
    assert found.quantize == sum(each.op_type in kinds and each.input[0] not in weights for each in truth.node)
    assert found.ragged_channels == ([LAYERS[0]] if arithmetic == "int8" else [])
    assert all(name.startswith("preprocessing/") for name in found.unfusable)


def test_types_of_weights_are_read(tiny_run: Path) -> None:
    """They are those that the onnx package finds."""
    onnx = pytest.importorskip("onnx")
    content = (tiny_run / "int8-static.onnx").read_bytes()
    truth = {each.name: each.data_type for each in onnx.load_model_from_string(content).graph.initializer}
    assert truth == read_graph(content).types


def qdq(op_type: str = "Conv", *, behind: tuple[str, ...] = ("QuantizeLinear",), zero_point: Any = np.uint8) -> bytes:
    """One operator with weights in QDQ form, and what stands behind it."""
    onnx = pytest.importorskip("onnx")
    from onnx import numpy_helper

    make = onnx.helper.make_node
    nodes = [
        make("QuantizeLinear", ["x", "s", "z"], ["xq"], name="in/Q"),
        make("DequantizeLinear", ["xq", "s", "z"], ["xf"], name="in/DQ"),
        make("DequantizeLinear", ["w", "s", "wz"], ["wf"], name="w/DQ"),
        make(op_type, ["xf", "wf"], ["t0"], name="layer/Op"),
    ]
    for index, kind in enumerate(behind):
        extra = ["s", "z"] if "Linear" in kind else []
        nodes.append(make(kind, [f"t{index}", *extra], [f"t{index + 1}"], name=f"behind/{kind}"))
    weights = {"s": np.float32(1), "z": zero_point(0), "wz": np.int8(0), "w": np.ones((4, 4, 1, 1), np.int8)}
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [], initializer=stored))
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("content", "arithmetic", "unfusable"),
    [
        ({}, "int8", []),
        ({"behind": ("Relu", "QuantizeLinear")}, "int8", []),
        ({"behind": ()}, "float", ["in/DQ"]),
        ({"behind": (), "op_type": "Gemm"}, "int8", []),
        ({"behind": ("Erf", "QuantizeLinear")}, "float", ["in/DQ", "behind/QuantizeLinear"]),
        ({"zero_point": np.uint16}, "float", ["in/DQ", "behind/QuantizeLinear"]),
    ],
)
def test_what_can_be_fused(content: dict[str, Any], arithmetic: str, unfusable: list[str]) -> None:
    """A convolution needs bytes on both sides, a matrix product before it; 16-bit activations have no kernel."""
    found = read_structure(qdq(**content))
    assert (found.weight_layers, found.unfusable) == ({"layer": arithmetic}, unfusable)


def test_a_weight_that_is_scaled_is_still_a_weight() -> None:
    """Weight-only models cast and scale what they store; their layers compute in float."""
    onnx = pytest.importorskip("onnx")
    make = onnx.helper.make_node
    nodes = [
        make("Cast", ["w"], ["wide"], name="wide", to=1),
        make("Mul", ["wide", "s"], ["scaled"], name="scaled"),
        make("MatMul", ["x", "scaled"], ["y"], name="layer/MatMul"),
    ]
    stored = [
        onnx.numpy_helper.from_array(np.ones((4, 4), np.int8), "w"),
        onnx.numpy_helper.from_array(np.ones((1, 4), np.float32), "s"),
    ]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], [], initializer=stored))
    assert read_structure(model.SerializeToString()).weight_layers == {"layer": "float"}


def test_structure_of_no_onnx_is_refused() -> None:
    """Whatever is no protocol buffer."""
    with pytest.raises(BadInput, match="cannot be read"):
        read_structure(b"\xff" * 40)


def test_real_profiles_are_explained(tiny_run: Path, sample: Dataset) -> None:
    """Dynamic quantization runs ConvInteger, static QLinearConv and QGemm; nothing falls back to float."""
    models = [open_model(tiny_run / f"{name}.onnx") for name in ("fp32", "int8-dynamic", "int8-static")]
    before, dynamic, static = profile_by_turns(
        models,
        session=default_spec(models[0]),
        batch=1,
        cpus=usable_cpus()[-1:],
        inputs=sample.test.pixels[:4].reshape(4, 1, 28, 28),
        rounds=1,
    )
    found = explain_quantized(before, dynamic, read_structure(models[1].content), machine="x86_64")
    assert {each.op_type: each.count for each in found.integer} == {"ConvInteger": 3, "DynamicQuantizeMatMul": 2}
    assert [(each.op_type, each.layers) for each in found.slow_kernels] == [("ConvInteger", LAYERS[:3])]
    assert any("ConvInteger whose weights are int8" in sentence for sentence in found.sentences)
    other = explain_quantized(before, static, read_structure(models[2].content), machine="x86_64")
    assert {"QLinearConv", "QGemm", "NhwcMaxPool"} <= {each.op_type for each in other.integer}
    assert (other.fallen_back, other.left_float) == ([], [])
    assert {each.op_type for each in other.conversions} <= {"QuantizeLinear", "DequantizeLinear"}
    assert msgspec.json.decode(msgspec.json.encode(other), type=Explanation) == other
