"""Kernels of onnxruntime that are known to be slow, each held against what was measured of it here.

Why: on x86-64, MLAS has fast matrix kernels for a left side of uint8; where it is int8, plain C++ computes, save on
processors with AVX-VNNI-INT8 (onnxruntime's platform.cpp, `GemmS8S8Dispatch` and `GemmS8U8Dispatch`). ConvInteger
puts its weights on the left, QLinearConv its activations. In QDQ form int8 activations become uint8 beforehand
(qdq_s8_to_u8.cc), so only the operator form suffers; onnxruntime's page "Quantize ONNX models", section "Data type
selection", advises against it. QLinearConv's direct kernel takes input channels in fours (convsym.cpp,
`MlasConvSymPackWSize`); others are unfolded first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from edgefashion.bench.profiling.figures import duration, listed
from edgefashion.bench.profiling.rounds import apart
from edgefashion.records import Profile
from edgefashion.records.explanation import LayerTime, SlowKernel, Structure

_X86 = {"x86_64", "amd64"}
_QLINEAR = ("QLinearConv", "QLinearMatMul", "QGemm")


@dataclass(frozen=True)
class _Known:
    """One row of the table: operators, the layers in which their data is of the slow kind, why, and what to try."""

    op_types: tuple[str, ...]
    layers: Callable[[Structure], list[str]]
    only_x86: bool
    reason: str
    advice: str


_TABLE = (
    _Known(
        ("ConvInteger",),
        lambda structure: structure.signed_weights,
        only_x86=True,
        reason="onnxruntime has no fast kernel on x86-64 for a ConvInteger whose weights are int8",
        advice="quantize with --scheme static, which makes QLinearConvs; or, without calibration, with uint8 weights",
    ),
    _Known(
        ("ConvInteger",),
        lambda structure: [each for each in structure.weight_layers if each not in structure.signed_weights],
        only_x86=False,
        reason="a ConvInteger copies each window of the picture out, and leaves scales, bias and activation "
        "to operators of their own",
        advice="quantize with --scheme static, which makes QLinearConvs",
    ),
    _Known(
        _QLINEAR,
        lambda structure: structure.signed_activations,
        only_x86=True,
        reason="onnxruntime has no fast kernel on x86-64 for operators on int8 activations (S8S8 as QOperator)",
        advice="use uint8 activations, or the QDQ form, in which onnxruntime makes them uint8 itself",
    ),
    _Known(
        ("QLinearConv",),
        lambda structure: [each for each in structure.ragged_channels if each not in structure.signed_activations],
        only_x86=True,
        reason="onnxruntime's direct 8-bit convolution takes input channels in fours; where they are no multiple "
        "of four it copies each window of the picture out first",
        advice="leave {layers} in float32 (mixed precision): int8 takes {more} longer there",
    ),
)


def find_slow_kernels(
    layers: Sequence[LayerTime],
    float_rounds: Sequence[Profile],
    quantized_rounds: Sequence[Profile],
    structure: Structure,
    *,
    machine: str,
) -> list[SlowKernel]:
    """Which rows of the table apply to the quantized model, with the rates that were measured on both sides."""
    found = []
    for row in _TABLE:
        suspected = row.layers(structure)
        used = {
            (each.op_type, each.layer)
            for each in quantized_rounds[0].operators
            if each.op_type in row.op_types and each.layer in suspected
        }
        if not used or (row.only_x86 and machine.lower() not in _X86):
            continue
        places = [each.layer for each in layers if each.layer in {layer for _, layer in used} and each.layer]
        before, after = ([_seconds(each, places) for each in side] for side in (float_rounds, quantized_rounds))
        more_s = median(after) - median(before)
        found.append(
            SlowKernel(
                op_type=" and ".join(sorted({op_type for op_type, _ in used})),
                layers=places,
                reason=row.reason,
                advice=row.advice.format(layers=listed(places), more=duration(more_s)),
                more_s=more_s,
                rate_per_s=_rate(quantized_rounds, places),
                float_rate_per_s=_rate(float_rounds, places),
                confirmed=apart(before, after) and more_s > 0,
            )
        )
    return found


def _seconds(profile: Profile, layers: list[str]) -> float:
    return sum(each.time_s for each in profile.operators if each.layer in layers)


def _rate(rounds: Sequence[Profile], layers: list[str]) -> float | None:
    """Operations a second in these layers, everything in them included."""
    seconds = median(_seconds(each, layers) for each in rounds)
    operations = sum(each.operations or 0 for each in rounds[0].operators if each.layer in layers)
    return operations / seconds if operations and seconds else None
