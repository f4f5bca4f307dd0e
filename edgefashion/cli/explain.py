"""`edgefashion explain`."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import ArtifactsArgument, JsonOption

if TYPE_CHECKING:
    from rich.text import Text

    from edgefashion.artifact import Artifact
    from edgefashion.records.explanation import ExplainReport, Explanation, SaturationTable

# A few different pictures, so that no cache and no branch learns a single one.
_PICTURES = 8


def explain(
    artifacts: ArtifactsArgument = None,
    *,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often each model is profiled; fewer than 4 cannot tell models apart.")
    ] = 4,
    batch: Annotated[int, typer.Option(min=1, help="Pictures a call.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Intra-op threads.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Say why quantized models are slower or faster than float32.

    Profiles the float32 model and each quantized one by turns in fresh processes, operator by operator, on
    onnxruntime's CPU provider. Tells which layers gain and lose, what computes in integers and what fell back to float,
    which kernels are known to be slow and what they do here, and what to try. Then bounds, from the weights alone,
    where sums may saturate on x86-64 CPUs without VNNI: computed, not run. Takes about 2 seconds a model and round.
    """
    from edgefashion import runs
    from edgefashion.cli import console

    found = runs.resolve_artifacts(artifacts or [], only_onnx=True)
    result = run_explanation(found, rounds=rounds, batch=batch, threads=threads)
    if as_json:
        console.show_json(result.to_json())
    else:
        show_explanation(result)


def run_explanation(artifacts: "list[Artifact]", *, rounds: int, batch: int, threads: int) -> "ExplainReport":
    """Profile each float32 model with the quantized ones of the same checkpoint, and bound their sums.

    Raises:
        BadInput: One of them is a checkpoint.
        UsageError: There is nothing to compare, or there are fewer processors than threads.
    """
    from edgefashion import environment
    from edgefashion.errors import UsageError
    from edgefashion.records.explanation import ExplainReport

    cores = len(environment.usable_cpus())
    if threads > cores:
        raise UsageError(f"--threads {threads}: {cores} processors are usable")
    found = families(artifacts)
    explanations = [
        explanation for family in found for explanation in _explain(family, rounds=rounds, batch=batch, threads=threads)
    ]
    saturation = _saturation([artifact for family in found for artifact in family[1:]])
    return ExplainReport(explanations=explanations, saturation=saturation, environment=environment.describe())


def families(artifacts: "list[Artifact]") -> "list[list[Artifact]]":
    """Models of one checkpoint together, the float32 one first.

    Raises:
        BadInput: One of them is a checkpoint.
        UsageError: A family lacks its float32 model, or has nothing else.
    """
    from edgefashion.errors import BadInput, UsageError

    by_checkpoint: dict[str, list[Artifact]] = {}
    for artifact in {each.sha256: each for each in artifacts}.values():
        if artifact.format != "onnx":
            raise BadInput(f"{artifact.path} is a checkpoint: expected a model exported from one")
        by_checkpoint.setdefault(artifact.manifest.checkpoint_sha256 or "", []).append(artifact)
    for family in by_checkpoint.values():
        family.extend(_neighbours(family))
        family.sort(key=lambda artifact: artifact.manifest.precision != "float32")
        if family[0].manifest.precision != "float32":
            raise UsageError(f"{family[0].path} has no float32 model beside it: make one with `edgefashion export`")
        if len(family) > 1 and family[1].manifest.precision == "float32":
            raise UsageError(f"{family[0].path} and {family[1].path} are both float32: name one of them")
        if len(family) == 1:
            raise UsageError(
                f"{family[0].path} has no quantized model beside it: make one with `edgefashion export --quantize`"
            )
    return list(by_checkpoint.values())


def _neighbours(family: "list[Artifact]") -> "list[Artifact]":
    """What lies beside a lone model: the float32 one of a quantized one, the quantized ones of a float32 one."""
    from edgefashion import runs

    is_float = [artifact.manifest.precision == "float32" for artifact in family]
    if any(is_float) and not all(is_float):
        return []
    first = family[0]
    return [
        each
        for each in runs.onnx_in(first.path.parent)
        if each.manifest.checkpoint_sha256 == first.manifest.checkpoint_sha256
        and (each.manifest.precision == "float32") != is_float[0]
    ]


def _explain(family: "list[Artifact]", *, rounds: int, batch: int, threads: int) -> "list[Explanation]":
    import numpy as np

    from edgefashion.bench.profiling.quantized import explain_quantized
    from edgefashion.bench.profiling.rounds import profile_by_turns
    from edgefashion.bench.profiling.structure import read_structure
    from edgefashion.cli import console
    from edgefashion.data import load_sample
    from edgefashion.environment import usable_cpus
    from edgefashion.runtimes import default_spec

    pixels = load_sample().test.pixels
    fp32, *quantized = profile_by_turns(
        family,
        session=default_spec(family[0], threads=threads),
        batch=batch,
        cpus=usable_cpus()[-threads:],
        inputs=np.resize(pixels, (_PICTURES, batch, *pixels.shape[1:])),
        rounds=rounds,
        progress=console.note,
    )
    return [
        explain_quantized(fp32, profiles, read_structure(artifact.content))
        for artifact, profiles in zip(family[1:], quantized, strict=True)
    ]


def _saturation(artifacts: "list[Artifact]") -> "list[SaturationTable]":
    from edgefashion.cli import console
    from edgefashion.errors import NotAvailable
    from edgefashion.quantize.saturation import saturation
    from edgefashion.records.explanation import SaturationTable

    try:
        tables = [SaturationTable(artifact=each.info, bounds=saturation(each)) for each in artifacts]
    except NotAvailable as error:  # a device that measures has no onnx package
        console.note(f"bounds on saturation are left out: {error}")
        return []
    return [table for table in tables if table.bounds]


def show_explanation(result: "ExplainReport") -> None:
    """Print the sentences and advice of every model, then the tables of layers, then those of saturation."""
    from edgefashion.cli import console
    from edgefashion.quantize.saturation import REMEDIES
    from edgefashion.report.explanation_grids import layers_grid, saturation_grid
    from edgefashion.report.tables import table

    console.show(*map(_in_words, result.explanations))
    console.show(*(table(layers_grid(each)) for each in result.explanations))
    if result.saturation:
        console.show(table(saturation_grid(result.saturation, REMEDIES)))


def _in_words(explanation: "Explanation") -> "Text":
    from rich.text import Text

    from edgefashion.report.format import clean

    verdict, *sentences = map(clean, explanation.sentences)
    lines = [
        Text(verdict, style="bold"),
        *(Text(f"· {sentence}") for sentence in sentences),
        *(Text(f"→ {clean(advice)}", style="green") for advice in explanation.advice),
    ]
    return Text("\n").join(lines)
