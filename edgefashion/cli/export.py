"""`edgefashion export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgefashion.cli.options import (
    DataOption,
    JsonOption,
    MaxDropOption,
    MaxLossOption,
    MinAgreementOption,
    RunArgument,
    parse_share,
)

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.data import Dataset
    from edgefashion.records import Parity, VerifyReport
    from edgefashion.verify import Limits, ReferenceLogits

_SEARCH_BUDGET_S = 30.0


def export(
    run: RunArgument = None,
    *,
    quantize: Annotated[
        bool, typer.Option("--quantize", help="Write a quantized model too; dynamic by default.")
    ] = False,
    scheme: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:KEY=VALUE,…]",
            help="dynamic, static, qat, mixed, weight-only, qoperator or float16, with settings, as in "
            "static:method=mse; may be given more than once. Implies --quantize.",
        ),
    ] = None,
    max_drop: MaxLossOption = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="onnx, litert, executorch, ncnn, aotinductor, c or web; may be given more than once. With --quantize "
            "the smaller forms of the format too. Default: onnx.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="VARIANT",
            help="For c and web: make this form alone, from the run's ONNX model of this variant, as "
            "int8-qat-operators. Default: fp32, and of int8 int8-qoperator for c and int8-static for web.",
        ),
    ] = None,
    opset: Annotated[int | None, typer.Option(help="ONNX operator set, 18 to 25. Default: 20.")] = None,
    no_pictures: Annotated[
        bool,
        typer.Option(
            "--no-pictures",
            help="Leave the golden pictures out of the files: about 4.5 kB less each; they are in the bundled sample.",
        ),
    ] = False,
    min_agreement: MinAgreementOption = None,
    max_accuracy_drop: MaxDropOption = None,
    where: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export to ONNX or another format, proven against PyTorch.

    The model takes uint8 pictures and gives logits; the normalization is in the graph. Dynamic quantization needs
    no calibration but runs convolutions slowly on x86; static is calibrated on training pictures and is the one
    to ship; qat trains on with rounding in the loop; qoperator is what C exporters read; weight-only saves bytes
    alone. --max-drop searches for a choice of int8 layers that provably loses no more than that, says what it cost,
    and writes sensitivity.json. A model that does not agree with PyTorch on the test pictures is not kept, and the
    exit code is 1.

    Other formats lie beside the ONNX models, each with its manifest in a file of its own: .tflite for LiteRT and TFLite
    Micro, .pte for ExecuTorch, .param and .bin for ncnn, .pt2 compiled by AOTInductor for this machine's processor, a
    folder of C99 for any compiler, one HTML page for any browser. They are proven in their own runtime, and made from
    the checkpoint, or from the run's ONNX models, which are made first where they are missing.
    """
    from edgefashion.environment import require
    from edgefashion.errors import UsageError
    from edgefashion.export.formats import check_formats

    others = [name for name in dict.fromkeys(formats or []) if name != "onnx"]
    check_formats(others)
    if formats is None or "onnx" in formats:
        require("train", purpose="exporting")
    elif scheme or max_drop or opset:
        raise UsageError("--scheme, --max-drop and --opset are for ONNX models: add --format onnx, or leave them out")
    if source is not None and (quantize or not others):
        raise UsageError(
            "--from names the ONNX model that c or web is made from: give --format, and leave --quantize out"
        )
    from edgefashion import environment, runs
    from edgefashion.cli import console
    from edgefashion.cli.conversions import run_conversions
    from edgefashion.data import load_present
    from edgefashion.export import OPSETS
    from edgefashion.quantize.settings import parse
    from edgefashion.records import VerifyReport
    from edgefashion.verify import Limits

    limit = parse_share(max_drop, "--max-drop")
    schemes = scheme or (["dynamic"] if quantize and limit is None else [])
    for text in schemes:
        if parse(text)[0] == "mixed" and not parse(text)[1].float_layers:
            raise UsageError(
                f"--scheme {text} leaves no layer in float32: give float_layers=NAME+NAME, by the names that "
                "`edgefashion sensitivity` lists"
            )
    if opset is not None and opset not in OPSETS:
        raise UsageError(f"--opset {opset} is not supported: expected {OPSETS.start} to {OPSETS.stop - 1}")
    folder = runs.find_run(run)
    split = load_present(where, note=console.note)
    given = Limits(min_agreement=min_agreement, max_accuracy_drop=max_accuracy_drop)
    results: list[Parity] = []
    if formats is None or "onnx" in formats:
        results += run_export(
            folder, split, schemes=schemes, opset=opset, given=given, max_drop=limit, pictures=not no_pictures
        ).results
    if others:
        results += run_conversions(
            folder,
            split,
            others,
            quantize=quantize or bool(scheme),
            source=source,
            given=given,
            pictures=not no_pictures,
        )
    result = VerifyReport(data=split.identity, results=results, environment=environment.describe())
    if as_json:
        console.show_json(result.to_json())
    else:
        from edgefashion.report.tables import parity_table

        console.show(parity_table(result))
        console.note(f"written to {folder}; next: edgefashion verify {folder}, edgefashion bench {folder}")


