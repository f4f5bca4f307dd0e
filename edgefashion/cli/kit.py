"""`edgefashion kit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import JsonOption, RunArgument

if TYPE_CHECKING:
    from edgefashion.records.kit import DeviceTable


def kit(
    run: RunArgument = None,
    *,
    artifact: Annotated[
        str | None,
        typer.Option(
            "--artifact",
            metavar="VARIANT|FILE",
            help="The model to pack. Default: the run's int8 ONNX model, or float32 if it has none.",
        ),
    ] = None,
    as_zip: Annotated[
        bool, typer.Option("--zip", help="One zip file instead of a folder; same kit, same bytes.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where NAME-VARIANT-kit is put. Default: the folder of the run."),
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            "--results",
            metavar="FILE",
            help="Pack nothing; show what a device sent back. Can be given several times.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Pack a model for a device, with what proves and measures it there.

    The kit holds the model, golden pictures with the answers it gave to them, and a runner that needs Python, numpy and
    one runtime: neither edgefashion nor torch. On the device: `python3 -m edgefashion_kit selftest` and `bench`. The
    file that bench writes there comes back with --results, and is refused if it is about another model.
    """
    import sys

    from edgefashion import kit as room
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.errors import UsageError

    folder = Path(artifact).parent if run is None and artifact and Path(artifact).is_file() else runs.find_run(run)
    if results:
        if artifact or as_zip or out:
            raise UsageError("--results shows what devices sent back and packs nothing: leave the other options out")
        _show_devices(_devices(folder, results), as_json=as_json)
        return
    chosen, why = room.choose(folder, artifact)
    files = room.build(chosen)
    place = (out or folder) / room.name_of(chosen)
    written = room.write_zip(files, place.with_name(f"{place.name}.zip")) if as_zip else room.write_folder(files, place)
    console.note(f"{chosen.path.name}: {why}")
    if as_json:
        console.show_json(files["kit.json"])
    else:
        sys.stdout.write(f"{written}\n")
    console.note("on the device, in that folder: python3 -m edgefashion_kit selftest")


def _devices(run: Path, results: "list[Path]") -> "DeviceTable":
    """What devices made of the models of `run`, beside the run's own bench.json where there is one."""
    from edgefashion import kit as room
    from edgefashion import runs
    from edgefashion.records import BenchReport

    stored = run / runs.BENCHMARK
    host = BenchReport.load(stored) if stored.is_file() else None
    expected = [artifact.info for artifact in runs.artifacts_in(run)]
    return room.beside_host(room.load_results(results, expected=expected), host)


def _show_devices(table: "DeviceTable", *, as_json: bool) -> None:
    import msgspec

    from edgefashion.cli import console
    from edgefashion.report.kit_grids import devices_grid
    from edgefashion.report.tables import table as in_table

    if as_json:
        console.show_json(msgspec.json.encode(table))
    else:
        console.show(in_table(devices_grid(table)))
