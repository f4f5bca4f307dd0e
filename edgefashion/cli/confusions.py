"""`edgefashion confusions`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import ArtifactsArgument, DataOption, JsonOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgefashion.artifact import Artifact
    from edgefashion.records.confusions import ConfusionsReport


def confusions(
    artifacts: ArtifactsArgument = None,
    *,
    label: Annotated[str, typer.Option("--class", metavar="NAME", help="The class to look at.")] = "Shirt",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.png", help="Draw the pictures that every model misses into this file."),
    ] = None,
    where: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what models take a class for.

    Runs every model on the test pictures. A table with a row a model: F1, precision and recall of the class, and where
    its mistakes go; a second one for what is taken for the class. Then the pictures of it that every model misses:
    how many there are, how many there would be if models erred independently of each other (those of one checkpoint
    count as one), and how many may carry a wrong label, because all models give the same other answer, each at least
    as surely as it usually knows that class. No label is changed.
    """
    from edgefashion import environment, runs
    from edgefashion.cli import console
    from edgefashion.data import load_present
    from edgefashion.errors import UsageError
    from edgefashion.verify.confusions import ask, measure_confusions

    if out is not None and out.suffix.lower() != ".png":
        raise UsageError(f"cannot draw into {out}: expected a name that ends in .png")
    found = list({each.sha256: each for each in runs.resolve_artifacts(artifacts or [], only_onnx=True)}.values())
    split = load_present(where, note=console.note)
    console.note(f"running {len(found)} model{'' if len(found) == 1 else 's'} on {len(split.test):,} test pictures")
    answers = [ask(each, split, model=name) for each, name in zip(found, names_of(found), strict=True)]
    result = measure_confusions(answers, split, label, environment=environment.describe())
    if as_json:
        console.show_json(result.to_json())
    else:
        show_confusions(result)
    if out is not None:
        from edgefashion.report.confusions_plate import missed_plate
        from edgefashion.report.drawing import save

        console.note(f"written: {save(missed_plate(result), out)}")


def names_of(artifacts: "Sequence[Artifact]") -> list[str]:
    """A name for each model: its file's, with the folder where there are several, or the whole path if need be."""
    stems = [each.path.stem for each in artifacts]
    in_folders = [f"{each.path.absolute().parent.name} · {each.path.stem}" for each in artifacts]
    for names in (stems, in_folders):
        if len(set(names)) == len(names):
            return names
    return [str(each.path) for each in artifacts]


def show_confusions(result: "ConfusionsReport") -> None:
    """Print both tables, then the sentences."""
    from rich.text import Text

    from edgefashion.cli import console
    from edgefashion.report.confusions_grids import confusions_grids, confusions_sentences
    from edgefashion.report.tables import table

    console.show(*map(table, confusions_grids(result)), *map(Text, confusions_sentences(result)))
