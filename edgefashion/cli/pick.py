"""`edgefashion pick`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edgefashion.cli.options import JsonOption

if TYPE_CHECKING:
    from edgefashion.records import ArtifactInfo, BenchReport
    from edgefashion.records.pick import Choice

_MODELS = {".onnx", ".safetensors"}


def pick(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BENCH.json|RUN|MODEL…]",
            help="A stored benchmark, the run that has one, or some of its models. Default: that in exported/.",
        ),
    ] = None,
    *,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Largest file, as 100kB (1,000 bytes each) or 96KiB.")
    ] = None,
    min_accuracy: Annotated[str | None, typer.Option(metavar="SHARE", help="Least accuracy, as 93% or 0.93.")] = None,
    max_p50: Annotated[str | None, typer.Option(metavar="TIME", help="Longest median call, as 100us.")] = None,
    max_p99: Annotated[
        str | None, typer.Option(metavar="TIME", help="Longest 99th percentile of calls, as 200us or 0.2ms.")
    ] = None,
    min_class_f1: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS=SHARE", help="Least F1 of a class, as Shirt=0.8; may be given more than once."),
    ] = None,
    prefer: Annotated[
        Literal["accuracy", "latency", "size"], typer.Option(help="What counts first among those that keep the limits.")
    ] = "accuracy",
    batch: Annotated[int, typer.Option(min=1, help="Pictures a call.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Intra-op threads. Default: whatever was measured.")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Execution provider. Default: all that were measured.")] = None,
    runtime: Annotated[str | None, typer.Option(help="Runtime. Default: all that were measured.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Also draw plots/pick.png beside the benchmark.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Choose the model that keeps limits on size, quality and latency.

    Nothing is measured: every figure, with its 95 % interval, is from one stored benchmark, because latencies of
    different runs or machines are not comparable. Shows every candidate, whether it is on the Pareto front of size,
    accuracy and median latency, and how far it is from each limit. A limit is met or missed where the whole interval
    is on one side of it. Exit code 1 if every model misses a limit, 3 if the intervals do not tell.
    """
    from edgefashion import pick as room
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.records import BenchReport

    constraints = room.limits(
        max_size=max_size,
        min_accuracy=min_accuracy,
        max_p50=max_p50,
        max_p99=max_p99,
        min_class_f1=min_class_f1 or [],
    )
    path, digests = find_benchmark(sources or [])
    bench = BenchReport.load(path)
    cells = room.select(bench, batch=batch, threads=threads, provider=provider, runtime=runtime, digests=digests)
    choice = room.pick(bench, cells, constraints, prefer=prefer)
    if plot:
        from edgefashion.report.drawing import save
        from edgefashion.report.pick_plot import front

        console.note(f"written: {save(front(choice, bench.plan), path.parent / runs.PLOTS / 'pick.png')}")
    if as_json:
        console.show_json(choice.to_json())
    else:
        show_choice(choice, bench, folder=path.parent)
    leave_as(choice, bench)


def find_benchmark(sources: list[str]) -> "tuple[Path, set[str]]":
    """The one stored benchmark that `sources` name, and the SHA-256 of the models that they name.

    A model stands for the benchmark beside it, unless another source names one.

    Raises:
        BadInput: There is none, or a file is missing or damaged.
        UsageError: There are several.
    """
    from edgefashion import runs
    from edgefashion.cli.report import stored_result
    from edgefashion.errors import BadInput
    from edgefashion.subjects import open_model

    models = [Path(source) for source in sources if Path(source).suffix in _MODELS]
    named = [stored_result(source) for source in sources if Path(source).suffix not in _MODELS]
    found = named or [model.parent / runs.BENCHMARK for model in models]
    if not sources:
        found = sorted(runs.EXPORTED.glob(f"*/{runs.BENCHMARK}"))
    if not found:
        raise BadInput(f"there is no {runs.BENCHMARK} under {runs.EXPORTED}: measure first with `edgefashion bench`")
    return _only(list({path.resolve(): path for path in found}.values())), {open_model(each).sha256 for each in models}


def _only(paths: list[Path]) -> Path:
    from edgefashion.errors import UsageError
    from edgefashion.records import BenchReport

    if len(paths) > 1:
        named = ", ".join(f"{path} ({BenchReport.load(path).environment.cpu})" for path in paths)
        raise UsageError(
            f"{len(paths)} benchmarks, whose latencies are not comparable: {named}; "
            "name one, or measure the models together: `edgefashion bench RUN RUN… --out DIR`"
        )
    return paths[0]


def show_choice(choice: "Choice", bench: "BenchReport", *, folder: Path) -> None:
    """Print what was chosen and where its file lies, then the table; without a choice the table alone."""
    from rich.text import Text

    from edgefashion.cli import console
    from edgefashion.report.pick_grids import candidates_grid
    from edgefashion.report.pick_words import verdict_on_choice
    from edgefashion.report.tables import table

    if choice.chosen:
        artifact = choice.candidate(choice.chosen).artifact
        path = find_file(artifact, folder)
        place = str(path) if path else f"the file that was measured is not in {folder}: SHA-256 {artifact.sha256}"
        sentence = verdict_on_choice(choice, bench.plan).sentence
        console.show(Text.assemble((place, "bold green" if path else "yellow"), f"\n{sentence}"))
    console.show(table(candidates_grid(choice, bench.plan)))


def find_file(artifact: "ArtifactInfo", folder: Path) -> Path | None:
    """The very file that was measured: beside the benchmark, or in its own run; None where it is in neither."""
    from edgefashion import runs
    from edgefashion.files import read_bounded, sha256

    # By their last part: a document from elsewhere cannot name other folders.
    file, run = Path(artifact.file).name, Path(artifact.name).name
    places = [folder / file, folder.parent / run / file, runs.EXPORTED / run / file]
    return next((path for path in places if path.is_file() and sha256(read_bounded(path)) == artifact.sha256), None)


def leave_as(choice: "Choice", bench: "BenchReport") -> None:
    """Raise what the exit code must say.

    Raises:
        CheckFailed: Every candidate misses a limit.
        Inconclusive: None certainly keeps all of them, and it cannot be told of each that it does not.
    """
    from edgefashion.errors import CheckFailed, Inconclusive
    from edgefashion.report.pick_words import verdict_on_choice

    if choice.verdict == "FAIL":
        raise CheckFailed(verdict_on_choice(choice, bench.plan).sentence)
    if choice.verdict == "INCONCLUSIVE":
        raise Inconclusive(verdict_on_choice(choice, bench.plan).sentence)
