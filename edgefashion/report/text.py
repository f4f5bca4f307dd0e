"""Reports as Markdown for people and as CSV for programs."""

import csv
from collections.abc import Callable, Mapping
from io import StringIO

from edgefashion.records import BenchReport, Cell, CellResult, TrainingReport, VerifyReport
from edgefashion.report.bench_grids import method_grid, per_class_grid, summary_grid, timing_grid
from edgefashion.report.format import clean
from edgefashion.report.grids import Grid, Row, environment_grid, epochs_grid, flips_grid, parity_grid, training_grid
from edgefashion.report.words import bench_notes, headline, results_by_cell

# What Markdown or the HTML inside it would take for markup.
_MARKUP = frozenset("\\`*_[]<>#|~&$")
# What spreadsheets take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@")


_FIGURES: Mapping[str, Callable[[CellResult], object]] = {
    "accuracy": lambda result: result.quality.accuracy,
    "macro_f1": lambda result: result.quality.macro_f1,
    "worst_class": lambda result: result.quality.worst.label,
    "worst_class_f1": lambda result: result.quality.worst.f1,
    "launches": lambda result: result.launches,
    "calls": lambda result: result.calls,
    "median_s": lambda result: result.median_s and result.median_s.value,
    "median_low_s": lambda result: result.median_s and result.median_s.low,
    "median_high_s": lambda result: result.median_s and result.median_s.high,
    "mean_s": lambda result: result.mean_s,
    "p90_s": lambda result: result.p90_s,
    "p99_s": lambda result: result.p99_s,
    "images_per_s": lambda result: result.throughput_per_s,
    "ratio": lambda result: result.ratio and result.ratio.value,
    "ratio_low": lambda result: result.ratio and result.ratio.low,
    "ratio_high": lambda result: result.ratio and result.ratio.high,
    "rank": lambda result: result.rank,
    "session_s": lambda result: result.session_s,
    "peak_rss_bytes": lambda result: result.peak_rss_bytes,
}


def to_markdown(
    bench: BenchReport, training: TrainingReport | None = None, verification: VerifyReport | None = None
) -> str:
    """The whole report in Markdown with tables as GitHub reads them; ends with one line break."""
    grids = [summary_grid(bench), timing_grid(bench), per_class_grid(bench)]
    if verification:
        labels = verification.data.labels
        flipped = [parity for parity in verification.results if parity.flips]
        grids += [parity_grid(verification), *(flips_grid(parity, labels) for parity in flipped)]
    if training:
        grids += [training_grid(training), epochs_grid(training)]
    grids += [method_grid(bench), environment_grid(bench.environment)]
    remarks = "".join(f"> - {_escape(note)}\n" for note in bench_notes(bench))
    parts = ["# Benchmark report\n", f"**{_escape(headline(bench))}**\n", *([remarks] if remarks else [])]
    return "\n".join([*parts, *map(_section, grids)])


def to_csv(bench: BenchReport) -> str:
    """One row a cell, units in the header; what was not measured is empty, and `failure` says why.

    A text that a spreadsheet would run as a formula begins with an apostrophe.
    """
    results = results_by_cell(bench)
    reasons = {failure.cell: failure.reason for failure in bench.failures}
    rows = [
        {**_settings(bench, cell), **_figures(results.get(cell.label)), "failure": reasons.get(cell.label)}
        for cell in bench.plan.cells
    ]
    buffer = StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()


def _section(grid: Grid) -> str:
    rules = ["---" if index in grid.words else "---:" for index in range(len(grid.columns))]
    lines = [_line([_escape(header) for header in grid.columns]), _line(rules), *map(_row, grid.rows)]
    notes = "".join(f"- {_escape(note)}\n" for note in grid.notes)
    return f"## {_escape(grid.title)}\n\n" + "\n".join(lines) + "\n" + (f"\n{notes}" if notes else "")


def _row(row: Row) -> str:
    cells = [_escape(cell) for cell in row.cells]
    return _line([f"**{cell}**" if cell else "" for cell in cells] if row.tone == "strong" else cells)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    return "".join(f"\\{character}" if character in _MARKUP else character for character in text)


def _settings(bench: BenchReport, cell: Cell) -> dict[str, object]:
    return {
        "cell": cell.label,
        "is_aa_check": int(cell.label == bench.plan.duplicate),
        "artifact": cell.artifact.name,
        "variant": cell.artifact.variant,
        "precision": cell.artifact.precision,
        "sha256": cell.artifact.sha256,
        "size_bytes": cell.artifact.size_bytes,
        "runtime": cell.session.runtime,
        "provider": cell.session.provider,
        "threads": cell.session.threads,
        "spinning": int(cell.session.spinning),
        "batch": cell.batch,
        "data": bench.data.name,
        "data_note": bench.data.note,
    }


def _figures(result: CellResult | None) -> dict[str, object]:
    return {name: None if result is None else figure(result) for name, figure in _FIGURES.items()}


def _harmless(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
