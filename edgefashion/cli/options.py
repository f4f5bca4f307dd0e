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
RunArgument = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="Folder of a run. Default: the newest in exported/.")
]
MaxLossOption = Annotated[
    str | None,
    typer.Option(
        "--max-drop",
        metavar="SHARE",
        help="Most accuracy that int8 may lose, as 0.2% or .002, shown on validation pictures with its interval.",
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


def parse_share(text: str | None, option: str) -> float | None:
    """A share of one from "0.2%" or ".002"; None stays None.

    Raises:
        UsageError: It is no number, or not above 0 and below 1.
    """
    from edgefashion.errors import UsageError

    if text is None:
        return None
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise UsageError(f"{option} {text}: expected a share above 0 and below 1, as 0.2% or .002")
    return share
