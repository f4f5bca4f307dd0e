"""`edgefashion bench`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import ArtifactsArgument, DataOption, JsonOption, SeedOption

if TYPE_CHECKING:
    from edgefashion.bench import Request
    from edgefashion.records import BenchReport

# What starting up, drawing and writing the results take here; of a small budget no more than this share.
_REPORT_S, _REPORT_SHARE = 4.0, 0.1


def bench(
    models: ArtifactsArgument = None,
    *,
    provider: Annotated[
        list[str] | None,
        typer.Option(help="cpu, cuda, tensorrt, … or an execution provider's own name; may be given more than once."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME.KEY=VALUE",
            help="A setting for the provider or runtime NAME, as in webgpu.device=gpu; may be given more than once.",
        ),
    ] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Measure a model although the provider leaves nodes to another one.")
    ] = False,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            help="onnxruntime, openvino, litert, executorch, ncnn, pytorch, … (`edgefashion doctor` lists them), or "
            "all that are here; may be given more than once. Default: for each model the usual one of its format."
        ),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUNTIME=PATH",
            help="Measure this runtime in the interpreter of another environment, where it cannot share this one; may "
            "be given more than once.",
        ),
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="Intra-op threads; may be given more than once. Default: 1.")
    ] = None,
    spinning: Annotated[
        bool, typer.Option("--spinning", help="Let idle pool threads burn their core while they wait.")
    ] = False,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Pictures a call; may be given more than once. Default: 1.")
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            help="Operating point: closed (default), paced:N (calls a second), batch (1, 8 and 64 pictures a call), "
            "sustained:SECONDS, mlperf:SingleStream, MultiStream, Offline or Server; may be given more than once."
        ),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Variant that ratios refer to. Default: the first float32 model.")
    ] = None,
    budget: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Time for quality, latency and report; ends earlier when all is precise."),
    ] = 60.0,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|RUN",
            help="Judge against this run, model or bench.json, measured again beside the candidates: "
            "exit code 0 PASS, 1 FAIL, 3 INCONCLUSIVE.",
        ),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Also show where the time goes, operator by operator (ONNX models).")
    ] = False,
    energy: Annotated[
        bool, typer.Option("--energy", help="Also measure joules a picture, where this machine has a counter.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the cells and the time they take; measure nothing.")
    ] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="Append the result as Markdown to the file in GITHUB_STEP_SUMMARY.")
    ] = False,
    seed: SeedOption = 0,
    where: DataOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results. Default: the models' own.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare quality and latency side by side.

    Accuracy, F1 of every class, size and latency of every model of a run, beside PyTorch; any other ONNX file is timed
    too. Each cell runs in fresh pinned processes whose answers are checked before they are timed; blocks are
    interleaved at random, and ratios are paired in time with 95 % intervals. The reference is measured twice: if its
    copies differ, the machine was disturbed and the result says so. Writes bench.json with every raw sample, plots/ and
    report.html. Exit code 1 if a cell could not be measured or the gate says FAIL, 3 if it is INCONCLUSIVE.
    """
    from edgefashion import runs
    from edgefashion.artifact import Artifact
    from edgefashion.bench import Request, measure
    from edgefashion.bench.gate.baseline import find_baseline
    from edgefashion.cli import console
    from edgefashion.cli.subjects import chosen_runtimes, chosen_subjects, parse_options, parse_pythons
    from edgefashion.data import load_present
    from edgefashion.errors import UsageError
    from edgefashion.files import locked
    from edgefashion.records import BenchReport

    started_s = time.monotonic()
    step_summary = console.step_summary() if summary else None
    found = runs.resolve_models(models or [])
    compared = find_baseline(baseline) if baseline else []
    pythons, providers = parse_pythons(python or []), provider or ["cpu"]
    runtimes = chosen_runtimes(runtime, found, providers=providers, pythons=pythons)
    models_here = chosen_subjects(found, runtimes, providers=providers, pythons=pythons)
    request = Request(
        models=models_here,
        baselines=[]
        if isinstance(compared, BenchReport)
        else chosen_subjects(compared, runtimes, providers=providers, pythons=pythons),
        runtimes=runtimes,
        providers=providers,
        pythons=pythons,
        options=parse_options(option or []),
        allow_partial=allow_partial,
        threads=threads or [1],
        spinning=spinning,
        batches=batch or [1],
        scenarios=scenario or ["closed"],
        reference=reference,
        profile=profile,
        energy=energy,
        budget_s=budget,
        seed=seed,
    )
    if plan:
        show_plan(request, as_json=as_json)
        return
    note_if_short(request)
    home = runs.run_of(found[0]) if isinstance(found[0], Artifact) else found[0].path.parent
    folder = out or home
    if baseline and Path(baseline).resolve() == (folder / runs.BENCHMARK).resolve():
        raise UsageError(f"{baseline} is the baseline and would be overwritten: give another folder with --out")
    split = load_present(where, note=console.note)

    with locked(folder):
        with console.BenchProgress() as progress:
            result = measure(
                request,
                split,
                stored=compared if isinstance(compared, BenchReport) else None,
                logs=folder / runs.LOADGEN,
                started_s=started_s,
                reserve_s=min(_REPORT_S, _REPORT_SHARE * budget),
                progress=progress,
            )
        page = save_results(result, folder, home=home)
    if as_json:
        console.show_json(result.to_json(indent=0))
    else:
        show_results(result, home=home)
        console.note(f"raw samples: {folder / runs.BENCHMARK}; report: {page}")
    if step_summary is not None:
        from edgefashion.report import summary_markdown

        console.append(step_summary, summary_markdown(result))
    leave_as(result)


