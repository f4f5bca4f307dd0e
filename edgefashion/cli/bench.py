"""`edgefashion bench`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import ArtifactsArgument, DataOption, JsonOption, SeedOption

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.records import BenchReport


def bench(
    artifacts: ArtifactsArgument = None,
    *,
    provider: Annotated[
        list[str] | None,
        typer.Option(help="cpu, cuda, tensorrt, … or an execution provider's own name; may be given more than once."),
    ] = None,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            help="onnxruntime or pytorch; may be given more than once. Default: both where torch is installed."
        ),
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="Intra-op threads; may be given more than once. Default: 1.")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Pictures a call; may be given more than once. Default: 1.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Variant that ratios refer to. Default: the first float32 model.")
    ] = None,
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="Time for measuring latency.")] = 60.0,
    seed: SeedOption = 0,
    where: DataOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results. Default: the run's.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare quality and latency side by side.

    Accuracy, F1 of every class, size and latency of every model of a run, beside PyTorch. Each cell runs in fresh
    pinned processes whose answers are checked before they are timed; blocks are interleaved at random, and ratios are
    paired in time with 95 % intervals. The reference is measured twice: if its copies differ, the machine was
    disturbed and the result says so. Writes bench.json with every raw sample, plots/ and report.html. Exit code 1 if
    a cell could not be measured.
    """
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.data import load_present
    from edgefashion.errors import CheckFailed
    from edgefashion.files import locked

    found = runs.resolve_artifacts(artifacts or [])
    home = found[0].path.parent
    folder = out or home
    subjects = chosen_subjects(found, runtime)
    split = load_present(where, note=console.note)
    from edgefashion.bench import measure

    with locked(folder):
        with console.BenchProgress() as progress:
            result = measure(
                subjects,
                split,
                runtimes=runtime,
                providers=provider or ["cpu"],
                threads=threads or [1],
                batches=batch or [1],
                reference=reference,
                budget_s=budget,
                seed=seed,
                progress=progress,
            )
        page = save_results(result, folder, home=home)
    if as_json:
        console.show_json(result.to_json(indent=0))
    else:
        show_results(result)
        console.note(f"raw samples: {folder / runs.BENCHMARK}; report: {page}")
    if result.partial:
        raise KeyboardInterrupt
    if result.failures:
        raise CheckFailed(f"not measured: {'; '.join(f'{each.cell} ({each.reason})' for each in result.failures)}")


def chosen_subjects(artifacts: "list[Artifact]", wanted: list[str] | None) -> "list[Artifact]":
    """What is measured: the artifacts, and the PyTorch checkpoint beside each where torch is installed.

    Raises:
        UsageError: A runtime is unknown.
        NotAvailable: PyTorch was asked for and is not installed.
    """
    from edgefashion import runs
    from edgefashion.artifact import open_artifact
    from edgefashion.cli import console
    from edgefashion.environment import installed
    from edgefashion.errors import NotAvailable, UsageError
    from edgefashion.registry import unknown
    from edgefashion.runtimes import RUNTIMES

    for name in wanted or []:
        if name not in RUNTIMES.names():
            raise UsageError(unknown("runtime", name, RUNTIMES.names()))
    if wanted and "pytorch" in wanted and installed("torch") is None:
        raise NotAvailable("PyTorch was asked for and is not installed: pip install 'edgefashion[train]'")
    if wanted and "pytorch" not in wanted:
        return artifacts
    if installed("torch") is None:
        console.note("PyTorch is left out: it is not installed (pip install 'edgefashion[train]')")
        return artifacts
    origins = {artifact.manifest.checkpoint_sha256 for artifact in artifacts}
    checkpoints = []
    for folder in dict.fromkeys(artifact.path.parent for artifact in artifacts):
        path = folder / runs.CHECKPOINT
        if path.is_file():
            checkpoint = open_artifact(path)
            if checkpoint.sha256 in origins:
                checkpoints.append(checkpoint)
            elif checkpoint.sha256 not in {artifact.sha256 for artifact in artifacts}:
                console.note(f"PyTorch is left out: {path} is not what these models were exported from")
    return [*artifacts, *checkpoints]


def save_results(result: "BenchReport", folder: Path, *, home: Path | None = None) -> Path:
    """Write plots, report.html and, last, bench.json; returns the page.

    What train.json and verify.json in `home`, the folder of the models, say becomes part of the page.
    """
    from edgefashion import report, runs

    report.save_bench_plots(result, folder)
    training, verification = report.companions(home or folder)
    page = report.save(result, folder / runs.PAGE, training=training, verification=verification)
    result.save(folder / runs.BENCHMARK, indent=0)
    return page


def show_results(result: "BenchReport") -> None:
    """Print headline, summary with its warnings, and F1 per class."""
    from edgefashion.cli import console
    from edgefashion.report import headline
    from edgefashion.report.tables import per_class_table, summary_table

    console.show(headline(result), summary_table(result), per_class_table(result))
