"""Reports as Markdown: the whole of it, and a summary for a build's page."""

from edgefashion.records import BenchReport
from edgefashion.report.bench_grids import summary_grid
from edgefashion.report.beside import NOTHING, Beside
from edgefashion.report.markdown_grid import escape, grid_markdown
from edgefashion.report.sections import sections
from edgefashion.report.verdicts import Verdict, verdicts
from edgefashion.report.words import bench_notes, finding, insights

_MOST_FLIPS = 10


def to_markdown(bench: BenchReport, beside: Beside = NOTHING) -> str:
    """The whole report in Markdown with tables as GitHub reads them; ends with one line break."""
    parts = ["# Benchmark report\n", *_top(bench)]
    for section in sections(bench, beside, most_flips=_MOST_FLIPS):
        parts.append(f"## {escape(section.title)}\n")
        for grid in (*section.grids, *section.folded):
            heading = "" if grid.title == section.title else f"### {escape(grid.title)}\n\n"
            parts.append(heading + grid_markdown(grid))
    return "\n".join(parts)


def summary_markdown(bench: BenchReport) -> str:
    """Verdicts, headline, remarks and one table: what the page of a build should show; ends with one line break."""
    return "\n".join(["## edgefashion bench\n", *_top(bench), grid_markdown(summary_grid(bench))])


def _top(bench: BenchReport) -> list[str]:
    remarks = "".join(f"> - {escape(note)}\n" for note in bench_notes(bench))
    sentences = [f"{escape(sentence)}\n" for sentence in (finding(bench), *insights(bench))]
    return [*map(_verdict, verdicts(bench)), *sentences, *([remarks] if remarks else [])]


def _verdict(verdict: Verdict) -> str:
    return f"**{escape(verdict.word)}**: {escape(verdict.sentence)}\n"