def leave_as(result: "BenchReport") -> None:
    """Raise what the command's exit code must say.

    Raises:
        KeyboardInterrupt: Measuring was stopped.
        CheckFailed: A cell could not be measured, or the gate fails.
        Inconclusive: The gate cannot tell.
    """
    from edgefashion.errors import CheckFailed, Inconclusive

    if result.partial:
        raise KeyboardInterrupt
    if result.failures:
        raise CheckFailed(f"not measured: {'; '.join(f'{each.cell} ({each.reason})' for each in result.failures)}")
    gate = result.gate
    if gate is None or (gate.verdict == "PASS" and gate.paired):
        return
    # Latency beside stored figures is advice, for good and for ill; decisions are paired by picture in any case.
    proven = gate.paired or any(check.verdict == "FAIL" for check in gate.quality)
    raise CheckFailed(gate.reasons[0]) if gate.verdict == "FAIL" and proven else Inconclusive(gate.reasons[0])


def note_if_short(request: "Request") -> None:
    """Say so before the work if the budget is too short for intervals as narrow as they should be."""
    from edgefashion.bench.plan import estimate_s, make_plan
    from edgefashion.cli import console

    made = make_plan(request)
    least_s = estimate_s(made)
    if least_s > made.budget_s:
        console.note(
            f"{len(made.cells)} cells want about {least_s:.0f} s for {made.min_generations} launches of each, the "
            f"budget is {made.budget_s:.0f} s: intervals will be wide, and two launches of each run in any case"
        )


def show_plan(request: "Request", *, as_json: bool) -> None:
    """Print the cells in the order of the plan, and the time they take."""
    import msgspec

    from edgefashion.bench.afterwards import check_request
    from edgefashion.bench.plan import estimate_s, make_plan
    from edgefashion.cli import console

    check_request(request)
    made = make_plan(request)
    if as_json:
        console.show_json(msgspec.json.encode(made))
        return
    for cell in made.cells:
        role = "" if cell.role == "subject" else f"  ({cell.role})"
        mark = "  (reference)" if cell.label == made.reference else role
        console.stdout().print(f"{cell.label}{mark}", markup=False, highlight=False, soft_wrap=True)
    least_s = estimate_s(made)
    enough = "enough for it" if least_s <= made.budget_s else "not enough: the result will be less precise"
    console.stdout().print(
        f"\n{len(made.cells)} cells; {made.min_generations} generations take about {least_s:.0f} s, "
        f"the budget is {made.budget_s:.0f} s: {enough}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def save_results(result: "BenchReport", folder: Path, *, home: Path | None = None) -> Path:
    """Write bench.json, plots and report.html; returns the page.

    What other documents in `home`, the folder of the models, say becomes part of the page.
    """
    from edgefashion import report, runs

    # First what cannot be made again.
    result.save(folder / runs.BENCHMARK, indent=0)
    report.save_bench_plots(result, folder)
    return report.save(result, folder / runs.PAGE, beside=report.beside(home or folder))


def show_results(result: "BenchReport", *, home: Path | None = None) -> None:
    """Print verdicts and headline, summary with its warnings, and F1 per class.

    What lies in `home`, the folder of the models, about emulated processors follows in tables of its own.
    """
    from edgefashion import report
    from edgefashion.cli import console
    from edgefashion.report.elsewhere import elsewhere_grids
    from edgefashion.report.tables import overview, table

    console.show(*overview(result))
    if home:
        console.show(*map(table, elsewhere_grids(report.beside(home))))
