"""The report as one HTML file that needs nothing else: no network, no script, pictures inside."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from edgefashion import __version__
from edgefashion.records import BenchReport, TrainingReport, VerifyReport
from edgefashion.report import plots
from edgefashion.report.bench_grids import method_grid, per_class_grid, summary_grid, timing_grid
from edgefashion.report.format import clean
from edgefashion.report.grids import Grid, environment_grid, epochs_grid, flips_grid, parity_grid, training_grid
from edgefashion.report.words import bench_notes, headline

# A broken artifact flips thousands of decisions; a page needs no more than these to show how.
_MOST_FLIPS = 200


@dataclass(frozen=True)
class Picture:
    """A figure inside the page: what it shows in words, and its bytes as a data URI."""

    alt: str
    uri: str


@dataclass(frozen=True)
class Section:
    """A heading with its tables and pictures; `folded` tables open on a click."""

    anchor: str
    title: str
    grids: Sequence[Grid] = ()
    pictures: Sequence[Picture] = ()
    folded: Sequence[Grid] = ()


def render(bench: BenchReport, training: TrainingReport | None, verification: VerifyReport | None) -> str:
    """The page as text; everything that comes from a report is escaped."""
    sections = [
        *_measured(bench),
        *([_verified(verification)] if verification else []),
        *([_trained(training)] if training else []),
        Section("method", "How it was measured", [method_grid(bench)]),
        Section("environment", "Environment", [environment_grid(bench.environment)]),
    ]
    jinja = Environment(
        loader=PackageLoader("edgefashion.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return jinja.get_template("report.html.j2").render(
        headline=headline(bench),
        sample_note=bench.data.note,
        notes=[note for note in bench_notes(bench) if note != bench.data.note],
        sections=sections,
        data=clean(bench.data.name),
        version=__version__,
    )


def _measured(bench: BenchReport) -> list[Section]:
    note = f" ({bench.data.note})" if bench.data.note else ""
    tradeoff = _picture(
        plots.tradeoff(bench), f"Accuracy against median latency, one marker an artifact: {headline(bench)}"
    )
    ratios = _picture(
        plots.ratio_intervals(bench), f"Ratios to the reference with intervals, as in the summary table{note}"
    )
    calls = _picture(
        plots.latency_distributions(bench), f"Distribution of all timed calls, one row a cell, as in the table{note}"
    )
    classes = _picture(plots.f1_by_variant(bench), f"F1 of each class by artifact, as in the table{note}")
    return [
        Section("summary", "Summary", [summary_grid(bench)], [tradeoff, ratios]),
        Section("latency", "Latency", [timing_grid(bench)], [calls]),
        Section("classes", "Quality per class", [per_class_grid(bench)], [classes]),
    ]


def _verified(report: VerifyReport) -> Section:
    flipped = [parity for parity in report.results if parity.flips]
    flips = [flips_grid(parity, report.data.labels, limit=_MOST_FLIPS) for parity in flipped]
    return Section("parity", "Parity", [parity_grid(report)], folded=flips)


def _trained(report: TrainingReport) -> Section:
    note = f" ({report.data.note})" if report.data.note else ""
    confusion = plots.confusion_matrix(
        report.test, report.data.labels, f"Confusion of {report.recipe.name}", note=report.data.note
    )
    pictures = [
        _picture(plots.losses(report), f"Training and validation loss by epoch, as in the table of epochs{note}"),
        _picture(confusion, f"Confusion matrix of the test pictures, true class by predicted class{note}"),
    ]
    return Section("training", "Training", [training_grid(report)], pictures, folded=[epochs_grid(report)])


def _picture(figure: Figure, alt: str) -> Picture:
    return Picture(alt=clean(alt), uri=f"data:image/png;base64,{b64encode(plots.png(figure)).decode()}")
