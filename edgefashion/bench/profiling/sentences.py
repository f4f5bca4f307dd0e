"""From the figures of an explanation to plain sentences and to what is worth a try; each names its figures."""

from collections.abc import Sequence

from edgefashion.bench.profiling.figures import duration, listed, percent
from edgefashion.bench.profiling.rounds import enough
from edgefashion.records.explanation import Explanation, LayerTime, OperatorTime, SlowKernel

_GIGA = 1e9
# Layers that together gain or lose less than this of the float32 call are not worth a sentence; nor is one alone
# with less than this of what they gain or lose; nor are more than so many.
_LEAST_SHARE = 0.05
_MOST_LAYERS = 3
# From here on a share of the call deserves advice.
_MUCH_OVERHEAD, _MUCH_CONVERSION = 0.5, 0.05


def describe(found: Explanation) -> list[str]:
    """Sentences, the verdict first: how the calls compare, which layers differ, and what runs how."""
    return [
        _verdict(found),
        *_differences(found),
        *(_slow_kernel(each, found) for each in found.slow_kernels),
        _integer(found),
        *_float16(found),
        *_conversions(found),
        _further_operators(found),
        _overhead(found),
    ]


def advise(found: Explanation) -> list[str]:
    """What to try, each with the figure that it rests on; empty where nothing measured asks for it."""
    known = {layer for each in found.slow_kernels for layer in each.layers}
    advice = [each.advice for each in found.slow_kernels if _counts_here(each, found)]
    advice += [
        f"leave {each.layer} in float32 (mixed precision): int8 takes {duration(each.difference_s)} longer there"
        for each in (_largest(found, sign=1) if _decided(found) else [])
        if each.arithmetic == "int8" and each.layer not in known and _is_large(each.difference_s, found)
    ]
    if found.behind_casts and found.speed != "faster":
        advice.append("take float16 for the size of the file; for speed on this processor, --scheme static")
    if found.fallen_back:
        advice.append(
            f"quantize what goes into {listed(found.fallen_back)} and what comes out: integer kernels need both"
        )
    converting_s = sum(each.time_s for each in found.conversions)
    if converting_s > _MUCH_CONVERSION * found.call_s.median and found.structure.unfusable:
        advice.append(
            f"leave the operators beside {listed(found.structure.unfusable)} out of quantization: "
            f"converting takes {duration(converting_s)} of a call"
        )
    if found.overhead.median > _MUCH_OVERHEAD:
        advice.append("give more pictures a call: most of it is overhead, which quantization cannot shorten")
    return list(dict.fromkeys(advice))


def _verdict(found: Explanation) -> str:
    new, old = found.artifact.variant, found.float_artifact.variant
    times = f"{duration(found.call_s.median)} against {duration(found.float_call_s.median)}"
    rounds = f"{found.rounds} round{'' if found.rounds == 1 else 's'} by turns"
    ends = f"×{found.ratio.low:.2f} to ×{found.ratio.high:.2f} in {rounds}"
    if found.speed != "not told apart":
        return f"{new} takes {found.ratio.median:.2f} times as long as {old} ({times}; {ends})"
    why = "they differ by no more than the rounds do" if _decided(found) else "so few rounds tell nothing apart"
    return f"{new} and {old} cannot be told apart by time: {times}, {ends}; {why}"


def _differences(found: Explanation) -> list[str]:
    """What layers lose and what they gain, the larger sum first."""
    sums = {sign: sum(abs(each.difference_s) for each in _differing(found, sign=sign)) for sign in (1, -1)}
    sentences = [
        f"{_doubt(found)}layers take {duration(sums[sign])} {'more' if sign > 0 else 'less'} "
        f"than in {found.float_artifact.variant}: "
        + "; ".join(f"{percent(abs(each.difference_s) / sums[sign])} in {_layer(each)}" for each in largest)
        for sign in sorted(sums, key=lambda sign: -sums[sign])
        if _is_large(sums[sign], found) and (largest := _largest(found, sign=sign))
    ]
    return sentences or [f"no layers gain or lose {percent(_LEAST_SHARE)} of a call beyond what the rounds vary"]


def _differing(found: Explanation, *, sign: int) -> list[LayerTime]:
    """Layers that differ in that direction: beyond the rounds' own spread, where there are rounds enough to tell."""
    chosen = [each for each in found.layers if sign * each.difference_s > 0 and (each.apart or not _decided(found))]
    return sorted(chosen, key=lambda each: -sign * each.difference_s)


