"""`edgefashion report`."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def report(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[BENCH.json|RUN]", help="A stored result, or a run. Default: the newest run."),
    ] = None,
    *,
    file_format: Annotated[
        Literal["table", "html", "md", "csv", "json", "junit", "pyperf", "benchmark-action"],
        typer.Option("--format", help="html goes to report.html beside the result, everything else to stdout."),
    ] = "table",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write to this file instead, without --format in the format that its suffix names "
            "(.html, .md, .csv, .json, .xml for junit).",
        ),
    ] = None,
) -> None:
    """Render a stored benchmark again.

    Nothing is measured. What train.json and verify.json say about the same run becomes part of the report. junit is
    for build servers; pyperf and benchmark-action (github-action-benchmark's customSmallerIsBetter) are JSON for the
    tools of that name.
    """
    import sys

    from edgefashion import report as room
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.errors import UsageError
    from edgefashion.records import BenchReport
    from edgefashion.report.tables import overview

    path = stored_result(source)
    result = BenchReport.load(path)
    training, verification = room.companions(path.parent)
    if out is not None and out.resolve() == path.resolve():
        raise UsageError(f"--out {out} is the stored result itself: give another name")
    if out is None and file_format == "html":
        out = path.parent / runs.PAGE
    if out is not None:
        chosen = None if file_format == "table" else file_format
        written = room.save(result, out, file_format=chosen, training=training, verification=verification)
        console.note(f"written: {written}")
    elif file_format == "table":
        console.show(*overview(result))
    else:
        sys.stdout.write(room.render(result, file_format, training=training, verification=verification))


def stored_result(source: str | None) -> Path:
    """The file of a stored benchmark: `source` itself, or that of the run or folder it names; the newest run's if None.

    Raises:
        BadInput: There is none.
    """
    from edgefashion import runs
    from edgefashion.errors import BadInput

    if source and not Path(source).is_dir() and Path(source).suffix:
        return Path(source)
    if source and (Path(source) / runs.BENCHMARK).is_file():
        return Path(source) / runs.BENCHMARK
    path = runs.find_run(source) / runs.BENCHMARK
    if not path.is_file():
        raise BadInput(f"{path} does not exist: measure first with `edgefashion bench {path.parent}`")
    return path
