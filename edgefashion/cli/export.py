"""`edgefashion export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edgefashion.cli.options import DataOption, JsonOption, MaxDropOption, MinAgreementOption

if TYPE_CHECKING:
    from edgefashion.data import Dataset
    from edgefashion.records import VerifyReport
    from edgefashion.verify import Limits


def export(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Folder of a run. Default: the newest in exported/.")
    ] = None,
    *,
    quantize: Annotated[
        bool, typer.Option("--quantize", help="Write a quantized model too; dynamic by default.")
    ] = False,
    scheme: Annotated[
        list[str] | None,
        typer.Option(help="dynamic, static or float16; may be given more than once. Implies --quantize."),
    ] = None,
    file_format: Annotated[Literal["onnx"], typer.Option("--format", help="Format of the model.")] = "onnx",
    opset: Annotated[int | None, typer.Option(help="ONNX operator set, 18 to 25. Default: 20.")] = None,
    min_agreement: MinAgreementOption = None,
    max_accuracy_drop: MaxDropOption = None,
    where: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export to ONNX, proven against PyTorch.

    The model takes uint8 pictures and gives logits; the normalization is in the graph. Dynamic quantization needs
    no calibration but runs convolutions slowly on x86; static is calibrated on training pictures and is the one
    to ship. A model that does not agree with PyTorch on the test pictures is not kept, and the exit code is 1.
    """
    from edgefashion.environment import require

    require("train", purpose="exporting")
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.data import load_present
    from edgefashion.quantize import SCHEMES
    from edgefashion.verify import Limits

    del file_format  # there is one so far
    schemes = scheme or (["dynamic"] if quantize else [])
    for name in schemes:
        SCHEMES.load(name)
    folder = runs.find_run(run)
    split = load_present(where, note=console.note)
    given = Limits(min_agreement=min_agreement, max_accuracy_drop=max_accuracy_drop)
    result = run_export(folder, split, schemes=schemes, opset=opset, given=given)
    if as_json:
        console.show_json(result.to_json())
    else:
        from edgefashion.report.tables import parity_table

        console.show(parity_table(result))
        console.note(f"written to {folder}; next: edgefashion verify {folder}, edgefashion bench {folder}")


def run_export(
    folder: Path, split: "Dataset", *, schemes: list[str], opset: int | None = None, given: "Limits | None" = None
) -> "VerifyReport":
    """Export fp32, then each scheme; limits that are `given` are for the quantized models."""
    from edgefashion import environment, runs
    from edgefashion.artifact import open_artifact
    from edgefashion.cli import console
    from edgefashion.export import DEFAULT_OPSET, to_onnx
    from edgefashion.files import locked
    from edgefashion.quantize import SCHEMES, apply
    from edgefashion.records import VerifyReport
    from edgefashion.verify import Limits, default_limits, from_artifact, override

    checkpoint = open_artifact(folder / runs.CHECKPOINT)
    with locked(folder):
        console.note(f"running PyTorch on {len(split.test):,} test pictures")
        reference = from_artifact(checkpoint, split)
        console.note("exporting fp32")
        fp32, parity = to_onnx(checkpoint, split, opset=opset or DEFAULT_OPSET, reference=reference)
        results = [parity]
        for scheme in schemes:
            console.note(f"quantizing: {scheme}")
            usual = default_limits(SCHEMES.load(scheme).Config.precision, len(reference.labels))
            limits = override(usual, given or Limits())
            results.append(apply(fp32, scheme, split, reference=reference, limits=limits)[1])
    return VerifyReport(data=split.identity, results=results, environment=environment.describe())
