"""Tables for a terminal."""

from collections.abc import Sequence
from dataclasses import replace

from rich import box
from rich.table import Table
from rich.text import Text

from edgefashion.records import BenchReport, Parity, TrainingReport, VerifyReport
from edgefashion.report.bench_grids import per_class_grid, summary_grid
from edgefashion.report.grids import Grid, Row, flips_grid, parity_grid, training_grid

_ROW_STYLES = {"strong": "bold", "quiet": "dim"}
# Eleven figures a row are too wide for a terminal: each row takes several lines instead.
_SUMMARY_LINES = (
    (("cell",),),
    (("size",),),
    (("accuracy",), ("macro F1",)),
    (("worst class F1",),),
    (("median latency",), ("p90",), ("p99",)),
    (("images/s",),),
    (("ratio",), ("against reference",)),
)
_PARITY_LINES = (
    (("variant",),),
    (("size",),),
    (("agreement",), ("flips", "images")),
    (("max |Δ|",), ("mean |Δ|",)),
    (("accuracy",), ("change, points",)),
    (("worst class F1",),),
    (("verdict",),),
)
_LAST_CELL_STYLES = {"good": "green", "bad": "bold red"}


def training_table(report: TrainingReport) -> Table:
    """Precision, recall, F1 and pictures of each class, then accuracy and weighted average."""
    return _table(training_grid(report))


def parity_table(report: VerifyReport) -> Table:
    """One row an artifact beside its reference, with PASS or FAIL; each failed check is named below."""
    return _table(_stacked(parity_grid(report), _PARITY_LINES), leading=1)


def flips_table(parity: Parity, labels: Sequence[str], limit: int = 10) -> Table:
    """At most `limit` pictures that the artifact decides differently, the reference's surest first."""
    return _table(flips_grid(parity, labels, limit=limit))


def summary_table(bench: BenchReport) -> Table:
    """One row a cell: size, quality, latency, throughput, and the ratio to the reference in figures and words."""
    return _table(_stacked(summary_grid(bench), _SUMMARY_LINES), leading=1)


def per_class_table(bench: BenchReport) -> Table:
    """F1 of each class (rows) by artifact (columns)."""
    return _table(per_class_grid(bench))


def _stacked(grid: Grid, columns: Sequence[Sequence[Sequence[str]]]) -> Grid:
    """Fewer, taller columns: each is a list of lines, each line the names of the columns that share it."""
    place = {name: index for index, name in enumerate(grid.columns)}

    def stack(cells: Sequence[str]) -> tuple[str, ...]:
        return tuple("\n".join(" / ".join(cells[place[name]] for name in line) for line in lines) for lines in columns)

    words = frozenset(index for index, lines in enumerate(columns) if place[lines[0][0]] in grid.words)
    rows = tuple(Row(stack(row.cells), row.tone) for row in grid.rows)
    return replace(grid, columns=stack(grid.columns), rows=rows, words=words)


def _table(grid: Grid, *, leading: int = 0) -> Table:
    # Text and not str: class names and labels are not markup, whatever brackets they contain.
    table = Table(
        title=Text(grid.title, style="bold"),
        title_justify="left",
        caption=Text("\n".join(grid.notes)) if grid.notes else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        leading=leading,
    )
    for index, header in enumerate(grid.columns):
        words = index in grid.words
        table.add_column(Text(header), justify="left" if words else "right", overflow="fold", no_wrap=not words)
    for row in grid.rows:
        table.add_row(*_cells(row), style=_ROW_STYLES.get(row.tone))
    return table


def _cells(row: Row) -> list[Text]:
    *most, last = row.cells
    return [*map(Text, most), Text(last, style=_LAST_CELL_STYLES.get(row.tone, ""))]
