"""`edgefashion report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from edgefashion.records import BenchReport
    from edgefashion.records.kit import DeviceTable


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
    device: Annotated[
        list[Path] | None,
        typer.Option(
            "--device",
            metavar="FILE",
            help="What `bench` of a device kit wrote on a device, for a table of devices; may be given more than once.",
        ),
    ] = None,
) -> None:
    """Render a stored benchmark again.

    Nothing is measured. What train.json, verify.json, microcontroller.json and emulated.json say about the same run
    becomes part of the report, and so do results that devices sent back. junit is for build servers; pyperf and
    benchmark-action (github-action-benchmark's customSmallerIsBetter) are JSON for the tools of that name.
    """
    import sys
    from dataclasses import replace

    from edgefashion import report as room
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.errors import UsageError
    from edgefashion.records import BenchReport
    from edgefashion.report.elsewhere import elsewhere_grids
    from edgefashion.report.tables import overview, table

    path = stored_result(source)
    result = BenchReport.load(path)
    beside = replace(room.beside(path.parent), devices=devices_beside(path, device or [], result))
    if out is not None and out.resolve() == path.resolve():
        raise UsageError(f"--out {out} is the stored result itself: give another name")
    if out is None and file_format == "html":
        out = path.parent / runs.PAGE
    if out is not None:
        chosen = None if file_format == "table" else file_format
        written = room.save(result, out, file_format=chosen, beside=beside)
        console.note(f"written: {written}")
    elif file_format == "table":
        console.show(*overview(result), *map(table, elsewhere_grids(beside)))
    else:
        sys.stdout.write(room.render(result, file_format, beside=beside))


def devices_beside(path: Path, results: list[Path], host: "BenchReport") -> "DeviceTable | None":
    """What devices made of the models that lie beside the stored result at `path`, or that it measured.

    Raises:
        BadInput: A file is damaged, or is about another model.
    """
    from edgefashion import kit, runs

    if not results:
        return None
    here = [cell.artifact for cell in host.plan.cells] + [each.info for each in runs.artifacts_in(path.parent)]
    return kit.beside_host(kit.load_results(results, expected=here), host)


def stored_result(source: str | None) -> Path:
    """The file of a stored benchmark: `source` itself, or that of the run or folder it names; the newest run's if None.

    Raises:
        BadInput: There is none.
    """
    from edgefashion import runs
    from edgefashion.errors import BadInput

    if source:
        if Path(source).is_file() or Path(source).suffix == Path(runs.BENCHMARK).suffix:
            return Path(source)
        # A folder of results need not be that of a run.
        folder = Path(source) if Path(source).is_dir() else runs.EXPORTED / source
        if (folder / runs.BENCHMARK).is_file():
            return folder / runs.BENCHMARK
    path = runs.find_run(source) / runs.BENCHMARK
    if not path.is_file():
        raise BadInput(f"{path} does not exist: measure first with `edgefashion bench {path.parent}`")
    return path
