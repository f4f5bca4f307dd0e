"""What bounds a model: a call's time split by what the machine's ceilings explain of it.

The least time that an operator can take is the larger of its operations over the arithmetic ceiling and its bytes
over the bandwidth (the roofline of Williams, Waterman and Patterson 2009). Whatever it takes beyond that is lost:
the operator is too small to fill the machine, or its kernel is slow.
"""

from edgefashion.records import Bottleneck, Ceilings, Operator, Profile, Roofline, Spent

# The ceilings are those of the cores: they say nothing about an operator that another device computes.
_ON_THE_CORES = {"CPUExecutionProvider", "DnnlExecutionProvider", "XnnpackExecutionProvider"}
_GIGA = 1e9
_MILLISECOND = 1e-3
_HALF = 0.5
# Between two operators the profile needs about as long as for one that does nothing. Where a call is longer by ten
# times that, something else ran meanwhile, now in this operator and now in that: medians do not add up any more.
_DISTURBED = 10


def explain(profile: Profile, ceilings: Ceilings) -> Roofline:
    """The profile beside the ceilings of its cores, with one sentence that says what bounds the model."""
    if not profile.operators:
        return _undecided(profile, ceilings, "there are none")
    if _is_disturbed(profile):
        return _undecided(profile, ceilings, "the machine was too busy: operators and calls do not add up")
    elsewhere = {each.provider for each in profile.operators} - _ON_THE_CORES
    if elsewhere:
        return _undecided(profile, ceilings, f"{' and '.join(sorted(elsewhere))} may compute beside these cores")
    bandwidth = ceilings.bandwidth(profile.bytes_moved)
    if ceilings.float_per_s is None or bandwidth is None:
        return _undecided(profile, ceilings, f"the ceilings of this machine are unknown: {ceilings.source}")
    splits = [_split(each, profile, ceilings) for each in profile.operators]
    memory_s, arithmetic_s, beyond_s = (sum(column) for column in zip(*splits, strict=True))
    spent = Spent(outside_s=profile.overhead_s, memory_s=memory_s, arithmetic_s=arithmetic_s, unexplained_s=beyond_s)
    worst = max(zip(splits, profile.operators, strict=True), key=lambda pair: pair[0][-1])[1]
    parts: list[tuple[float, Bottleneck, str]] = [
        (spent.outside_s, "call overhead", "is spent outside operators"),
        (memory_s, "memory", f"is memory traffic at the {bandwidth.bytes_per_s / _GIGA:.0f} GB/s of {bandwidth.level}"),
        (arithmetic_s, "arithmetic", f"is arithmetic at the {_peaks(profile, ceilings)} of these cores"),
        (beyond_s, "small or slow operators", f"is what operators take beyond both ({_in_words(worst)} most of all)"),
    ]
    (most_s, bound, why), *others = sorted(parts, reverse=True)
    most = f"{_share(most_s, profile)} of a {_time(profile.call_s)} call {why}"
    rest = ", ".join(f"{_share(part_s, profile)} {words}" for part_s, _, words in others)
    neither = " and neither by memory nor by arithmetic" if bound == "small or slow operators" else ""
    return Roofline(
        profile=profile,
        ceilings=ceilings,
        spent=spent,
        bound=bound,
        sentence=f"bound by {bound}{neither}: {most}; {rest}",
    )


def _split(operator: Operator, profile: Profile, ceilings: Ceilings) -> tuple[float, float, float]:
    """Seconds of an operator that its memory traffic, its arithmetic, and neither explain."""
    by_memory_s, by_arithmetic_s = ceilings.least_s(operator, traffic_bytes=profile.bytes_moved)
    # A ceiling explains no more time than there was, even where an operator seems to break through it.
    explained_s = min(operator.time_s, max(by_memory_s, by_arithmetic_s))
    beyond_s = operator.time_s - explained_s
    return (explained_s, 0.0, beyond_s) if by_memory_s > by_arithmetic_s else (0.0, explained_s, beyond_s)


def _is_disturbed(profile: Profile) -> bool:
    inside_s = sum(each.profiled_s for each in profile.operators)
    between_s = profile.profiled_call_s - inside_s
    usual_s = _DISTURBED * profile.probe_s * len(profile.operators)
    return bool(profile.operators) and between_s > max(usual_s, _HALF * inside_s)


def _undecided(profile: Profile, ceilings: Ceilings, reason: str) -> Roofline:
    outside = profile.share(profile.overhead_s) > _HALF and not _is_disturbed(profile)
    share = f"{_share(profile.overhead_s, profile)} of a {_time(profile.call_s)} call is spent outside operators"
    return Roofline(
        profile=profile,
        ceilings=ceilings,
        spent=None,
        bound="call overhead" if outside else "undecided",
        sentence=f"bound by call overhead: {share}"
        if outside
        else f"what bounds the model is undecided: {share}; what bounds the operators cannot be said, because {reason}",
    )


def _peaks(profile: Profile, ceilings: Ceilings) -> str:
    used = {each.arithmetic for each in profile.operators if each.operations}
    peaks = [
        (ceilings.float_per_s, "GFLOP/s") if "float" in used else (None, ""),
        (ceilings.int8_per_s, "8-bit GOP/s") if "int8" in used else (None, ""),
    ]
    return " and ".join(f"{peak / _GIGA:.0f} {unit}" for peak, unit in peaks if peak) or "ceilings"


def _in_words(operator: Operator) -> str:
    return f"{operator.op_type} {operator.layer or operator.node}, {_time(operator.time_s)} long,"


def _share(seconds: float, profile: Profile) -> str:
    return f"{100 * profile.share(seconds):.0f} %"


def _time(seconds: float) -> str:
    value, unit = (seconds * 1e3, "ms") if seconds >= _MILLISECOND else (seconds * 1e6, "µs")
    return f"{f'{value:#.3g}'.rstrip('.')} {unit}"
