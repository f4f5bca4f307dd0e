"""The gate's checks of quality: both members of a pair on the same pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgefashion.bench.gate.pair import Answers, Pair
from edgefashion.bench.gate.rule import verdict_of
from edgefashion.records import QualityCheck
from edgefashion.stats import PairedDrop, Resampled, class_f1, holm, worst_class_f1_drop

_ACCURACY_LIMIT = 0.005
_WORST_F1_LIMIT = 0.02
_RESAMPLES = 5_000


@dataclass(frozen=True)
class _Figure:
    """A figure of both members of a pair, before it is judged."""

    pair: Pair
    answers: Answers
    name: Literal["accuracy", "worst class F1"]
    remark: str  # behind the name in a sentence
    baseline_value: float
    value: float
    drop: PairedDrop | Resampled
    limit: float


def check_quality(pairs: Sequence[Pair], *, classes: Sequence[str], seed: int) -> list[tuple[QualityCheck, str]]:
    """Check both figures of each pair whose answers are known, adjusted for their number; with a sentence each.

    Decisions that do not differ pass, however few the pictures.
    """
    figures = [
        figure
        for pair in pairs
        if pair.answers is not None
        for figure in _figures(pair, pair.answers, classes=classes, seed=seed)
    ]
    adjusted = holm(np.array([figure.drop.p_above(figure.limit) for figure in figures]))
    checks = [_check(figure, p_worse) for figure, p_worse in zip(figures, adjusted.tolist(), strict=True)]
    return [(check, _sentence(check, figure.remark)) for check, figure in zip(checks, figures, strict=True)]


def _figures(pair: Pair, answers: Answers, *, classes: Sequence[str], seed: int) -> Iterator[_Figure]:
    labels, candidate, baseline = answers.labels, answers.candidate, answers.baseline
    is_right, was_right = candidate == labels, baseline == labels
    lost, gained = np.sum(was_right & ~is_right), np.sum(is_right & ~was_right)
    yield _Figure(
        pair=pair,
        answers=answers,
        name="accuracy",
        remark="",
        baseline_value=float(np.mean(was_right)),
        value=float(np.mean(is_right)),
        drop=PairedDrop(int(lost), int(gained), len(labels)),
        limit=_ACCURACY_LIMIT,
    )
    f1 = class_f1(labels, candidate, classes=len(classes))
    baseline_f1 = class_f1(labels, baseline, classes=len(classes))
    yield _Figure(
        pair=pair,
        answers=answers,
        name="worst class F1",
        remark=f" ({classes[int(f1.argmin())]}; the baseline's: {classes[int(baseline_f1.argmin())]})",
        baseline_value=float(baseline_f1.min()),
        value=float(f1.min()),
        drop=worst_class_f1_drop(labels, baseline, candidate, classes=len(classes), resamples=_RESAMPLES, seed=seed),
        limit=_WORST_F1_LIMIT,
    )


def _check(figure: _Figure, p_worse: float) -> QualityCheck:
    drop = figure.drop.interval()
    return QualityCheck(
        cell=figure.pair.cell,
        baseline=figure.pair.baseline,
        figure=figure.name,
        images=len(figure.answers.labels),
        baseline_value=figure.baseline_value,
        value=figure.value,
        drop=drop,
        limit=figure.limit,
        p_worse=p_worse,
        verdict="PASS" if figure.answers.identical else verdict_of(p_worse, drop.high, figure.limit),
    )


def _sentence(check: QualityCheck, remark: str) -> str:
    change, low, high = (-100 * bound for bound in (check.drop.value, check.drop.high, check.drop.low))
    tolerated = f"the drop of {100 * check.limit:g} points that is tolerated"
    ending = {
        "FAIL": f", more than {tolerated}",
        "PASS": f", less than {tolerated}",
        "INCONCLUSIVE": f": neither less than {tolerated} nor shown to be more",
    }
    return (
        f"the {check.figure} of {check.cell}{remark} changes by {change:+.2f} points "
        f"(95 % interval {low:+.2f} to {high:+.2f}){ending[check.verdict]}"
    )
