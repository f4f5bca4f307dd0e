"""The tables of other operating points than a short closed loop: under MLPerf LoadGen, and for minutes."""

from collections.abc import Mapping, Sequence

from edgefashion.records import BenchReport, LoadgenRun, SustainedRun
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.grids import Grid, Row
from edgefashion.report.names import cell_names


def operating_grids(bench: BenchReport) -> list[Grid]:
    """A table for LoadGen's runs and one for long ones, as far as there are any."""
    names = cell_names(bench.plan)
    grids = [_loadgen_grid(bench.loadgen, names)] if bench.loadgen else []
    return [*grids, *([_sustained_grid(bench.sustained, names)] if bench.sustained else [])]


def _loadgen_grid(runs: Sequence[LoadgenRun], names: Mapping[str, str]) -> Grid:
    """One row a run of MLPerf LoadGen, with its own verdict."""
    return Grid(
        title="MLPerf LoadGen",
        columns=("cell", "scenario", "queries", "p50", "p90", "p99", "images/s", "closed loop", "LoadGen says"),
        rows=tuple(_loadgen_row(run, names) for run in runs),
        words=frozenset({0, 1, 8}),
        notes=(
            "p50 to p99: from a query's scheduled start to its last answer, over all queries of the run",
            "closed loop: median of a direct call, in the same process just before",
            *dict.fromkeys(_server_note(run) for run in runs if run.target_qps is not None),
            *dict.fromkeys(clean(run.verdict) for run in runs),
        ),
    )


def _sustained_grid(runs: Sequence[SustainedRun], names: Mapping[str, str]) -> Grid:
    """One row a cell that ran for minutes: its speed in the first fifth and in the last."""
    return Grid(
        title="Sustained load",
        columns=("cell", "lasted", "calls", "first fifth", "last fifth", "change"),
        rows=tuple(_sustained_row(run, names) for run in runs),
        notes=("time a picture, ± half of its 95 % interval; change: last fifth over first fifth",),
    )


def _loadgen_row(run: LoadgenRun, names: Mapping[str, str]) -> Row:
    latency = run.latency
    percentiles = (latency.p50_s, latency.p90_s, latency.p99_s) if latency else None
    cells = (
        names.get(run.cell, clean(run.cell)),
        run.scenario,
        fmt.count(run.queries),
        *(map(fmt.duration, percentiles) if percentiles else (MISSING,) * 3),
        MISSING if run.samples_per_s is None else fmt.significant(run.samples_per_s),
        fmt.duration(run.closed_loop_s),
        "VALID" if run.valid else "INVALID",
    )
    return Row(cells, "good" if run.valid else "bad")


def _server_note(run: LoadgenRun) -> str:
    bound = "" if run.latency_bound_s is None else f", whose p99 must be within {fmt.duration(run.latency_bound_s)}"
    return f"Server: {fmt.significant(run.target_qps or 0.0)} queries a second{bound}"


def _sustained_row(run: SustainedRun, names: Mapping[str, str]) -> Row:
    ends = (fmt.duration_interval(each) if each else MISSING for each in (run.start, run.end))
    return Row(
        (
            names.get(run.cell, clean(run.cell)),
            fmt.duration(run.windows[-1].started_s if run.windows else 0.0),
            fmt.count(sum(window.calls for window in run.windows)),
            *ends,
            fmt.ratio(run.change) if run.change else MISSING,
        )
    )
