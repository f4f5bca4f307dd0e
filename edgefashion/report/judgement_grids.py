"""The tables behind a verdict: every sign of noise, and every check of the gate."""

from edgefashion.records import BenchReport, Gate, LatencyCheck, Noise, QualityCheck, Signal
from edgefashion.report import format as fmt
from edgefashion.report.format import clean
from edgefashion.report.grids import Grid, Row
from edgefashion.report.names import cell_names, with_names
from edgefashion.report.verdicts import GATE_TONES, NOISE_TONES
from edgefashion.report.words import data_notes


def noise_grid(noise: Noise) -> Grid:
    """Every sign of noise, and what it alone would make of the measurement."""
    rows = tuple(
        Row(
            (clean(signal.name), clean(signal.words), level_of(signal)),
            "quiet" if signal.value is None else NOISE_TONES[signal.level],
        )
        for signal in noise.signals
    )
    return Grid(
        title="Noise",
        columns=("sign", "what was seen", "level"),
        rows=rows,
        words=frozenset({0, 1, 2}),
        notes=("the measurement is as good as its worst sign; invalid means that nothing is ranked",),
    )


def level_of(signal: Signal) -> str:
    """What a sign says of the machine, or that the system does not tell."""
    return "unknown" if signal.value is None else signal.level


def gate_grids(bench: BenchReport) -> list[Grid]:
    """The gate's checks of latency and of quality; empty without a gate."""
    if bench.gate is None:
        return []
    grids = [_latency_grid(bench, bench.gate)] if bench.gate.latency else []
    return [*grids, *([_quality_grid(bench, bench.gate)] if bench.gate.quality else [])]


def _latency_grid(bench: BenchReport, gate: Gate) -> Grid:
    names = cell_names(bench.plan)
    paired = "measured beside each other, paired by generation" if gate.paired else "stored figures: advice, no proof"
    return Grid(
        title="Gate: latency",
        columns=(
            "cell",
            "baseline",
            "generations",
            "ratio to baseline",
            "p, slower",
            "false alarms",
            "finds slowdowns from",
            "verdict",
        ),
        rows=tuple(_latency_row(check, names) for check in gate.latency),
        words=frozenset({0, 1, 7}),
        notes=(
            *(with_names(bench.plan, reason) for reason in gate.reasons),
            f"baseline: {paired}",
            f"p: one-sided for “slower by more than {fmt.share(gate.margin)}”, adjusted after Holm",
            "false alarms: how often this run would say FAIL if nothing had changed",
            "finds slowdowns from: what it would say FAIL to in 95 % of runs",
        ),
    )


def _quality_grid(bench: BenchReport, gate: Gate) -> Grid:
    names = cell_names(bench.plan)
    return Grid(
        title="Gate: quality",
        columns=(
            "cell",
            "figure",
            "pictures",
            "baseline",
            "now",
            "drop, points",
            "tolerated, points",
            "p, worse",
            "verdict",
        ),
        rows=tuple(_quality_row(check, names) for check in gate.quality),
        words=frozenset({0, 1, 8}),
        notes=(
            "drop: with both ends of its 95 % interval, on the same pictures",
            "p: one-sided for “worse by more than is tolerated”, adjusted after Holm",
            *data_notes(bench.data),
        ),
    )


def _latency_row(check: LatencyCheck, names: dict[str, str]) -> Row:
    cells = (
        names.get(check.cell, clean(check.cell)),
        names.get(check.baseline, clean(check.baseline)),
        fmt.count(check.generations),
        fmt.ratio(check.ratio),
        fmt.probability(check.p_slower),
        fmt.share(check.false_alarm_rate),
        fmt.share(check.detectable_slowdown),
        check.verdict,
    )
    return Row(cells, GATE_TONES[check.verdict])


def _quality_row(check: QualityCheck, names: dict[str, str]) -> Row:
    cells = (
        names.get(check.cell, clean(check.cell)),
        check.figure,
        fmt.count(check.images),
        fmt.percent(check.baseline_value),
        fmt.percent(check.value),
        fmt.points_range(check.drop),
        f"{100 * check.limit:.2f}",
        fmt.probability(check.p_worse),
        check.verdict,
    )
    return Row(cells, GATE_TONES[check.verdict])
