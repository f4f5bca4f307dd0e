"""`edgefashion verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import ArtifactsArgument, DataOption, JsonOption, MaxDropOption, MinAgreementOption

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.data import Dataset
    from edgefashion.records import VerifyReport
    from edgefashion.verify import Limits


def verify(
    artifacts: ArtifactsArgument = None,
    *,
    reference: Annotated[
        str,
        typer.Option(
            metavar="auto|pytorch|stored|golden|FILE",
            help="PyTorch itself, the logits it left beside the checkpoint, the golden outputs inside the artifact, "
            "or another artifact. auto: the first of these that is here.",
        ),
    ] = "auto",
    provider: Annotated[str, typer.Option(help="Execution provider of ONNX Runtime.")] = "cpu",
    max_error_ulps: Annotated[
        float | None,
        typer.Option(min=0, help="Largest logit difference, in float32 epsilons at the largest reference logit."),
    ] = None,
    max_flips: Annotated[int | None, typer.Option(min=0, help="Most pictures whose top-1 class may change.")] = None,
    min_agreement: MinAgreementOption = None,
    max_accuracy_drop: MaxDropOption = None,
    where: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that models decide like PyTorch.

    Every test picture is used. Default limits: float32 may differ by 64 float32 epsilons of the largest logit and by
    no decision; float16 must agree on 99.8 % of the pictures and lose at most .2 point of accuracy; int8 98.5 % and
    .5 point. A limit given here replaces all default limits. Writes verify.json beside the models; exit code 1 if any
    check fails.
    """
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.data import load_present
    from edgefashion.errors import CheckFailed
    from edgefashion.verify import Limits

    found = runs.resolve_artifacts(artifacts or [])
    split = load_present(where, note=console.note)
    given = Limits(max_error_ulps, max_flips, min_agreement, max_accuracy_drop)
    result = run_verification(
        found, split, reference=reference, provider=provider, limits=None if given == Limits() else given
    )
    if as_json:
        console.show_json(result.to_json())
    else:
        show_verification(result)
    if not result.passed:
        failed = [parity.artifact.variant for parity in result.results if not parity.passed]
        raise CheckFailed(f"parity does not hold for {', '.join(failed)}")


def run_verification(
    artifacts: "list[Artifact]",
    split: "Dataset",
    *,
    reference: str = "auto",
    provider: str = "cpu",
    limits: "Limits | None" = None,
) -> "VerifyReport":
    """Verify each artifact and write verify.json beside it; returns all results in one report."""
    from edgefashion import environment, runs
    from edgefashion.cli import console
    from edgefashion.files import locked
    from edgefashion.records import Parity, SessionSpec, VerifyReport
    from edgefashion.runtimes import resolve_provider
    from edgefashion.verify import compare, find_reference

    truths = {}
    results: dict[Path, list[Parity]] = {}
    machine = environment.describe()
    for artifact in artifacts:
        key = artifact.manifest.checkpoint_sha256
        truth = truths.get(key)
        if truth is None:
            truth = find_reference(artifact, split, reference)
            console.note(f"reference: {truth.source}")
        if not truth.golden:  # golden outputs are one artifact's own
            truths[key] = truth
        spec = SessionSpec(runtime="onnxruntime", provider=resolve_provider("onnxruntime", provider))
        parity = compare(artifact, truth, split, spec=spec, limits=limits)
        results.setdefault(artifact.path.parent, []).append(parity)
    for folder, parities in results.items():
        with locked(folder):
            VerifyReport(data=split.identity, results=parities, environment=machine).save(folder / runs.VERIFICATION)
    everything = [parity for parities in results.values() for parity in parities]
    return VerifyReport(data=split.identity, results=everything, environment=machine)


def show_verification(result: "VerifyReport") -> None:
    """Print the figures, the first flipped pictures of each artifact, and the checks."""
    from edgefashion.cli import console
    from edgefashion.report.tables import flips_table, parity_table

    console.show(parity_table(result))
    for parity in result.results:
        if parity.flips:
            console.show(flips_table(parity, result.data.labels))