def _largest(found: Explanation, *, sign: int) -> list[LayerTime]:
    chosen = _differing(found, sign=sign)
    total_s = sum(abs(each.difference_s) for each in chosen)
    return [each for each in chosen[:_MOST_LAYERS] if abs(each.difference_s) >= _LEAST_SHARE * total_s]


def _is_large(seconds: float, found: Explanation) -> bool:
    return seconds >= _LEAST_SHARE * found.float_call_s.median


def _layer(each: LayerTime) -> str:
    return (
        f"{each.layer or 'what onnxruntime put in'} "
        f"({_operators(each.quantized_operators)} against {_operators(each.float_operators)})"
    )


def _operators(operators: Sequence[OperatorTime]) -> str:
    """The longest operator by name, and how long the others take: most layers are one operator."""
    if not operators:
        return "nothing"
    first, *others = operators
    rest_s = sum(each.time_s for each in others)
    more = f" and {duration(rest_s)} of {listed([each.op_type for each in others])}" if others else ""
    return f"{first.op_type} {duration(first.time_s)}{more}"


def _slow_kernel(each: SlowKernel, found: Explanation) -> str:
    rates = (
        f": {each.rate_per_s / _GIGA:.3g} G operations/s here against {each.float_rate_per_s / _GIGA:.3g} "
        f"in {found.float_artifact.variant}"
        if each.rate_per_s and each.float_rate_per_s
        else ""
    )
    doubt = "" if _counts_here(each, found) else "; the rounds do not show it here"
    return f"{each.reason}: {listed(each.layers)}{rates}{doubt}"


def _counts_here(each: SlowKernel, found: Explanation) -> bool:
    return each.confirmed or (not _decided(found) and each.more_s > 0)


def _integer(found: Explanation) -> str:
    share = sum(each.time_s for each in found.integer) / found.call_s.median
    words = f"in integers run {_counts(found.integer)}: {percent(share)} of a call"
    parts = [words if found.integer else "nothing is computed in integers"]
    if found.fallen_back:
        parts.append(f"fallen back to float although quantized in the file: {listed(found.fallen_back)}")
    if found.left_float:
        parts.append(f"left in float by the file: {listed(found.left_float)}")
    return "; ".join(parts)


def _float16(found: Explanation) -> list[str]:
    if found.artifact.precision != "float16":
        return []
    if not found.behind_casts:
        return ["float16 is computed as such: no operator stands between casts"]
    share = f"{found.behind_casts} of {found.operators} operators"
    return [
        f"float16 is stored, float32 is computed: for want of float16 kernels onnxruntime put {share} between casts"
    ]


def _conversions(found: Explanation) -> list[str]:
    written = f"of {found.structure.quantize} nodes that quantize or dequantize activations"
    if not found.structure.quantize:
        return []
    if not found.conversions:
        return [f"{written}, onnxruntime fused all"]
    seconds = sum(each.time_s for each in found.conversions)
    share = percent(seconds / found.call_s.median)
    beside = listed(found.structure.unfusable)
    why = f"; beside an operator without an integer kernel: {beside}" if beside else ""
    return [f"{written}, {_counts(found.conversions)} run unfused: {duration(seconds)}, {share} of a call{why}"]


def _further_operators(found: Explanation) -> str:
    seconds = sum(each.time_s for each in found.inserted)
    inserted = f"; onnxruntime put in {_counts(found.inserted)}: {duration(seconds)}" if found.inserted else ""
    before = f"{found.float_operators} in {found.float_artifact.variant}"
    return f"{found.operators} operators run in a call, {before}{inserted}"


def _overhead(found: Explanation) -> str:
    before = f"{found.float_artifact.variant}: {percent(found.float_overhead.median)}"
    return f"outside operators, {percent(found.overhead.median)} of a call is spent ({before})"


def _doubt(found: Explanation) -> str:
    return "" if _decided(found) else "in rounds too few to prove it, "


def _decided(found: Explanation) -> bool:
    return enough(found.rounds, found.rounds)


def _counts(operators: Sequence[OperatorTime]) -> str:
    return listed([f"{each.count} {each.op_type}" for each in operators])
