"""What `edgefashion verify`, `export` and `quickstart` share: run a verification, keep it, show it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.data import Dataset
    from edgefashion.records import VerifyReport
    from edgefashion.verify import Limits


def run_verification(
    artifacts: "list[Artifact]",
    split: "Dataset",
    *,
    reference: str = "auto",
    runtime: str | None = None,
    provider: str = "cpu",
    given: "Limits | None" = None,
    search_s: float | None = None,
) -> "VerifyReport":
    """Compare each artifact with its reference; limits that are `given` take the place of the default ones.

    Each runs in `runtime`, or in the usual one of its format.

    What earlier searches kept is answered again; with `search_s` each artifact's worst inputs are looked for.

    Raises:
        BadInput: One of the artifacts is a checkpoint.
    """
    from edgefashion import environment
    from edgefashion.cli import console
    from edgefashion.cli.search import recheck_all, run_search
    from edgefashion.errors import BadInput, CheckFailed
    from edgefashion.records import Broken, SessionSpec, VerifyReport, WorstCases
    from edgefashion.runtimes import default_runtime, resolve_provider
    from edgefashion.verify import Limits, ReferenceLogits, compare, default_limits, find_reference, override

    truths: dict[str, ReferenceLogits] = {}
    results = []
    broken: list[Broken] = []
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
        name = runtime or default_runtime(artifact)
        spec = SessionSpec(runtime=name, provider=resolve_provider(name, provider))
        usual = default_limits(artifact.manifest.precision, len(truth.labels), golden=truth.golden)
        limits = override(usual, given or Limits())
        if truth.golden:
            _refuse_limits_on_accuracy(limits)
        try:
            results.append(compare(artifact, truth, split, spec=spec, limits=limits))
        except CheckFailed as error:  # the other models are verified all the same
            broken.append(Broken(artifact.info, str(error)))
    in_onnx = [artifact for artifact in artifacts if artifact.format == "onnx"]
    ulps = given.max_error_ulps if given else None
    searches: list[WorstCases] = []
    interrupted = False
    if search_s is not None:
        searches, interrupted = run_search(in_onnx, split, budget_s=search_s, provider=provider, max_error_ulps=ulps)
    return VerifyReport(
        data=split.identity,
        results=results,
        environment=environment.describe(),
        searches=searches,
        broken=broken,
        interrupted=interrupted,
        rechecks=[] if interrupted else recheck_all(in_onnx, split, provider=provider, max_error_ulps=ulps),
    )


def those_that_run_here(
    artifacts: "list[Artifact]", *, runtime: str | None, provider: str, named: bool
) -> "list[Artifact]":
    """The artifacts that a runtime here opens; of a whole run others are left out with a note.

    Args:
        artifacts: Of files and runs.
        runtime: The one that was asked for; None for the usual one of each format.
        provider: As a person writes it.
        named: Whether each file was named by itself.

    Raises:
        UsageError: The runtime is unknown, or opens none of them.
        NotAvailable: The runtime, or that of a named file or of all files, is not installed.
    """
    from edgefashion.cli import console
    from edgefashion.cli.subjects import USUAL
    from edgefashion.errors import NotAvailable, UsageError
    from edgefashion.runtimes import default_runtime, is_installed, load_runtime, why_unusable

    if runtime is not None:
        if not is_installed(runtime):
            raise NotAvailable(f"{runtime} is not installed: {load_runtime(runtime).available().remedy}")
        formats = load_runtime(runtime).FORMATS
        opened = [artifact for artifact in artifacts if artifact.format in formats]
        if not opened or (named and len(opened) < len(artifacts)):
            raise UsageError(f"{runtime} opens {' and '.join(formats)}: give such a file, or another --runtime")
        return opened
    found: list[Artifact] = []
    reasons: list[str] = []
    for artifact in artifacts:
        usual = default_runtime(artifact)
        why = "" if usual == USUAL else why_unusable(usual, [provider])
        if why:
            reasons.append(f"{artifact.path} needs {usual}: {why}")
        else:
            found.append(artifact)
    if reasons and (named or not found):
        raise NotAvailable(reasons[0])
    for reason in reasons:
        console.note(f"left out: {reason}")
    return found


def _refuse_limits_on_accuracy(limits: "Limits") -> None:
    from edgefashion.errors import UsageError

    of_accuracy = {
        "--max-accuracy-drop": limits.max_accuracy_drop,
        "--max-class-f1-drop": limits.max_class_f1_drop,
        "--max-brier-rise": limits.max_brier_rise,
        "--margin-share": limits.margin_share,
    }
    for option, limit in of_accuracy.items():
        if limit is not None:
            raise UsageError(
                f"{option} cannot be checked on golden pictures, which are too few: "
                "give --reference pytorch or stored, or leave it out"
            )


def save_verification(artifacts: "list[Artifact]", result: "VerifyReport") -> None:
    """Write verify.json and galleries of flips into the folder of each run, with the results of its own models.

    A proof of the same models on more pictures is kept: a trial on the sample, or on golden pictures, does not
    replace it.
    """
    import msgspec

    from edgefashion import report, runs
    from edgefashion.cli import console
    from edgefashion.files import locked

    for folder in dict.fromkeys(runs.run_of(artifact) for artifact in artifacts):
        own = {artifact.sha256 for artifact in artifacts if runs.run_of(artifact) == folder}
        part = msgspec.structs.replace(
            result,
            results=[parity for parity in result.results if parity.artifact.sha256 in own],
            searches=[found for found in result.searches if found.artifact.sha256 in own],
            rechecks=[again for again in result.rechecks if again.artifact.sha256 in own],
            broken=[model for model in result.broken if model.artifact.sha256 in own],
        )
        path = folder / runs.VERIFICATION
        if part.passed and _proves_more(path, part):
            console.note(f"{path} keeps its proof on more pictures than these")
            continue
        with locked(folder):
            part.save(path)
            report.save_verification_plots(part, folder)


def _proves_more(path: Path, now: "VerifyReport") -> bool:
    """Whether what lies there was found on more pictures, for each of the models."""
    from edgefashion.errors import BadInput
    from edgefashion.records import VerifyReport

    try:
        before = VerifyReport.load(path)
    except BadInput:  # none there, or a damaged one: it proves nothing, and is replaced
        return False
    images = {parity.artifact.sha256: parity.images for parity in before.results}
    return all(images.get(parity.artifact.sha256, 0) > parity.images for parity in now.results)


def show_verification(result: "VerifyReport") -> None:
    """Print the figures, the most damaged class and the first flipped pictures of each artifact, and the checks."""
    from edgefashion.cli import console
    from edgefashion.cli.search import show_rechecks, show_search
    from edgefashion.report.tables import verification_overview

    console.show(*verification_overview(result))
    show_search(result.searches, result.data.labels)
    show_rechecks(result.rechecks)
