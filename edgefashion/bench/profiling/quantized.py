"""Why a quantized model is slower or faster than the float32 one of the same checkpoint, from profiles of both.

explanation = explain_quantized(float_rounds, quantized_rounds, read_structure(model.content))
print(explanation.sentences[0])
"""

import platform
from collections.abc import Callable, Iterable, Sequence
from statistics import median

import msgspec

from edgefashion.bench.profiling.rounds import apart, spread
from edgefashion.bench.profiling.sentences import advise, describe
from edgefashion.bench.profiling.slow_kernels import find_slow_kernels
from edgefashion.records import Arithmetic, Operator, Profile
from edgefashion.records.explanation import Explanation, LayerTime, OperatorTime, Speed, Structure

_WEIGHTY = ("Conv", "Gemm", "MatMul")
# Part of the names that onnxruntime gives to what it computes in float32 for want of a float16 kernel.
_CAST_MARK = "InsertedPrecisionFreeCast_"
_CONVERSIONS = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}

Rounds = Sequence[Profile]


def explain_quantized(
    float_rounds: Rounds, quantized_rounds: Rounds, structure: Structure, *, machine: str | None = None
) -> Explanation:
    """What the profiles of both sides say, in figures and in sentences that follow from them.

    Args:
        float_rounds: Profiles of the float32 model, one a round.
        quantized_rounds: Profiles of the quantized model in the same rounds and the same session.
        structure: Of the quantized file.
        machine: The processor's kind as `platform.machine` names it; this one by default.
    """
    before, after = float_rounds[0], quantized_rounds[0]
    layers = [_layer_time(layer, float_rounds, quantized_rounds) for layer in _layers(before, after)]
    computed = {each.layer: each.arithmetic for each in layers}
    in_float = [layer for layer, arithmetic in computed.items() if arithmetic == "float" and layer is not None]
    promised = {layer for layer, arithmetic in structure.weight_layers.items() if arithmetic == "int8"}
    found = Explanation(
        float_artifact=before.artifact,
        artifact=after.artifact,
        structure=structure,
        rounds=len(quantized_rounds),
        batch=after.batch,
        threads=after.session.threads,
        float_call_s=spread([each.call_s for each in float_rounds]),
        call_s=spread([each.call_s for each in quantized_rounds]),
        ratio=spread([q.call_s / f.call_s for f, q in zip(float_rounds, quantized_rounds, strict=True)]),
        float_overhead=spread([each.share(each.overhead_s) for each in float_rounds]),
        overhead=spread([each.share(each.overhead_s) for each in quantized_rounds]),
        speed=_speed([each.call_s for each in float_rounds], [each.call_s for each in quantized_rounds]),
        integer=_by_type(quantized_rounds, _computes_in_integers),
        fallen_back=[layer for layer in in_float if layer in promised],
        left_float=[layer for layer in in_float if layer not in promised],
        conversions=_by_type(quantized_rounds, lambda each: each.op_type in _CONVERSIONS),
        inserted=_by_type(quantized_rounds, lambda each: each.layer is None),
        float_operators=len(before.operators),
        operators=len(after.operators),
        behind_casts=sum(_CAST_MARK in each.node for each in after.operators),
        layers=layers,
        slow_kernels=find_slow_kernels(
            layers, float_rounds, quantized_rounds, structure, machine=machine or platform.machine()
        ),
        sentences=[],
        advice=[],
    )
    return msgspec.structs.replace(found, sentences=describe(found), advice=advise(found))


def _computes_in_integers(operator: Operator) -> bool:
    moves = operator.operations == 0 or operator.op_type in _CONVERSIONS
    return operator.arithmetic == "int8" and not moves


def _speed(before_s: list[float], after_s: list[float]) -> Speed:
    if not apart(before_s, after_s):
        return "not told apart"
    return "slower" if median(after_s) > median(before_s) else "faster"


def _layers(before: Profile, after: Profile) -> list[str | None]:
    """The layers of both sides in the order of execution; what runtimes inserted comes last."""
    order = list(dict.fromkeys(each.layer for each in after.operators))
    previous: str | None = None
    for layer in dict.fromkeys(each.layer for each in before.operators):
        if layer not in order:
            order.insert(order.index(previous) + 1 if previous in order else 0, layer)
        previous = layer
    named: list[str | None] = [layer for layer in order if layer is not None]
    return [*named, None] if None in order else named


def _layer_time(layer: str | None, float_rounds: Rounds, quantized_rounds: Rounds) -> LayerTime:
    before, after = ([_seconds(each, layer) for each in rounds] for rounds in (float_rounds, quantized_rounds))
    return LayerTime(
        layer=layer,
        float_s=spread(before),
        quantized_s=spread(after),
        float_operators=_longest_first(float_rounds, layer),
        quantized_operators=_longest_first(quantized_rounds, layer),
        arithmetic=_arithmetic(each for each in quantized_rounds[0].operators if each.layer == layer),
        apart=apart(before, after),
    )


def _seconds(profile: Profile, layer: str | None) -> float:
    return sum(each.time_s for each in profile.operators if each.layer == layer)


def _longest_first(rounds: Rounds, layer: str | None) -> list[OperatorTime]:
    found = _by_type(rounds, lambda each: each.layer == layer)
    return sorted(found, key=lambda each: each.time_s, reverse=True)


def _arithmetic(operators: Iterable[Operator]) -> Arithmetic | None:
    """Of the operator with weights: float if any of them is."""
    found = {each.arithmetic for each in operators if any(word in each.op_type for word in _WEIGHTY)}
    return "float" if "float" in found else "int8" if found else None


def _by_type(rounds: Rounds, wanted: Callable[[Operator], bool]) -> list[OperatorTime]:
    """The wanted operators by type, in the order of execution."""
    chosen = [[each for each in profile.operators if wanted(each)] for profile in rounds]
    return [
        OperatorTime(
            op_type=op_type,
            count=sum(each.op_type == op_type for each in chosen[0]),
            time_s=median(sum(each.time_s for each in one if each.op_type == op_type) for one in chosen),
        )
        for op_type in dict.fromkeys(each.op_type for each in chosen[0])
    ]
