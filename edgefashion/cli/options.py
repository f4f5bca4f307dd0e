"""Options that several commands share, so that they mean and say the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DIR|sample",
        help="Folder with the four IDX files, or 'sample' for the 3,000 bundled pictures. "
        "Default: EDGEFASHION_DATA, the cache, the system's folder.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout instead of tables.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="Decides everything that is random.")]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="torch's threads. Default: all usable cores.")
]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder of the run.")]
ArtifactsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ARTIFACT…]", help="Model files, or runs for all their models. Default: the newest run in exported/."
    ),
]
MinAgreementOption = Annotated[
    float | None,
    typer.Option("--min-agreement", min=0, max=1, help="Least share of pictures whose top-1 class must stay."),
]
MaxDropOption = Annotated[
    float | None,
    typer.Option(
        "--max-accuracy-drop", min=0, max=1, help="Most accuracy that may be lost, as a fraction: .005 is half a point."
    ),
]
