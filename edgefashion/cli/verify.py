"""`edgefashion verify`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import ArtifactsArgument, DataOption, JsonOption, MaxDropOption, MinAgreementOption

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.data import Dataset
    from edgefashion.errors import EdgefashionError


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
    runtime: Annotated[
        str | None,
        typer.Option(help="Runtime to prove the models in, as openvino. Default: the usual one of each format."),
    ] = None,
    provider: Annotated[str, typer.Option(help="Execution provider of the runtime.")] = "cpu",
    max_error_ulps: Annotated[
        float | None,
        typer.Option(min=0, help="Largest logit difference, in float32 epsilons at the largest reference logit."),
    ] = None,
    max_flips: Annotated[int | None, typer.Option(min=0, help="Most pictures whose top-1 class may change.")] = None,
    min_agreement: MinAgreementOption = None,
    max_accuracy_drop: MaxDropOption = None,
    max_class_f1_drop: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Most F1 that any class may lose for certain, as a fraction: .01 is a point."),
    ] = None,
    max_brier_rise: Annotated[
        float | None,
        typer.Option(min=0, max=2, help="Most by which the Brier score of the probabilities may rise for certain."),
    ] = None,
    margin_share: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=1,
            help="No logit may differ by more than half the margin that this share of the pictures exceeds.",
        ),
    ] = None,
    search: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0, max=86_400, help="Search that long, each model, for the worst input, and keep it."
        ),
    ] = None,
    locate: Annotated[
        bool, typer.Option("--locate", help="Compare tensors inside, and name the first node that departs.")
    ] = False,
    outputs: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Logits that a device computed on the golden pictures, as CSV or NPZ."),
    ] = None,
    save_golden: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the golden pictures and expected logits as NPZ or CSV, for a device."),
    ] = None,
    where: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that models decide like PyTorch.

    Every test picture is used. Figures come first: accuracy with McNemar's exact test, F1 of each class, Brier score
    and calibration, what a threshold on confidence still covers, and the share of the decisions that an error of the
    measured size cannot flip. Then they are held against limits.

    Default limits: float32 may change no decision, and no logit by more than 64 float32 epsilons of the largest logit
    or by more than half the margin between the two highest logits that 99.9 % of the pictures exceed. float16 must
    agree on 99.8 % of the pictures, lose at most .2 point of accuracy and, for certain, at most .004 of any class's
    F1, and raise the Brier score by at most .0002 for certain; int8 98.5 %, .5 point, .01 and .002. For certain means
    the lower end of a 95 % interval, for F1 one that holds for all classes at once. A limit given here takes the
    place of that default.

    Verifying a run writes its verify.json, and pictures of what flipped into plots/; files named one by one are only
    reported on. What --search finds is kept beside the model and answered again by every later verify; --locate writes
    drift/ there. With --outputs or --save-golden nothing else is done: logits from a device are compared with what the
    artifact answered to its golden pictures, and where they differ the faults that explain it are ranked. Exit code
    1 if any check fails.
    """
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.cli.search import save_search
    from edgefashion.cli.verification import (
        run_verification,
        save_verification,
        show_verification,
        those_that_run_here,
    )
    from edgefashion.data import load_present
    from edgefashion.errors import CheckFailed, NotAvailable
    from edgefashion.verify import Limits

    given = Limits(
        max_error_ulps=max_error_ulps,
        max_flips=max_flips,
        min_agreement=min_agreement,
        max_accuracy_drop=max_accuracy_drop,
        max_class_f1_drop=max_class_f1_drop,
        max_brier_rise=max_brier_rise,
        margin_share=margin_share,
    )
    found = runs.resolve_artifacts(artifacts or [])
    if outputs or save_golden:
        beside = {
            "--json": as_json and outputs is None,
            "--search": search is not None,
            "--locate": locate,
            "a limit": given != Limits(),
        }
        on_device(found, outputs=outputs, save_golden=save_golden, as_json=as_json, beside=beside)
        return
    whole_runs = all(runs.is_folder(name) for name in artifacts or [])
    found = those_that_run_here(found, runtime=runtime, provider=provider, named=not whole_runs)
    split = load_present(where, note=console.note)
    result = run_verification(
        found, split, reference=reference, runtime=runtime, provider=provider, given=given, search_s=search
    )
    if as_json:
        console.show_json(result.to_json())
    else:
        show_verification(result)
    save_search(found, result.searches, result.data.labels)
    # What is proven in another runtime than the usual one does not replace the proof in that.
    if whole_runs and runtime is None:
        save_verification(found, result)
    if result.interrupted:
        raise KeyboardInterrupt
    in_onnx = [artifact for artifact in found if artifact.format == "onnx"]
    unlocated = locate_all(in_onnx, split, show=not as_json) if locate else None
    if not result.passed:
        raise CheckFailed(f"parity does not hold for {', '.join(result.failed)}")
    if unlocated:
        raise unlocated
    if search is not None and not result.searches:
        raise NotAvailable("nothing was searched: no model has beside it what it comes from and can be run here")


def on_device(
    found: "list[Artifact]",
    *,
    outputs: Path | None,
    save_golden: Path | None,
    as_json: bool,
    beside: Mapping[str, bool],
) -> None:
    """Write the golden pictures of one artifact, or compare what was computed on them.

    Raises:
        UsageError: More than one artifact was named, or an option `beside` was given that would be ignored.
        CheckFailed: The outputs differ.
    """
    from edgefashion.cli import contract
    from edgefashion.errors import UsageError

    for name, is_given in beside.items():
        if is_given:
            raise UsageError(f"{name} has no meaning beside --outputs or --save-golden: give it in another call")
    if len(found) != 1:
        raise UsageError(
            f"golden pictures are one artifact's: name one of {', '.join(str(each.path) for each in found)}"
        )
    if save_golden:
        contract.save_golden(found[0], save_golden)
    if outputs:
        contract.run_contract(found[0], outputs, as_json=as_json)


def locate_all(found: "list[Artifact]", split: "Dataset", *, show: bool) -> "EdgefashionError | None":
    """Find where each artifact drifts, keep the evidence in its folder, and print the tables with `show`.

    Returns:
        The first reason why a model could not be compared tensor by tensor. The others were, and whether the model
        passes has been decided without it.
    """
    from edgefashion.cli import console
    from edgefashion.cli.locate import find_drift, save_drift, show_drift
    from edgefashion.errors import EdgefashionError

    first: EdgefashionError | None = None
    for artifact in found:
        try:
            drift = find_drift(artifact, split)
        except EdgefashionError as error:
            console.note(f"{artifact.path.name} cannot be compared tensor by tensor: {error}")
            first = first or error
            continue
        if show:
            show_drift(drift)
        console.note(f"written: {', '.join(str(path) for path in save_drift(drift, artifact, split))}")
    return first
