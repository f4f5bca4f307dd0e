"""`edgefashion verify --search SECONDS`: the worst inputs, and those of earlier searches."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.data import Dataset
    from edgefashion.records.worst_case import Recheck, WorstCases


def run_search(
    artifacts: "list[Artifact]",
    split: "Dataset",
    *,
    budget_s: float,
    seed: int = 0,
    provider: str = "cpu",
    max_error_ulps: float | None = None,
) -> "tuple[list[WorstCases], bool]":
    """Search for each artifact's worst inputs, `budget_s` seconds each; and whether that was interrupted.

    An artifact beside which nothing lies that it comes from is left out with a note.
    """
    from edgefashion.cli import console
    from edgefashion.errors import NotAvailable
    from edgefashion.records import SessionSpec
    from edgefashion.runtimes import default_runtime, resolve_provider
    from edgefashion.verify.search import find_worst, reference_for

    results: list[WorstCases] = []
    interrupted = False
    try:
        for artifact in artifacts:
            try:
                reference = reference_for(artifact)
            except NotAvailable as error:
                console.note(f"no search for {artifact.path.name}: {error}")
                continue
            runtime = default_runtime(artifact)
            found = find_worst(
                artifact,
                reference,
                split,
                budget_s=budget_s,
                seed=seed,
                spec=SessionSpec(runtime=runtime, provider=resolve_provider(runtime, provider)),
                max_error_ulps=max_error_ulps,
                note=console.note,
            )
            results.append(found)
            if found.interrupted:
                break
    except KeyboardInterrupt:  # before the search of a model had found anything
        interrupted = True
    interrupted = interrupted or any(found.interrupted for found in results)
    if interrupted:
        console.note("interrupted: what was found until now is kept")
    return results, interrupted


def save_search(artifacts: "list[Artifact]", results: "list[WorstCases]", labels: list[str]) -> list[Path]:
    """Keep the worst inputs in each artifact's folder, and draw them; returns the pictures."""
    from edgefashion import runs
    from edgefashion.files import locked
    from edgefashion.report import plots
    from edgefashion.report.worst_case_plot import worst_inputs
    from edgefashion.verify.search import keep_regressions

    by_digest = {artifact.sha256: artifact for artifact in artifacts}
    pictures = []
    for found in results:
        searched = by_digest[found.artifact.sha256].path
        with locked(searched.parent):
            keep_regressions(searched.parent, found)
            path = searched.parent / runs.PLOTS / f"worst_inputs-{searched.stem}.png"
            pictures.append(plots.save(worst_inputs(found, labels), path))
    return pictures


def recheck_all(
    artifacts: "list[Artifact]", split: "Dataset", *, provider: str = "cpu", max_error_ulps: float | None = None
) -> "list[Recheck]":
    """Answer again what earlier searches kept for these artifacts; those for which nothing was kept are left out.

    Raises:
        BadInput: What was kept is damaged.
    """
    from edgefashion.cli import console
    from edgefashion.errors import NotAvailable
    from edgefashion.records import SessionSpec
    from edgefashion.runtimes import default_runtime, resolve_provider
    from edgefashion.verify.search import load_regressions, recheck, reference_for

    found = []
    for artifact in artifacts:
        kept = load_regressions(artifact.path.parent).of(artifact.manifest.variant)
        if not len(kept):
            continue
        try:
            reference = reference_for(artifact)
        except NotAvailable as error:  # a device may have the models alone
            console.note(f"{len(kept)} kept inputs of {artifact.manifest.variant} are left out: {error}")
            continue
        runtime = default_runtime(artifact)
        spec = SessionSpec(runtime=runtime, provider=resolve_provider(runtime, provider))
        again = recheck(artifact, reference, kept, split, spec=spec, max_error_ulps=max_error_ulps)
        found.append(again)
    return found


def show_search(results: "list[WorstCases]", labels: list[str]) -> None:
    """Print what was found by family, and the worst inputs themselves."""
    from edgefashion.cli import console
    from edgefashion.report.tables import table
    from edgefashion.report.worst_case_grids import families_grid, worst_grid

    for found in results:
        console.show(table(families_grid(found)), table(worst_grid(found, labels)))


def show_rechecks(rechecks: "list[Recheck]") -> None:
    """Print the kept inputs then and now, if there are any."""
    from edgefashion.cli import console
    from edgefashion.report.tables import table
    from edgefashion.report.worst_case_grids import rechecks_grid

    if rechecks:
        console.show(table(rechecks_grid(rechecks)))
