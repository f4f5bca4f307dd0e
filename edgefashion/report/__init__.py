"""Show what was measured: tables, figures, and files for people and for programs. Nothing is measured here.

report.save(bench, Path("report.html"), training=training, verification=verification)
report.save(bench, Path("report.csv"))
print(report.headline(bench))
"""

from pathlib import Path

from edgefashion.errors import UsageError
from edgefashion.files import atomic_write
from edgefashion.records import BenchReport, TrainingReport, VerifyReport
from edgefashion.report.words import headline
from edgefashion.runs import PLOTS, TRAINING, VERIFICATION

__all__ = ["FORMATS", "companions", "headline", "render", "save", "save_bench_plots", "save_training_plots"]


FORMATS = ("html", "md", "csv", "json")


def render(
    bench: BenchReport,
    file_format: str,
    *,
    training: TrainingReport | None = None,
    verification: VerifyReport | None = None,
) -> str:
    """The report as text in one of `FORMATS`.

    Args:
        bench: What was measured.
        file_format: html, md, csv, or json for the sealed document with every raw sample.
        training: Adds a section on training to html and md.
        verification: Adds a section on parity to html and md.

    Raises:
        UsageError: The format is another one.
    """
    match file_format:
        case "html":
            from edgefashion.report import html

            return html.render(bench, training, verification)
        case "md":
            from edgefashion.report.text import to_markdown

            return to_markdown(bench, training, verification)
        case "csv":
            from edgefashion.report.text import to_csv

            return to_csv(bench)
        case "json":
            return bench.to_json(indent=0).decode()
        case _:
            raise UsageError(f"cannot write a report as {file_format!r}: expected {', '.join(FORMATS)}")


def save(
    bench: BenchReport,
    path: str | Path,
    *,
    training: TrainingReport | None = None,
    verification: VerifyReport | None = None,
) -> Path:
    """Write the report in the format that the suffix of `path` names, one of `FORMATS`; returns `path`.

    Raises:
        UsageError: The suffix is another one.
        CannotWrite: The disk is full or the place is forbidden.
    """
    path = Path(path)
    file_format = path.suffix.lower().removeprefix(".")
    if file_format not in FORMATS:
        raise UsageError(f"cannot write a report as {path.name}: expected a name in .html, .md, .csv or .json")
    text = render(bench, file_format, training=training, verification=verification)
    return atomic_write(path, text)


def companions(run: Path) -> tuple[TrainingReport | None, VerifyReport | None]:
    """What train.json and verify.json in a run's folder say; None for one that is not there.

    Raises:
        BadInput: One of them is damaged.
    """
    training, verification = run / TRAINING, run / VERIFICATION
    return (
        TrainingReport.load(training) if training.is_file() else None,
        VerifyReport.load(verification) if verification.is_file() else None,
    )


def save_training_plots(training: TrainingReport, run: Path) -> list[Path]:
    """Draw the confusion matrix and the losses into the run's folder of plots; returns both paths.

    Args:
        training: What training measured.
        run: Folder of the run.

    Raises:
        CannotWrite: The disk is full or the place is forbidden.
    """
    from edgefashion.report import plots

    confusion = plots.confusion_matrix(
        training.test, training.data.labels, f"Confusion of {training.recipe.name}", note=training.data.note
    )
    return [
        plots.save(confusion, run / PLOTS / "confusion_matrix.png"),
        plots.save(plots.losses(training), run / PLOTS / "training_validation_loss.png"),
    ]


def save_bench_plots(bench: BenchReport, run: Path) -> list[Path]:
    """Draw the four figures of a benchmark into the run's folder of plots; returns their paths.

    Raises:
        CannotWrite: The disk is full or the place is forbidden.
    """
    from edgefashion.report import plots

    figures = {
        "tradeoff": plots.tradeoff,
        "ratio_intervals": plots.ratio_intervals,
        "latency_distributions": plots.latency_distributions,
        "f1_by_variant": plots.f1_by_variant,
    }
    return [plots.save(draw(bench), run / PLOTS / f"{name}.png") for name, draw in figures.items()]
