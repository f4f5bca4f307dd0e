"""The tables of a profile: operators, ceilings."""

from edgefashion.records import Ceilings, Operator, Profile, Roofline
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.grids import Grid, Row

INSERTED = "(inserted)"

_GIGA = 1e9


def operators_grid(roofline: Roofline) -> Grid:
    """One row an operator in the order of execution, then what is spent outside of them, and the call as a whole."""
    profile = roofline.profile
    outside = ("outside operators", "", *_time_cells(profile.overhead_s, profile), *[""] * 5)
    whole = (
        "whole call",
        "",
        *_time_cells(profile.call_s, profile),
        fmt.count(profile.operations),
        fmt.size(profile.bytes_moved),
        _ratio(profile.operations, profile.bytes_moved),
        _giga(profile.operations / profile.call_s),
        "",
    )
    return Grid(
        title=f"Operators of {title_of(profile)}",
        columns=(
            "layer",
            "operator",
            "time",
            "share",
            "operations",
            "bytes",
            "operations/byte",
            "G operations/s",
            "of what the ceilings allow",
        ),
        rows=(*(_row(each, roofline) for each in profile.operators), Row(outside, "quiet"), Row(whole, "strong")),
        words=frozenset({0, 1}),
        notes=(clean(roofline.sentence), *profile_notes(profile)),
    )


def ceilings_grid(ceilings: Ceilings) -> Grid:
    """The most that the cores were seen to do, one ceiling a row."""
    facts = {
        "float32 multiply-adds": _with_unit(ceilings.float_per_s, "GFLOP/s"),
        "8-bit dot products": _with_unit(ceilings.int8_per_s, "GOP/s"),
        **{f"copy within {clean(each.level)}": _with_unit(each.bytes_per_s, "GB/s") for each in ceilings.bandwidths},
    }
    cores = f"core{'' if len(ceilings.cpus) == 1 else 's'} {', '.join(map(str, ceilings.cpus))}"
    return Grid(
        title=f"Ceilings of {cores}",
        columns=("ceiling", "measured"),
        rows=tuple(Row(fact) for fact in facts.items()),
        words=frozenset({0}),
        notes=(clean(ceilings.source),),
    )


def title_of(profile: Profile) -> str:
    """The model and how it ran: "seed/fp32 · batch 1 · 1 thread"."""
    threads = profile.session.threads
    settings = f"batch {profile.batch} · {threads} thread{'' if threads == 1 else 's'}"
    return f"{clean(profile.artifact.name)}/{clean(profile.artifact.variant)} · {settings}"


def profile_notes(profile: Profile) -> list[str]:
    """How the times came about, and what is not known."""
    unknown = sorted({clean(each.op_type) for each in profile.operators if each.operations is None})
    calls, step = fmt.count(profile.calls), fmt.duration(profile.resolution_s)
    notes = [
        f"time of an operator: median of {calls} profiled calls, known to {step}",
        f"less the {fmt.duration(profile.probe_s)} and more that profiling adds to each; the call is timed unprofiled",
        "operations: a multiply-add is two; padding, biases and fused activations are not counted",
    ]
    if any(each.arithmetic == "int8" and each.operations for each in profile.operators):
        notes.append("8-bit operators are counted alike and held against the 8-bit ceiling, not the one of floats")
    if any(each.layer is None for each in profile.operators):
        notes.append(f"{INSERTED}: not in the file; onnxruntime converts layouts there")
    if unknown:
        notes.append(f"operations of {', '.join(unknown)} are not known here")
    return notes


def _row(operator: Operator, roofline: Roofline) -> Row:
    attained = roofline.attained(operator)
    return Row(
        (
            INSERTED if operator.layer is None else clean(operator.layer),
            clean(operator.op_type),
            *_time_cells(operator.time_s, roofline.profile),
            MISSING if operator.operations is None else fmt.count(operator.operations),
            fmt.size(operator.bytes_moved),
            _ratio(operator.operations or 0, operator.bytes_moved),
            _giga(operator.rate_per_s),
            MISSING if attained is None else fmt.share(attained),
        )
    )


def _time_cells(seconds: float, profile: Profile) -> tuple[str, str]:
    return fmt.duration(seconds), fmt.share(profile.share(seconds))


def _ratio(operations: int, bytes_moved: int) -> str:
    return fmt.significant(operations / bytes_moved) if operations and bytes_moved else ""


def _giga(per_s: float | None) -> str:
    return fmt.significant(per_s / _GIGA) if per_s else ""


def _with_unit(per_s: float | None, unit: str) -> str:
    return MISSING if per_s is None else f"{_giga(per_s)} {unit}"
