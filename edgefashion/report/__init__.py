"""Show what was measured: tables, figures, and files for people and for programs. Nothing is measured here.

report.save(bench, Path("report.html"), beside=report.beside(run))
report.save(bench, Path("history.json"), file_format="benchmark-action")
print(report.headline(bench))
"""

from collections.abc import Mapping
from pathlib import Path

from edgefashion.errors import UsageError
from edgefashion.files import atomic_write
from edgefashion.records import BenchReport, TrainingReport, VerifyReport
from edgefashion.report.beside import NOTHING, Beside, beside
from edgefashion.report.words import headline
from edgefashion.runs import PLOTS

__all__ = [
    "FORMATS",
    "Beside",
    "beside",
    "format_of",
    "headline",
    "render",
    "save",
    "save_bench_plots",
    "save_training_plots",
    "save_verification_plots",
    "summary_markdown",
]

# Every format with the suffix of its files. Where a suffix is taken twice, it means the first.
FORMATS: Mapping[str, str] = {
    "html": ".html",
    "md": ".md",
    "csv": ".csv",
    "json": ".json",
    "junit": ".xml",
    "pyperf": ".json",
    "benchmark-action": ".json",
}


def render(
    bench: BenchReport,
    file_format: str,
    *,
    beside: Beside = NOTHING,
) -> str:
    """The report as text in one of `FORMATS`.

    Args:
        bench: What was measured.
        file_format: html and md for people; csv; json for the sealed document with every raw sample; junit for build
            servers; pyperf and benchmark-action for the tools of that name.
        beside: Adds sections to html and md.

    Raises:
        UsageError: The format is another one.
        BadInput: pyperf or benchmark-action was asked for and nothing was measured.
    """
    if file_format == "html":
        from edgefashion.report import html

        return html.render(bench, beside)
    if file_format == "md":
        from edgefashion.report.markdown import to_markdown

        return to_markdown(bench, beside)
    if file_format == "json":
        return bench.to_json(indent=0).decode()
    from edgefashion.report import exports, junit, spreadsheet

    writers = {
        "csv": spreadsheet.to_csv,
        "junit": junit.to_junit,
        "pyperf": exports.to_pyperf,
        "benchmark-action": exports.to_benchmark_action,
    }
    if file_format not in writers:
        raise UsageError(f"cannot write a report as {file_format!r}: expected {', '.join(FORMATS)}")
    return writers[file_format](bench)


def format_of(path: Path) -> str:
    """The format that the suffix of `path` names.

    Raises:
        UsageError: It names none.
    """
    suffix = path.suffix.lower()
    for file_format, its_suffix in FORMATS.items():
        if suffix == its_suffix:
            return file_format
    known = ", ".join(dict.fromkeys(FORMATS.values()))
    raise UsageError(f"cannot write a report as {path.name}: expected a name that ends in one of {known}")


def save(
    bench: BenchReport,
    path: str | Path,
    *,
    file_format: str | None = None,
    beside: Beside = NOTHING,
) -> Path:
    """Write the report to `path`, in the format that its suffix names if none is given; returns `path`.

    Raises:
        UsageError: There is no such format, or its files end in another suffix.
        BadInput: pyperf or benchmark-action was asked for and nothing was measured.
        CannotWrite: The disk is full or the place is forbidden.
    """
    path = Path(path)
    chosen = file_format or format_of(path)
    if chosen in FORMATS and path.suffix.lower() != FORMATS[chosen]:
        raise UsageError(f"{path.name} is no name for {chosen}: expected one that ends in {FORMATS[chosen]}")
    return atomic_write(path, render(bench, chosen, beside=beside))


def summary_markdown(bench: BenchReport) -> str:
    """Verdicts, headline and one table in Markdown, for the page of a build; ends with one line break."""
    from edgefashion.report.markdown import summary_markdown

    return summary_markdown(bench)


def save_training_plots(training: TrainingReport, run: Path) -> list[Path]:
    """Draw the confusion matrix and the losses into the run's folder of plots; returns both paths.

    Args:
        training: What training measured.
        run: Folder of the run.

    Raises:
        CannotWrite: The disk is full or the place is forbidden.
    """
    from edgefashion.report import plots

    return [plots.save(draw(), run / PLOTS / f"{name}.png") for name, draw in plots.training_figures(training).items()]


def save_bench_plots(bench: BenchReport, run: Path) -> list[Path]:
    """Draw every figure of a benchmark into the run's folder of plots; returns their paths.

    Those of an earlier benchmark that measured more are removed.

    Raises:
        CannotWrite: The disk is full or the place is forbidden.
    """
    from edgefashion.report import plots

    for path in (run / PLOTS / "sustained.png", *(run / PLOTS).glob("roofline-*.png")):
        path.unlink(missing_ok=True)
    return [plots.save(draw(), run / PLOTS / f"{name}.png") for name, draw in plots.bench_figures(bench).items()]


def save_verification_plots(verification: VerifyReport, run: Path) -> list[Path]:
    """Draw a gallery for each artifact that decides differently into the run's folder of plots; returns their paths.

    Galleries of an earlier verification that show what is no longer so are removed.

    Raises:
        CannotWrite: The disk is full or the place is forbidden.
    """
    from edgefashion.report.flips import galleries

    wanted = {run / PLOTS / f"{name}.png" for name in galleries(verification)}
    for path in (run / PLOTS).glob("flips-*.png"):
        if path not in wanted:
            path.unlink(missing_ok=True)
    if not wanted:
        return []  # without loading the drawing library
    from edgefashion.report import plots

    figures = plots.verification_figures(verification)
    return [plots.save(draw(), run / PLOTS / f"{name}.png") for name, draw in figures.items()]
