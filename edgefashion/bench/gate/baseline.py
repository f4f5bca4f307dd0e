"""What a gate compares with: the baseline's models where they still exist, its stored figures where not."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefashion import runs
from edgefashion.artifact import models_beside_sidecars
from edgefashion.bench.analyse import Medians, launch_medians, shared
from edgefashion.bench.gate import Answers, Pair
from edgefashion.bench.plan import is_same_setting
from edgefashion.bench.request import Subject
from edgefashion.bench.truth import Key, Truth, key
from edgefashion.files import read_bounded, sha256
from edgefashion.records import BenchReport, Plan
from edgefashion.subjects import open_model


def find_baseline(name: str) -> list[Subject] | BenchReport:
    """Models to measure again beside the candidates, or the stored result where they are gone.

    Args:
        name: A run, a model, or a bench.json; the models of the latter are looked for beside it, by their digests.

    Raises:
        BadInput: There is no such file or run, or it is damaged.
    """
    path = Path(name)
    if path.suffix != ".json":
        return list(runs.resolve_artifacts([name])) if path.suffix != ".onnx" else [open_model(path)]
    stored = BenchReport.load(path)
    wanted = {cell.artifact.sha256 for cell in stored.plan.cells if cell.role == "subject"}
    beside = sorted((*path.parent.glob("*.onnx"), *path.parent.glob(runs.CHECKPOINT)))
    # Only those that were measured are opened: what else lies there, damaged or not, is nobody's business.
    found: list[Subject] = [open_model(each) for each in beside if sha256(read_bounded(each)) in wanted]
    found += [model for model in map(open_model, models_beside_sidecars(path.parent)) if model.sha256 in wanted]
    return found if wanted == {model.sha256 for model in found} else stored


def pairs_of(plan: Plan, medians: Medians, truths: Mapping[Key, Truth], labels: NDArray[np.uint8] | None) -> list[Pair]:
    """Every candidate beside its baseline, launch by launch of the same generations.

    Args:
        plan: Its baseline cells stand beside the subjects of the same variant and setting.
        medians: Of every launch.
        truths: What both answered.
        labels: True classes of the test pictures, uint8[pictures]; None where there were none.
    """
    decisions = {cell.label: truths[key(cell)].decisions for cell in plan.cells if key(cell) in truths}
    judged: set[tuple[Key, Key]] = set()
    pairs = []
    for cell in plan.cells:
        baseline = plan.cell(cell.reference)
        if cell.role == "subject" and baseline.role == "baseline" and is_same_setting(cell, baseline):
            mine, its = shared(medians, cell.label, baseline.label)
            # The same answers at another thread count or batch are no second piece of evidence.
            is_new = (key(cell), key(baseline)) not in judged
            judged.add((key(cell), key(baseline)))
            pairs.append(
                Pair(
                    cell=cell.label,
                    baseline=baseline.label,
                    candidate_log_s=np.log(mine),
                    baseline_log_s=np.log(its),
                    answers=_answers(labels, decisions.get(cell.label), decisions.get(baseline.label))
                    if is_new
                    else None,
                )
            )
    return pairs


def stored_pairs(report: BenchReport, stored: BenchReport, labels: NDArray[np.uint8] | None) -> list[Pair]:
    """Every candidate beside the stored figures of the same variant and setting; the times are not paired.

    Args:
        report: The candidates, measured now.
        stored: The baseline, measured at some other time.
        labels: True classes of the test pictures, uint8[pictures]; None where there were none.
    """
    now, then = _log_medians(report), _log_medians(stored)
    before: dict[str, NDArray[np.uint8]] = _decisions(stored) if report.data == stored.data else {}
    after = _decisions(report)
    return [
        Pair(
            cell=cell.label,
            baseline=old.label,
            candidate_log_s=now[cell.label],
            baseline_log_s=then[old.label],
            answers=_answers(labels, after.get(cell.label), before.get(old.label)),
        )
        for cell in report.plan.cells
        for old in stored.plan.cells
        if cell.role == old.role == "subject" and is_same_setting(cell, old)
        if cell.label in now and old.label in then
    ]


def _log_medians(report: BenchReport) -> dict[str, NDArray[np.float64]]:
    found = launch_medians(report.plan, report.launches)
    return {label: np.log(np.array(list(medians.values()))) for label, medians in found.items()}


def _decisions(report: BenchReport) -> dict[str, NDArray[np.uint8]]:
    return {each.cell: np.frombuffer(each.decisions, dtype=np.uint8) for each in report.results if each.decisions}


def _answers(
    labels: NDArray[np.uint8] | None, candidate: NDArray[np.uint8] | None, baseline: NDArray[np.uint8] | None
) -> Answers | None:
    if labels is None or candidate is None or baseline is None:
        return None
    return Answers(labels=labels.astype(np.uint8), candidate=candidate, baseline=baseline)
