"""Reports as CSV for programs and spreadsheets."""

import csv
from collections.abc import Callable, Mapping
from io import StringIO

from edgefashion.records import BenchReport, Cell, CellResult, Interval
from edgefashion.report.format import clean
from edgefashion.report.names import results_by_cell

# What spreadsheets take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@")

_INTERVALS: Mapping[str, Callable[[CellResult], Interval | None]] = {
    "median": lambda result: result.latency.median_s,
    "clean_median": lambda result: result.latency.clean_median_s,
    "mean": lambda result: result.latency.mean_s,
    "p90": lambda result: result.latency.p90_s,
    "p99": lambda result: result.latency.p99_s,
    "p999": lambda result: result.latency.p999_s,
}
_FIGURES: Mapping[str, Callable[[CellResult], object]] = {
    "launches": lambda result: result.launches,
    "calls": lambda result: result.calls,
    "blocks": lambda result: result.blocks,
    "disturbed_blocks": lambda result: result.disturbed_blocks,
    "images_per_s": lambda result: result.throughput_per_s,
    "ratio": lambda result: result.comparison and result.comparison.ratio.value,
    "ratio_low": lambda result: result.comparison and result.comparison.ratio.low,
    "ratio_high": lambda result: result.comparison and result.comparison.ratio.high,
    "ratio_hodges_lehmann": lambda result: result.comparison and result.comparison.hodges_lehmann,
    "wilcoxon_p": lambda result: result.comparison and result.comparison.wilcoxon_p,
    "rank": lambda result: result.rank,
    "labels": lambda result: ";".join(result.labels),
    "accuracy": lambda result: result.quality and result.quality.accuracy,
    "macro_f1": lambda result: result.quality and result.quality.macro_f1,
    "worst_class": lambda result: result.quality and result.quality.worst.label,
    "worst_class_f1": lambda result: result.quality and result.quality.worst.f1,
    "spawn_s": lambda result: result.startup.spawn_s,
    "import_s": lambda result: result.startup.import_s,
    "session_s": lambda result: result.startup.session_s,
    "first_run_s": lambda result: result.startup.first_run_s,
    "second_run_s": lambda result: result.startup.second_run_s,
    "model_bytes": lambda result: result.model_bytes,
    "peak_bytes": lambda result: result.peak_bytes,
    "joules_per_image": lambda result: result.energy and result.energy.joules_per_image,
    "runtime_version": lambda result: result.runtime_version,
    "runtime_bytes": lambda result: result.runtime_bytes,
    "placement": lambda result: result.placement and result.placement.text,
}


def to_csv(bench: BenchReport) -> str:
    """One row a cell, units in the header; what was not measured is empty, and `failure` says why.

    A text that a spreadsheet would run as a formula begins with an apostrophe.
    """
    results = results_by_cell(bench)
    rows = [
        {**_settings(bench, cell), **_figures(results.get(cell.label)), "failure": _reasons(bench, cell)}
        for cell in bench.plan.cells
    ]
    buffer = StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()


def _reasons(bench: BenchReport, cell: Cell) -> str | None:
    """Everything of a cell that failed: its launches, or a run that came after them."""
    return "; ".join(failure.reason for failure in bench.failures if failure.cell == cell.label) or None


def _settings(bench: BenchReport, cell: Cell) -> dict[str, object]:
    session = cell.session
    return {
        "cell": cell.label,
        "role": cell.role,
        "reference": cell.reference,
        "artifact": cell.artifact.name,
        "variant": cell.artifact.variant,
        "precision": cell.artifact.precision,
        "sha256": cell.artifact.sha256,
        "size_bytes": cell.artifact.size_bytes,
        "runtime": session.runtime,
        "provider": session.provider,
        "options": ";".join(f"{name}={value}" for name, value in session.options.items()),
        "threads": session.threads,
        "spinning": int(session.spinning),
        "batch": cell.batch,
        "scenario": cell.scenario,
        "noise": bench.noise.level,
        "data": bench.data and bench.data.name,
        "data_note": bench.data and bench.data.note,
    }


def _figures(result: CellResult | None) -> dict[str, object]:
    ends: dict[str, object] = {}
    for name, interval_of in _INTERVALS.items():
        interval = interval_of(result) if result else None
        ends |= {
            f"{name}_s": interval and interval.value,
            f"{name}_low_s": interval and interval.low,
            f"{name}_high_s": interval and interval.high,
        }
    return ends | {name: None if result is None else figure(result) for name, figure in _FIGURES.items()}


def _harmless(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
