"""Reports as Markdown: the whole of it, and a summary for a build's page."""

from edgefashion.records import BenchReport, TrainingReport, VerifyReport
from edgefashion.report.bench_grids import summary_grid
from edgefashion.report.grids import Grid, Row
from edgefashion.report.sections import sections
from edgefashion.report.verdicts import Verdict, verdicts
from edgefashion.report.words import bench_notes, finding, insights

# What Markdown or the HTML inside it would take for markup.
_MARKUP = frozenset("\\`*_[]<>#|~&$")
_MOST_FLIPS = 10


def to_markdown(
    bench: BenchReport, training: TrainingReport | None = None, verification: VerifyReport | None = None
) -> str:
    """The whole report in Markdown with tables as GitHub reads them; ends with one line break."""
    parts = ["# Benchmark report\n", *_top(bench)]
    for section in sections(bench, training, verification, most_flips=_MOST_FLIPS):
        parts.append(f"## {_escape(section.title)}\n")
        for grid in (*section.grids, *section.folded):
            heading = "" if grid.title == section.title else f"### {_escape(grid.title)}\n\n"
            parts.append(heading + _grid(grid))
    return "\n".join(parts)


def summary_markdown(bench: BenchReport) -> str:
    """Verdicts, headline, remarks and one table: what the page of a build should show; ends with one line break."""
    return "\n".join(["## edgefashion bench\n", *_top(bench), _grid(summary_grid(bench))])


def _top(bench: BenchReport) -> list[str]:
    remarks = "".join(f"> - {_escape(note)}\n" for note in bench_notes(bench))
    sentences = [f"{_escape(sentence)}\n" for sentence in (finding(bench), *insights(bench))]
    return [*map(_verdict, verdicts(bench)), *sentences, *([remarks] if remarks else [])]


def _verdict(verdict: Verdict) -> str:
    return f"**{_escape(verdict.word)}**: {_escape(verdict.sentence)}\n"


def _grid(grid: Grid) -> str:
    rules = ["---" if index in grid.words else "---:" for index in range(len(grid.columns))]
    lines = [_line([_escape(header) for header in grid.columns]), _line(rules), *map(_row, grid.rows)]
    notes = "".join(f"- {_escape(note)}\n" for note in grid.notes)
    return "\n".join(lines) + "\n" + (f"\n{notes}" if notes else "")


def _row(row: Row) -> str:
    cells = [_escape(cell) for cell in row.cells]
    return _line([f"**{cell}**" if cell else "" for cell in cells] if row.tone == "strong" else cells)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    return "".join(f"\\{character}" if character in _MARKUP else character for character in text)
