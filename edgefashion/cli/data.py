"""`edgefashion data`."""

from typing import Annotated

import typer

from edgefashion.cli.options import DataOption, JsonOption


def data(
    *,
    where: DataOption = None,
    apt_update: Annotated[
        bool,
        typer.Option(
            help="Whether fetching from Debian may download package lists, into a temporary folder of its own."
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Find, fetch and check Fashion-MNIST.

    Tried in this order, each named on stderr: --data or EDGEFASHION_DATA, the cache, the system's folder,
    torchvision's download, Debian's package (downloaded and unpacked, never installed).
    """
    import msgspec
    from rich.table import Table

    from edgefashion.cli import console
    from edgefashion.data import load

    found = load(where, note=console.note, update_lists=apt_update)
    identity = found.identity
    if as_json:
        console.show_json(msgspec.json.encode({"origin": found.origin, "identity": identity}))
        return
    table = Table(title=identity.name, caption=identity.note or "every byte is the published one", show_header=False)
    table.add_row("where", found.origin)
    table.add_row("SHA-256", identity.sha256)
    table.add_row("training", f"{identity.train_images:,} pictures")
    table.add_row("validation", f"{identity.validation_images:,} pictures, set aside class by class")
    table.add_row("test", f"{identity.test_images:,} pictures, used for reporting only")
    table.add_row("classes", ", ".join(identity.labels))
    console.show(table)
