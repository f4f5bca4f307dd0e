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
    .5 point. A limit given here takes the place of that default. Verifying a run writes its verify.json; files named
    one by one are only reported on. Exit code 1 if any check fails.
    """
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.data import load_present
    from edgefashion.errors import CheckFailed
    from edgefashion.verify import Limits

    found = runs.resolve_artifacts(artifacts or [])
    split = load_present(where, note=console.note)
    given = Limits(max_error_ulps, max_flips, min_agreement, max_accuracy_drop)
    result = run_verification(found, split, reference=reference, provider=provider, given=given)
    if as_json:
        console.show_json(result.to_json())
    else:
        show_verification(result)
    if all(runs.is_folder(name) for name in artifacts or []):
        save_verification(found, result)
    if not result.passed:
        failed = [parity.artifact.variant for parity in result.results if not parity.passed]
        raise CheckFailed(f"parity does not hold for {', '.join(failed)}")


def run_verification(
    artifacts: "list[Artifact]",
    split: "Dataset",
    *,
    reference: str = "auto",
    provider: str = "cpu",
    given: "Limits | None" = None,
) -> "VerifyReport":
    """Compare each artifact with its reference; limits that are `given` take the place of the default ones.

    Raises:
        BadInput: One of the artifacts is a checkpoint.
    """
    from edgefashion import environment
    from edgefashion.cli import console
    from edgefashion.errors import BadInput
    from edgefashion.records import SessionSpec, VerifyReport
    from edgefashion.runtimes import default_runtime, resolve_provider
    from edgefashion.verify import Limits, ReferenceLogits, compare, default_limits, find_reference, override

    truths: dict[str, ReferenceLogits] = {}
    results = []
    for artifact in artifacts:
        if artifact.manifest.checkpoint_sha256 is None:
            raise BadInput(f"{artifact.path} is a checkpoint: expected a model exported from one")
        key = artifact.manifest.checkpoint_sha256
        truth = truths.get(key)
        if truth is None:
            truth = find_reference(artifact, split, reference)
            console.note(f"reference: {truth.source}")
        if not truth.golden:  # golden outputs are one artifact's own
            truths[key] = truth
        runtime = default_runtime(artifact)
        spec = SessionSpec(runtime=runtime, provider=resolve_provider(runtime, provider))
        usual = default_limits(artifact.manifest.precision, len(truth.labels), golden=truth.golden)
        limits = override(usual, given or Limits())
        results.append(compare(artifact, truth, split, spec=spec, limits=limits))
    return VerifyReport(data=split.identity, results=results, environment=environment.describe())


def save_verification(artifacts: "list[Artifact]", result: "VerifyReport") -> None:
    """Write verify.json into the folder of each run, with the results of its own models.

    A proof of the same models on more pictures is kept: a trial on the sample does not replace it.
    """
    import msgspec

    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.files import locked

    for folder in dict.fromkeys(artifact.path.parent for artifact in artifacts):
        own = {artifact.sha256 for artifact in artifacts if artifact.path.parent == folder}
        part = [parity for parity in result.results if parity.artifact.sha256 in own]
        path = folder / runs.VERIFICATION
        if _proves_more(path, own, result.data.test_images):
            console.note(f"{path} keeps its proof on more pictures than these {result.data.test_images:,}")
            continue
        with locked(folder):
            msgspec.structs.replace(result, results=part).save(path)


def _proves_more(path: Path, models: set[str], images: int) -> bool:
    from edgefashion.errors import BadInput
    from edgefashion.records import VerifyReport

    try:
        before = VerifyReport.load(path)
    except BadInput:  # none there, or a damaged one: it proves nothing, and is replaced
        return False
    proven = {parity.artifact.sha256 for parity in before.results}
    return before.data.test_images > images and models <= proven


def show_verification(result: "VerifyReport") -> None:
    """Print the figures, the first flipped pictures of each artifact, and the checks."""
    from edgefashion.cli import console
    from edgefashion.report.tables import flips_table, parity_table

    console.show(parity_table(result))
    for parity in result.results:
        if parity.flips:
            console.show(flips_table(parity, result.data.labels))
