"""`edgefashion predict`."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import DataOption, JsonOption

_MAX_DIGITS = 9

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgefashion.artifact import Artifact


def predict(
    artifact: Annotated[str, typer.Argument(metavar="ARTIFACT", help="A model file, or a run for its first model.")],
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE…", help="PNG or JPEG files, or the number of a test picture.")
    ],
    *,
    top: Annotated[int, typer.Option(min=1, help="How many classes to print for each picture.")] = 3,
    provider: Annotated[str, typer.Option(help="Execution provider.")] = "cpu",
    where: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Classify pictures.

    A file may have any size and colour: it is made grey, inverted where its background is bright, and scaled to the
    model's input. A number is a picture of the test set; its true class is printed beside it.
    """
    import msgspec
    import numpy as np
    from rich.table import Table

    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.records import SessionSpec
    from edgefashion.runtimes import default_spec, open_session, resolve_provider, run_all

    model = runs.resolve_artifacts([artifact])[0]
    labels = model.manifest.labels
    pictures, truths = load_pictures(images, model, where)
    default = default_spec(model)
    spec = SessionSpec(runtime=default.runtime, provider=resolve_provider(default.runtime, provider))
    with open_session(model, spec) as session:
        logits = run_all(session, pictures).astype(np.float64)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    best = np.argsort(-probabilities, axis=1)[:, :top]
    answers = [
        {
            "image": name,
            "truth": truth,
            "classes": [{"label": labels[index], "probability": float(row[index])} for index in order],
        }
        for name, truth, row, order in zip(images, truths, probabilities, best, strict=True)
    ]
    if as_json:
        console.show_json(msgspec.json.encode(answers))
        return
    table = Table("picture", "true class", *(f"{place + 1}." for place in range(best.shape[1])))
    for name, truth, row, order in zip(images, truths, probabilities, best, strict=True):
        table.add_row(name, truth or "–", *(f"{labels[index]} {row[index]:.1%}" for index in order))
    console.show(table)


def load_pictures(
    names: list[str], model: "Artifact", where: str | None
) -> "tuple[NDArray[np.uint8], list[str | None]]":
    """uint8[N, H, W] for the model's input, and the true class of each that is a test picture.

    Raises:
        BadInput: A file is missing or no picture.
        UsageError: There is no test picture of that number.
    """
    from pathlib import Path

    import numpy as np

    from edgefashion.cli import console
    from edgefashion.data import load_present
    from edgefashion.data.picture import read_picture
    from edgefashion.errors import UsageError

    height, width = (int(size) for size in model.manifest.input.shape[1:])
    numbered = any(_is_number(name) for name in names)
    test = load_present(where, note=console.note).test if numbered else None
    pixels: list[NDArray[np.uint8]] = []
    truths: list[str | None] = []
    for name in names:
        if not _is_number(name) or test is None:
            pixels.append(read_picture(Path(name), (height, width)))
            truths.append(None)
            continue
        if int(name) >= len(test):
            raise UsageError(f"there is no test picture {name}: expected 0 to {len(test) - 1}")
        pixels.append(test.pixels[int(name)])
        truths.append(model.manifest.labels[int(test.labels[int(name)])])
    return np.stack(pixels), truths


def _is_number(name: str) -> bool:
    # No data set has a picture whose number is longer; Python refuses to read very long ones.
    return name.isascii() and name.isdecimal() and len(name) <= _MAX_DIGITS
