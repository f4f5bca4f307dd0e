"""`edgefashion export --format NAME`: a run's model in formats other than ONNX."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.data import Dataset
    from edgefashion.records import Parity
    from edgefashion.verify import Limits, ReferenceLogits


def run_conversions(
    folder: Path,
    split: "Dataset",
    names: list[str],
    *,
    quantize: bool,
    source: str | None = None,
    given: "Limits",
    pictures: bool,
) -> "list[Parity]":
    """Write each format in float32, and with `quantize` in every smaller form that it has.

    With `source` it is the form of that ONNX model of the run alone, made from it. Otherwise those that a format is
    made from are made where they are missing. `given` limits are for the smaller forms.

    Raises:
        BadInput: The run has no ONNX model called `source`.
        CheckFailed: One does not decide like PyTorch; it was not written, those before it were.
    """
    from edgefashion import runs
    from edgefashion.artifact import open_artifact
    from edgefashion.cli import console
    from edgefashion.export import convert, load_converter
    from edgefashion.export.formats import check_source, source_variant
    from edgefashion.files import locked
    from edgefashion.verify import Limits, default_limits, override

    checkpoint = open_artifact(folder / runs.CHECKPOINT)
    results: list[Parity] = []
    origin = _origin(folder, source) if source is not None else None
    for name in names:
        if origin is not None:
            check_source(name, origin, origin.manifest.precision)
    with locked(folder):
        reference = _reference(folder, checkpoint, split)
        for name in names:
            converter = load_converter(name)
            asked = converter.PRECISIONS if quantize else converter.PRECISIONS[:1]
            for precision in [origin.manifest.precision] if origin else asked:
                if origin is None:
                    results += _make_source(
                        source_variant(converter, precision), checkpoint, split, reference, pictures=pictures
                    )
                console.note(f"exporting {name}, {precision}")
                usual = default_limits(precision, len(reference.labels))
                limits = override(usual, given if precision != "float32" else Limits())
                _, parity = convert(
                    name,
                    checkpoint,
                    split,
                    precision=precision,
                    source=origin,
                    reference=reference,
                    limits=limits,
                    pictures=pictures,
                    note=console.note,
                )
                results.append(parity)
    return results


def _origin(folder: Path, variant: str) -> "Artifact":
    from edgefashion.artifact import open_artifact
    from edgefashion.errors import BadInput

    present = {path.stem: path for path in sorted(folder.glob("*.onnx"))}
    path = present.get(variant.removesuffix(".onnx"))
    if path is None:
        raise BadInput(
            f"{folder} has no ONNX model {variant!r}: --from takes one of {', '.join(present) or 'its own'}; "
            "`edgefashion export --scheme` makes more"
        )
    return open_artifact(path)


def _reference(folder: Path, checkpoint: "Artifact", split: "Dataset") -> "ReferenceLogits":
    """PyTorch's logits; without torch those it left beside the checkpoint, or else the float32 ONNX model's."""
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.environment import installed
    from edgefashion.verify import find_reference, from_artifact

    if installed("torch"):
        console.note(f"running PyTorch on {len(split.test):,} test pictures")
        return from_artifact(checkpoint, split)
    fp32 = runs.float_model(folder)
    found = find_reference(fp32, split)
    if found.golden:
        found = from_artifact(fp32, split)
    console.note(f"reference: {found.source}")
    return found


def _make_source(
    variant: str | None,
    checkpoint: "Artifact",
    split: "Dataset",
    reference: "ReferenceLogits",
    *,
    pictures: bool,
) -> "list[Parity]":
    """The ONNX model that a converter starts from, where there is none yet; float32 comes before what is made of it."""
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.export import to_onnx
    from edgefashion.quantize import apply

    folder = checkpoint.path.parent
    if variant is None or (folder / f"{variant}.onnx").is_file():
        return []
    made = []
    if not (folder / runs.FLOAT).is_file():
        console.note("exporting fp32, which it is made from")
        made.append(to_onnx(checkpoint, split, reference=reference, pictures=pictures)[1])
    if variant != "fp32":
        scheme = variant.removeprefix("int8-")
        console.note(f"quantizing: {scheme}, which it is made from")
        fp32 = runs.float_model(folder)
        made.append(apply(fp32, scheme, split, reference=reference, pictures=pictures, note=console.note)[1])
    return made
