"""`edgefashion kit`."""

from pathlib import Path
from typing import Annotated

import typer

from edgefashion.cli.options import JsonOption, RunArgument


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
    as_json: JsonOption = False,
) -> None:
    """Pack a model for a device, with what proves and measures it there.

    The kit holds the model, golden pictures with the answers it gave to them, and a runner that needs Python, numpy and
    one runtime: neither edgefashion nor torch. On the device: `python3 -m edgefashion_kit selftest` and `bench`. The
    file that bench writes there is shown beside this machine's own figures by `edgefashion report --device FILE`.
    """
    import sys

    from edgefashion import kit as room
    from edgefashion import runs
    from edgefashion.cli import console

    folder = Path(artifact).parent if run is None and artifact and Path(artifact).is_file() else runs.find_run(run)
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
