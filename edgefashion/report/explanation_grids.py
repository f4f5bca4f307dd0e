"""The tables of an explanation: layers of both sides, and sums that may saturate elsewhere."""

from collections.abc import Sequence
from math import comb

from edgefashion.records.explanation import (
    Explanation,
    LayerTime,
    OperatorTime,
    SaturationBound,
    SaturationTable,
    Spread,
)
from edgefashion.report import format as fmt
from edgefashion.report.format import MINUS, clean
from edgefashion.report.grids import Grid, Row
from edgefashion.report.profile_grids import INSERTED

_NO_DIFFERENCE = "within the rounds"


def layers_grid(explanation: Explanation) -> Grid:
    """One row a layer with both sides' times and operators, then what is outside of them, and the call as a whole."""
    before, after = explanation.float_artifact.variant, explanation.artifact.variant
    threads = f"{explanation.threads} thread{'' if explanation.threads == 1 else 's'}"
    settings = f"batch {explanation.batch} · {threads} · {explanation.rounds} rounds by turns"
    calls = (_range(explanation.float_call_s), _range(explanation.call_s))
    return Grid(
        title=f"{clean(after)} beside {clean(before)}, layer by layer · {settings}",
        columns=(
            "layer",
            clean(before),
            clean(after),
            "difference",
            "operators before",
            "operators now",
            "computes in",
        ),
        rows=(
            *map(_layer, explanation.layers),
            Row(
                (
                    "outside operators",
                    fmt.share(explanation.float_overhead.median),
                    fmt.share(explanation.overhead.median),
                    *[""] * 4,
                ),
                "quiet",
            ),
            Row(("whole call", *calls, f"×{fmt.significant(explanation.ratio.median)}", "", "", ""), "strong"),
        ),
        words=frozenset({0, 4, 5, 6}),
        notes=(
            "times: median of the rounds, each a fresh process; scales and casts count to the layer that they name",
            _noise(explanation.rounds),
            "the whole call is timed unprofiled, its fastest and slowest round in brackets",
        ),
    )


def saturation_grid(tables: Sequence[SaturationTable], remedies: Sequence[str] = ()) -> Grid:
    """One row a layer of every model: the largest sum of two products that its weights allow, beside the limit."""
    at_risk = any(bound.can_saturate for table in tables for bound in table.bounds)
    return Grid(
        title="16-bit saturation on x86-64 CPUs without VNNI · computed, not run",
        columns=(
            "variant",
            "layer",
            "types",
            "largest sum",
            "in any order",
            "limit",
            "channels at risk",
            "at risk in any order",
            "verdict",
        ),
        rows=tuple(_bound(bound, clean(table.artifact.variant)) for table in tables for bound in table.bounds),
        words=frozenset({0, 1, 2, 8}),
        notes=(
            "largest sum: two neighbouring weights of one sign times 255, neighbours in the kernel's order",
            "in any order: the two largest weights of one sign of an output channel, wherever they stand",
            "this is what some input could do; which inputs do it, and whether decisions change, is not said",
            *(f"remedy: {clean(remedy)}" for remedy in remedies if at_risk),
        ),
    )


def _noise(rounds: int) -> str:
    deals = comb(2 * rounds, rounds) // 2
    return f"{_NO_DIFFERENCE}: not all rounds of one side are longer; by chance alone one layer in {deals} is not"


def _layer(layer: LayerTime) -> Row:
    sign = MINUS if layer.difference_s < 0 else "+"
    difference = f"{sign}{fmt.duration(abs(layer.difference_s))}" if layer.apart else _NO_DIFFERENCE
    cells = (
        INSERTED if layer.layer is None else clean(layer.layer),
        fmt.duration(layer.float_s.median) if layer.float_operators else "",
        fmt.duration(layer.quantized_s.median) if layer.quantized_operators else "",
        difference,
        _operators(layer.float_operators),
        _operators(layer.quantized_operators),
        layer.arithmetic or "",
    )
    return Row(cells)


def _operators(operators: list[OperatorTime]) -> str:
    return ", ".join(f"{f'{each.count} ' if each.count > 1 else ''}{clean(each.op_type)}" for each in operators)


def _range(spread: Spread) -> str:
    return f"{fmt.duration(spread.median)} ({fmt.duration(spread.low)} to {fmt.duration(spread.high)})"


def _bound(bound: SaturationBound, variant: str) -> Row:
    verdict = "can saturate" if bound.can_saturate else "cannot" if bound.sums_16_bit else f"cannot: {bound.why}"
    cells = (
        variant,
        clean(bound.layer),
        f"{bound.activations} × {bound.weights}",
        fmt.count(bound.pair_bound) if bound.sums_16_bit else "",
        fmt.count(bound.any_order_bound) if bound.sums_16_bit else "",
        fmt.count(bound.limit) if bound.sums_16_bit else "",
        f"{bound.channels_at_risk} of {bound.channels}",
        f"{bound.channels_at_risk_any_order} of {bound.channels}",
        verdict,
    )
    return Row(cells, "doubtful" if bound.can_saturate else "good")
