"""The report as one HTML file that needs nothing else: no network, no script, pictures inside."""

from base64 import b64encode

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from edgefashion import __version__
from edgefashion.records import BenchReport
from edgefashion.report import plots
from edgefashion.report.beside import NOTHING, Beside
from edgefashion.report.format import clean
from edgefashion.report.sections import sections
from edgefashion.report.verdicts import verdicts
from edgefashion.report.words import data_notes, finding, insights, warnings

# A broken artifact flips thousands of decisions; a page needs no more than these to show how.
_MOST_FLIPS = 200


def render(bench: BenchReport, beside: Beside = NOTHING) -> str:
    """The page as text; everything that comes from a report is escaped."""
    jinja = Environment(
        loader=PackageLoader("edgefashion.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    figures = plots.bench_figures(bench)
    figures |= plots.training_figures(beside.training) if beside.training else {}
    figures |= plots.verification_figures(beside.verification) if beside.verification else {}
    return jinja.get_template("report.html.j2").render(
        verdicts=verdicts(bench),
        headline=finding(bench),
        insights=insights(bench),
        sample_notes=data_notes(bench.data),
        warnings=warnings(bench),
        sections=sections(bench, beside, most_flips=_MOST_FLIPS),
        picture=lambda name: _data_uri(figures[name]()),
        clean=clean,
        data=clean(bench.data.name) if bench.data else "a foreign model",
        version=__version__,
    )


def _data_uri(figure: Figure) -> str:
    return f"data:image/png;base64,{b64encode(plots.png(figure)).decode()}"
