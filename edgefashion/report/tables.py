"""Tables for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from edgefashion.records import BenchReport, Parity, TrainingReport, VerifyReport
from edgefashion.report.bench_grids import per_class_grid, summary_grid
from edgefashion.report.decisions_grids import checks_grid, class_drops_grid, overview_grids
from edgefashion.report.grids import Grid, Row, flips_grid, parity_grid, training_grid
from edgefashion.report.judgement_grids import gate_grids
from edgefashion.report.operating_grids import operating_grids
from edgefashion.report.profile_grids import operators_grid
from edgefashion.report.verdicts import Verdict, verdicts
from edgefashion.report.words import headline, insights, warnings

_ROW_STYLES = {"strong": "bold", "quiet": "dim"}
_LAST_CELL_STYLES = {"good": "green", "bad": "bold red", "doubtful": "yellow"}
_VERDICT_STYLES = {"good": "bold green", "bad": "bold red", "doubtful": "bold yellow"}

_WIDEST_WORDS = 22
# What F1 per class, which follows, says too.
_DISPENSABLE = "worst class F1"
# What a terminal too narrow for one line a row shows: each column a list of lines, each line the columns that share it.
_SUMMARY_LINES = (
    (("cell",),),
    (("size",), ("accuracy",)),
    (("median latency",), ("p99",)),
    (("precision",), ("ratio",)),
    (("against reference",),),
)
_GATE_LINES = (
    (("cell",), ("baseline",)),
    (("generations",), ("ratio to baseline",)),
    (("p, slower",),),
    (("false alarms",), ("finds slowdowns from",)),
    (("verdict",),),
)
_QUALITY_GATE_LINES = (
    (("cell",), ("figure",)),
    (("baseline",), ("now",)),
    (("drop, points",), ("tolerated, points",)),
    (("pictures",), ("p, worse",)),
    (("verdict",),),
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
_DECISIONS_LINES = {
    "Decisions": (
        (("variant",),),
        (("accuracy before",), ("accuracy after",)),
        (("lost", "gained"), ("McNemar p",)),
        (("drop, points",),),
    ),
    "Confidence": (
        (("variant",),),
        (("Brier before",), ("Brier after",)),
        (("rise, thousandths",),),
        (("ECE before",), ("ECE after",)),
    ),
    "Coverage at risk": (
        (("variant",),),
        (("risk at most",), ("confidence from",)),
        (("coverage before",), ("coverage after",)),
        (("risk before",), ("risk after",)),
    ),
    "Margin certificate": (
        (("variant",),),
        (("largest error",), ("tolerance",)),
        (("certified",), ("at least",)),
        (("flips among them",),),
    ),
}


@dataclass(frozen=True)
class Fitting:
    """The first of several layouts of a table that the terminal is wide enough for, or else the last."""

    layouts: Sequence[Table]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Choose when the width is known."""
        unbounded = options.update(width=10_000)
        fits = (
            table for table in self.layouts if Measurement.get(console, unbounded, table).maximum <= options.max_width
        )
        yield next(fits, self.layouts[-1])


def overview(bench: BenchReport) -> list[RenderableType]:
    """A benchmark for a terminal, verdicts first: gate, machine, headline, insights, warnings, then the tables."""
    lines = [*map(_verdict, verdicts(bench)), Text(headline(bench), style="bold")]
    lines += [*map(Text, insights(bench)), *(Text(warning, style="yellow") for warning in warnings(bench))]
    gates, classes = gate_grids(bench), per_class_grid(bench)
    return [
        Text("\n").join(lines),
        summary_table(bench),
        *(_fitting(grid, _GATE_LINES if "false alarms" in grid.columns else _QUALITY_GATE_LINES) for grid in gates),
        *map(table, [*operating_grids(bench), *map(operators_grid, bench.rooflines), *([classes] if classes else [])]),
    ]


def summary_table(bench: BenchReport) -> Fitting:
    """One row a cell: size, quality, latency, precision, and the ratio to the reference in figures and words."""
    grid = summary_grid(bench)
    shorter = [((name,),) for name in grid.columns if name != _DISPENSABLE]
    return Fitting((_table(grid), _table(_stacked(grid, shorter)), _table(_stacked(grid, _SUMMARY_LINES), leading=1)))


def training_table(report: TrainingReport) -> Table:
    """Precision, recall, F1 and pictures of each class, then accuracy and weighted average."""
    return _table(training_grid(report))


def verification_overview(report: VerifyReport) -> list[RenderableType]:
    """A verification for a terminal, figures first: parity, decisions, classes and flips, then every check."""
    tables: list[RenderableType] = [parity_table(report)]
    tables += [_fitting(grid, _DECISIONS_LINES[grid.title]) for grid in overview_grids(report)]
    for parity in report.results:
        if parity.flips:
            tables += [_table(class_drops_grid(parity, parity.decisions))] if parity.decisions else []
            tables.append(flips_table(parity, report.data.labels))
    return [*tables, _table(checks_grid(report))]


def parity_table(report: VerifyReport) -> Table:
    """One row an artifact beside its reference, with PASS or FAIL; each failed check is named below."""
    return _table(_stacked(parity_grid(report), _PARITY_LINES), leading=1)


def flips_table(parity: Parity, labels: Sequence[str], limit: int = 10) -> Table:
    """At most `limit` pictures that the artifact decides differently, the reference's surest first."""
    return _table(flips_grid(parity, labels, limit=limit))


def table(grid: Grid) -> Fitting:
    """Any grid for a terminal: as it is, or with as many columns on top of each other as a narrow one needs."""
    stacked = [_table(_piled(grid, height), leading=1) for height in range(2, len(grid.columns))]
    return Fitting((_table(grid), *stacked))


def _verdict(verdict: Verdict) -> Text:
    return Text.assemble((verdict.word, _VERDICT_STYLES.get(verdict.tone, "bold")), f": {verdict.sentence}")


def _fitting(grid: Grid, lines: Sequence[Sequence[Sequence[str]]]) -> Fitting:
    return Fitting((_table(grid), _table(_stacked(grid, lines), leading=1)))


def _piled(grid: Grid, height: int) -> Grid:
    """The first column, and the others in piles of `height`, each of words or of numbers alone."""
    piles: list[list[int]] = [[0]]
    for index in range(1, len(grid.columns)):
        last = piles[-1]
        fits = len(piles) > 1 and len(last) < height and (last[0] in grid.words) == (index in grid.words)
        piles[-1:] = [[*last, index]] if fits else [last, [index]]

    def pile(cells: Sequence[str]) -> tuple[str, ...]:
        return tuple("\n".join(cells[index] for index in each) for each in piles)

    words = frozenset(index for index, each in enumerate(piles) if each[0] in grid.words)
    return replace(
        grid, columns=pile(grid.columns), rows=tuple(Row(pile(row.cells), row.tone) for row in grid.rows), words=words
    )


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
        caption=Text("\n".join(["", *grid.notes])) if grid.notes else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
        leading=leading,
    )
    for index, header in enumerate(grid.columns):
        words = index in grid.words
        table.add_column(
            Text(header),
            justify="left" if words else "right",
            overflow="fold",
            no_wrap=not words,
            max_width=_WIDEST_WORDS if words else None,
        )
    for row in grid.rows:
        table.add_row(*_cells(row), style=_ROW_STYLES.get(row.tone))
    return table


def _cells(row: Row) -> list[Text]:
    *most, last = row.cells
    return [*map(Text, most), Text(last, style=_LAST_CELL_STYLES.get(row.tone, ""))]
