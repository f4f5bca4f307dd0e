"""`edgefashion emulate`."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import ArtifactsArgument, DataOption, JsonOption

if TYPE_CHECKING:
    from pathlib import Path

    from edgefashion.artifact import Artifact
    from edgefashion.data import Dataset
    from edgefashion.records.microcontroller import ArenaSize, MicrocontrollerReport

_FORMAT = "c"
_LEVELS = ("1", "2", "3", "s")


def emulate(
    artifacts: ArtifactsArgument = None,
    *,
    pictures: Annotated[int, typer.Option(min=1, help="Test pictures that each model answers.")] = 10,
    optimize: Annotated[str, typer.Option(metavar="1|2|3|s", help="The cross compiler's optimization.")] = "2",
    data_dir: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run models in C on an emulated Cortex-M4: bits, flash, RAM, stack, instructions.

    Cross-compiles what `edgefashion export --format c` made, runs it in QEMU, and holds the logits against ONNX Runtime
    on this machine: int8 must give the same bits. Writes microcontroller.json into the run. Counts of instructions are
    exact and the same each time; they are not times.

    Needs the Debian packages gcc-arm-none-eabi, libnewlib-arm-none-eabi and qemu-system-arm.
    """
    from edgefashion import emulate as room
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.data import load_present
    from edgefashion.errors import CheckFailed, UsageError
    from edgefashion.files import locked
    from edgefashion.registry import unknown
    from edgefashion.report.microcontroller_grids import microcontroller_grids
    from edgefashion.report.tables import table

    if optimize not in _LEVELS:
        raise UsageError(unknown("optimization", optimize, _LEVELS))
    room.require_tools()
    models = _models_in_c(artifacts or [])
    sources = {model.sha256: source_of(model) for model in models}
    split = load_present(data_dir, note=console.note)
    reports = []
    for run, own in _by_run(models).items():
        report = _emulate(run, own, sources, split, pictures=pictures, level=optimize)
        with locked(run):
            report.save(run / runs.MICROCONTROLLER)
        reports.append(report)
    whole = _together(reports)
    if as_json:
        console.show_json(whole.to_json())
    else:
        console.show(*map(table, microcontroller_grids(whole)))
    failed = [result for result in whole.results if not result.passed]
    if failed:
        names = ", ".join(f"{each.artifact.name}/{each.artifact.variant}" for each in failed)
        raise CheckFailed(f"{names} does not answer on the emulated Cortex-M4 as in ONNX Runtime here")


def _emulate(
    run: "Path",
    models: "list[Artifact]",
    sources: "dict[str, Artifact]",
    split: "Dataset",
    *,
    pictures: int,
    level: str,
) -> "MicrocontrollerReport":
    from edgefashion import emulate as room
    from edgefashion import environment
    from edgefashion.cli import console
    from edgefashion.records.microcontroller import MicrocontrollerReport

    arenas = _arenas(run)
    results = []
    for model in models:
        console.note(f"{model.path}: {pictures} pictures on an emulated Cortex-M4")
        results.append(room.run(model, sources[model.sha256], split, pictures=pictures, level=level))
    return MicrocontrollerReport(
        board=room.BOARD,
        data=split.identity,
        results=results,
        arenas=arenas,
        tools=room.tool_versions(),
        environment=environment.describe(),
    )


def _together(reports: "list[MicrocontrollerReport]") -> "MicrocontrollerReport":
    """One report of what each run has in a file of its own."""
    import msgspec

    return msgspec.structs.replace(
        reports[0],
        results=[result for report in reports for result in report.results],
        arenas=[arena for report in reports for arena in report.arenas],
    )


def _models_in_c(names: list[str]) -> "list[Artifact]":
    """The models in C among those that were named.

    Raises:
        BadInput: There are none.
    """
    from edgefashion import runs
    from edgefashion.errors import BadInput

    found = [each for each in runs.resolve_artifacts(names) if each.format == _FORMAT]
    if not found:
        run = names[0] if names else "RUN"
        raise BadInput(f"there is no model in C: make it with `edgefashion export {run} --format c`")
    return found


def source_of(model: "Artifact") -> "Artifact":
    """The ONNX model that a model in C was made from.

    Raises:
        BadInput: It is not in the run any more.
    """
    from edgefashion import runs
    from edgefashion.artifact import open_artifact
    from edgefashion.errors import BadInput

    run, manifest = runs.run_of(model), model.manifest
    for path in sorted(run.glob("*.onnx")):
        try:
            source = open_artifact(path)
        except BadInput:  # another's, or damaged: it is not the one
            continue
        found = source.manifest
        if (found.checkpoint_sha256, found.precision, found.quantization) == (
            manifest.checkpoint_sha256,
            manifest.precision,
            manifest.quantization,
        ):
            return source
    raise BadInput(
        f"{run} does not hold the ONNX model that {model.path} was made from, and is compared with: make both again "
        "with `edgefashion export`"
    )


def _by_run(models: "list[Artifact]") -> "dict[Path, list[Artifact]]":
    from edgefashion import runs

    found: dict[Path, list[Artifact]] = {}
    for model in models:
        found.setdefault(runs.run_of(model), []).append(model)
    return found


def _arenas(run: "Path") -> "list[ArenaSize]":
    """What TensorFlow Lite Micro says about the .tflite models of a run, where it is installed."""
    from edgefashion import runs
    from edgefashion.environment import installed
    from edgefashion.records.microcontroller import ArenaSize
    from edgefashion.runtimes import tflite_micro

    if installed(tflite_micro.PACKAGE) is None:
        return []
    return [
        ArenaSize(each.info, tflite_micro.arena_bytes(each))
        for each in runs.artifacts_in(run)
        if each.format == "tflite"
    ]
