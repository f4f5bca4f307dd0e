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
        Literal["table", "html", "md", "csv", "json"],
        typer.Option("--format", help="table, md, csv and json go to stdout; html to report.html beside the result."),
    ] = "table",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write to this file instead, in the format that its suffix names (.html, .md, .csv, .json).",
        ),
    ] = None,
) -> None:
    """Render a stored benchmark again.

    Nothing is measured. What train.json and verify.json say about the same run becomes part of the report.
    """
    import sys

    from edgefashion import report as room
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.cli.bench import show_results
    from edgefashion.errors import BadInput, UsageError
    from edgefashion.records import BenchReport

    path = Path(source) if source and not Path(source).is_dir() and Path(source).suffix else None
    if path is None and source and (Path(source) / runs.BENCHMARK).is_file():
        path = Path(source) / runs.BENCHMARK
    path = path or runs.find_run(source) / runs.BENCHMARK
    if not path.is_file() and path.name == runs.BENCHMARK:
        raise BadInput(f"{path} does not exist: measure first with `edgefashion bench {path.parent}`")
    result = BenchReport.load(path)
    training, verification = room.companions(path.parent)
    if out is not None and file_format not in ("table", out.suffix.lower().removeprefix(".")):
        raise UsageError(f"--format {file_format} and --out {out} disagree: give one of them")
    if out is not None:
        console.note(f"written: {room.save(result, out, training=training, verification=verification)}")
    elif file_format == "table":
        show_results(result)
    elif file_format == "html":
        page = room.save(result, path.parent / runs.PAGE, training=training, verification=verification)
        console.note(f"written: {page}")
    else:
        sys.stdout.write(room.render(result, file_format, training=training, verification=verification))
