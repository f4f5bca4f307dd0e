"""`edgefashion selftest`."""

from typing import Annotated

import typer

from edgefashion.cli.options import DataOption, JsonOption, RunArgument

_QUICK = 1


def selftest(
    run: RunArgument = None,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="One repetition on sound models instead of 20.")] = False,
    clean: Annotated[
        int | None, typer.Option("--clean", min=0, help="Repetitions on sound models. Default: 20.")
    ] = None,
    where: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show that every gate fires, and only when it must.

    Faults are injected one by one into copies of a run's models: batch-norm in training mode, preprocessing done
    twice, classes swapped, one class damaged, a bad calibration set, weights perturbed, a provider that falls back
    to the CPU, 10 % more latency, a flipped bit. The gate against each must see it. Then the same gates must be
    silent on the sound models, each time on other pictures. About five minutes, or one with --quick; exit code 1 if
    a fault was missed or a gate cried wolf, 3 if the machine was too noisy to tell 10 %.
    """
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.data import load_present
    from edgefashion.environment import require
    from edgefashion.errors import CheckFailed, Inconclusive, UsageError
    from edgefashion.report.selftest_grids import clean_grid, faults_grid
    from edgefashion.report.tables import table

    require("train", purpose="injecting faults")
    from edgefashion import selftest as room

    if quick and clean is not None:
        raise UsageError("--quick is --clean 1: give one of them")
    folder = runs.find_run(run)
    split = load_present(where, note=console.note)
    repetitions = clean if clean is not None else _QUICK if quick else 20
    report = room.run(folder, split, clean=repetitions, note=console.note)
    if as_json:
        console.show_json(report.to_json())
    else:
        console.show(table(faults_grid(report)), *([table(clean_grid(report))] if repetitions else []))
    if not report.passed:
        raise CheckFailed("; ".join([*(f"missed: {fault}" for fault in report.missed), *report.alarms]))
    if report.undecided:
        raise Inconclusive(f"undecided: {'; '.join(report.undecided)}: try again on a quieter machine")
    left_out = f", {len(report.not_applicable)} not applicable" if report.not_applicable else ""
    caught = len(report.faults) - len(report.not_applicable)
    times = f"{repetitions} repetition{'' if repetitions == 1 else 's'}"
    console.note(f"{caught} faults caught{left_out}; no alarm in {times} on sound models")