def run_export(
    folder: Path,
    split: "Dataset",
    *,
    schemes: list[str],
    opset: int | None = None,
    given: "Limits | None" = None,
    max_drop: float | None = None,
    pictures: bool = True,
) -> "VerifyReport":
    """Export fp32, then each scheme, then the choice of int8 layers.

    `given` limits are for the quantized models, and `pictures` says whether the golden ones travel inside the files.
    """
    from edgefashion import environment, runs
    from edgefashion.artifact import open_artifact
    from edgefashion.cli import console
    from edgefashion.export import DEFAULT_OPSET, to_onnx
    from edgefashion.files import locked
    from edgefashion.quantize import apply
    from edgefashion.quantize.settings import parse
    from edgefashion.records import VerifyReport
    from edgefashion.sensitivity import limits_for
    from edgefashion.verify import Limits, default_limits, from_artifact, override

    checkpoint = open_artifact(folder / runs.CHECKPOINT)
    with locked(folder):
        console.note(f"running PyTorch on {len(split.test):,} test pictures")
        reference = from_artifact(checkpoint, split)
        console.note("exporting fp32")
        fp32, parity = to_onnx(checkpoint, split, opset=opset or DEFAULT_OPSET, reference=reference, pictures=pictures)
        results = [parity]
        for text in schemes:
            console.note(f"quantizing: {text}")
            scheme, config = parse(text)
            limits = override(default_limits(config.precision, len(reference.labels)), given or Limits())
            artifact, parity = apply(
                fp32, scheme, split, config=config, reference=reference, limits=limits, note=console.note
            )
            results.append(parity)
            note_saturation(artifact, scheme, config)
        if max_drop is not None:
            limits = override(limits_for(max_drop, len(reference.labels)), given or Limits())
            results += _search(fp32, split, max_drop, reference=reference, limits=limits)
    return VerifyReport(data=split.identity, results=results, environment=environment.describe())


def _search(
    fp32: "Artifact", split: "Dataset", max_drop: float, *, reference: "ReferenceLogits", limits: "Limits"
) -> "list[Parity]":
    """Choose the int8 layers on validation pictures, say why, and keep the model; none where all stay float32."""
    from edgefashion import runs, sensitivity
    from edgefashion.cli import console
    from edgefashion.quantize import mixed

    report = sensitivity.analyse(fp32, split, max_drop=max_drop, budget_s=_SEARCH_BUDGET_S, note=console.note)
    report.save(fp32.path.parent / runs.SENSITIVITY)
    console.stderr().print(report.sentence, markup=False)
    kept = sensitivity.keep(fp32, report, split, reference=reference, limits=limits)
    if kept is None:
        return []
    note_saturation(kept[0], "mixed", mixed.Config(float_layers=tuple(report.float_layers)))
    return [kept[1]]


def note_saturation(artifact: "Artifact", scheme: str, config: Any) -> None:
    """Say which layers of a quantized model may saturate on another processor than this one; nothing if none may."""
    from dataclasses import replace

    from edgefashion.cli import console
    from edgefashion.quantize.saturation import saturation
    from edgefashion.quantize.settings import spell

    risky = [bound for bound in saturation(artifact) if bound.can_saturate]
    if risky:
        change = {"weights": "uint8"} if scheme == "dynamic" else {"reduce_range": True}
        remedy = spell(scheme, replace(config, **change))
        console.note(
            f"{artifact.path.name}: on x86-64 processors without VNNI sums of {len(risky)} layers can saturate "
            f"(computed, not run; see `edgefashion explain`): for those, --scheme {remedy}"
        )
