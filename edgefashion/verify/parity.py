"""Two sets of logits beside each other: figures first, then limits."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgefashion.records import Check, Flip, Precision
from edgefashion.records.decisions import Certificate, Decisions
from edgefashion.verify.margins import MARGIN_SHARE, largest_error, margins

Logits = NDArray[np.float32]

# As many as can be looked at in one figure.
MOST_PICTURES = 48

_FLOAT32_ULP = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Limits:
    """What parity demands; a limit that is None is not checked.

    Attributes:
        max_error_ulps: Largest logit difference, in units of float32's epsilon at the largest reference logit.
        max_flips: Most pictures whose top-1 class may change.
        min_agreement: Least share of pictures whose top-1 class stays.
        max_accuracy_drop: Most top-1 accuracy that may be lost, as a fraction.
        max_class_f1_drop: Most F1 that a class may lose for certain: the highest of the lower bounds of all classes.
        max_brier_rise: Most by which the Brier score may rise for certain: the lower end of its 95 % interval.
        margin_share: No logit may differ by more than half the margin that this share of the pictures exceeds.
    """

    max_error_ulps: float | None = None
    max_flips: int | None = None
    min_agreement: float | None = None
    max_accuracy_drop: float | None = None
    max_class_f1_drop: float | None = None
    max_brier_rise: float | None = None
    margin_share: float | None = None


# float32: runtimes differ only in the order of their sums. A sum of n products in another order is off by about
# sqrt(n) units in the last place: 34 for the 1,152 products of the longest sum here, a fully connected layer's.
# 64 leaves a factor of two; what was measured on the seed recipes is 3 to 5. That limit catches wrong arithmetic; the
# limit from the margins says what an error means for decisions, on other pictures than these too.
#
# float16 and int8: rounding moves logits by design, so decisions are judged. If 1.5 % of 10,000 decisions change at
# random, accuracy moves by ±.25 point (two standard deviations); a drop of .5 point is then no accident.
#
# A class: if the .5 point (.2 point) of accuracy that may be lost were lost evenly, the F1 of each class would drop by
# just that much. Twice as much in one class is damage that the aggregate hides. What is held against the limit is a
# lower bound for all classes at once, so that the chance of ten classes fails nothing.
#
# Confidence: if a probability of δ moves from one class to another, the Brier score of a calibrated model rises by
# 2 δ². .002 (.0002) are 3 points (1 point) of probability, typical of all pictures; an application's threshold is
# seldom set finer. What was measured on the seed recipes is -.0006 to .0004 (±.00001).
DEFAULT_LIMITS: dict[Precision, Limits] = {
    "float32": Limits(max_error_ulps=64, max_flips=0, margin_share=MARGIN_SHARE),
    "float16": Limits(min_agreement=0.998, max_accuracy_drop=0.002, max_class_f1_drop=0.004, max_brier_rise=0.0002),
    "int8": Limits(min_agreement=0.985, max_accuracy_drop=0.005, max_class_f1_drop=0.01, max_brier_rise=0.002),
}

# Golden outputs are the artifact's own: another machine must repeat them. float32 up to the order of sums, float16 up
# to four of its epsilons, int8 up to 5 % of the largest logit, about ten of its steps; and no decision may change.
GOLDEN_LIMITS: dict[Precision, Limits] = {
    "float32": Limits(max_error_ulps=64, max_flips=0),
    "float16": Limits(max_error_ulps=4 * 2**13, max_flips=0),
    "int8": Limits(max_error_ulps=0.05 * 2**23, max_flips=0),
}


def default_limits(precision: Precision, images: int, *, golden: bool = False) -> Limits:
    """The limits for a precision on a number of pictures.

    Where there are few pictures, the accuracy drop that is allowed grows to two standard deviations of what
    the allowed disagreement does to accuracy by chance: 2 sqrt((1 - agreement) / images).
    """
    if golden:
        return GOLDEN_LIMITS[precision]
    limits = DEFAULT_LIMITS[precision]
    if limits.max_accuracy_drop is None or limits.min_agreement is None:
        return limits
    chance = 2 * math.sqrt((1 - limits.min_agreement) / images)
    return replace(limits, max_accuracy_drop=max(limits.max_accuracy_drop, chance))


def override(limits: Limits, given: Limits) -> Limits:
    """`limits` with those that are not None in `given` put in their place."""
    changed = {name: value for name, value in asdict(given).items() if value is not None}
    return replace(limits, **changed)


@dataclass(frozen=True)
class Differences:
    """How far two sets of logits are apart.

    Attributes:
        max_abs: Largest absolute difference of a logit.
        mean_abs: Mean absolute difference.
        max_rel: Largest difference relative to max(|reference|, 1).
        mean_rel: Mean of the same.
        max_reference_logit: Largest absolute reference logit.
        flips: The pictures on which the top-1 classes differ.
        agreement: Share of the pictures on which they do not.
    """

    max_abs: float
    mean_abs: float
    max_rel: float
    mean_rel: float
    max_reference_logit: float
    flips: list[Flip]
    agreement: float


def differences(candidate: Logits, reference: Logits, labels: NDArray[np.uint8]) -> Differences:
    """Compare finite float32[N, classes] with float32[N, classes]; `labels` uint8[N] only describes the flips.

    Raises:
        ValueError: The shapes differ.
    """
    if candidate.shape != reference.shape:
        raise ValueError(f"logits of shape {candidate.shape} cannot be compared with {reference.shape}")
    absolute = np.abs(candidate.astype(np.float64) - reference)
    relative = absolute / np.maximum(np.abs(reference), 1.0)
    decided, expected = candidate.argmax(1), reference.argmax(1)
    flipped = np.flatnonzero(decided != expected)
    candidate_margins, reference_margins = margins(candidate[flipped]), margins(reference[flipped])
    return Differences(
        max_abs=largest_error(candidate, reference),
        mean_abs=float(absolute.mean()),
        max_rel=float(relative.max()),
        mean_rel=float(relative.mean()),
        max_reference_logit=float(np.abs(reference).max()),
        flips=[
            Flip(
                index=int(index),
                label=int(labels[index]),
                reference_class=int(expected[index]),
                candidate_class=int(decided[index]),
                reference_margin=float(reference_margin),
                candidate_margin=float(candidate_margin),
            )
            for index, reference_margin, candidate_margin in zip(
                flipped, reference_margins, candidate_margins, strict=True
            )
        ],
        agreement=1 - len(flipped) / len(candidate),
    )


def with_pictures(flips: list[Flip], pixels: NDArray[np.uint8], *, most: int = MOST_PICTURES) -> list[Flip]:
    """`flips` in their order, those `most` of which the reference was surest with their picture of uint8[N, H, W]."""
    surest = sorted(flips, key=lambda flip: flip.reference_margin, reverse=True)[:most]
    shown = {flip.index for flip in surest}
    return [
        msgspec.structs.replace(flip, pixels=pixels[flip.index].tobytes()) if flip.index in shown else flip
        for flip in flips
    ]


def judge(
    found: Differences,
    limits: Limits,
    *,
    decisions: Decisions | None = None,
    certificate: Certificate | None = None,
) -> list[Check]:
    """Hold each figure against its limit; without `decisions` or `certificate`, theirs are not judged.

    The certificate's tolerance belongs to its own share of the pictures: make it with that of the limits.
    """
    checks: list[Check] = []

    def check(name: str, value: float, limit: float, relation: Literal["≤", "≥"] = "≤") -> None:
        checks.append(Check(name=name, value=value, limit=limit, relation=relation))

    if limits.max_error_ulps is not None:
        limit = limits.max_error_ulps * _FLOAT32_ULP * found.max_reference_logit
        check("largest logit difference", found.max_abs, limit)
    if limits.margin_share is not None and certificate is not None:
        check("largest logit difference, by margins", certificate.epsilon, certificate.tolerance)
    if limits.max_flips is not None:
        check("flipped decisions", len(found.flips), limits.max_flips)
    if limits.min_agreement is not None:
        check("top-1 agreement", found.agreement, limits.min_agreement, "≥")
    if decisions is None:
        return checks
    if limits.max_accuracy_drop is not None:
        check("accuracy drop", decisions.accuracy_drop.value, limits.max_accuracy_drop)
    if limits.max_class_f1_drop is not None:
        worst = decisions.most_damaged
        check(f"F1 drop of {worst.label}, lower bound", worst.lower_bound, limits.max_class_f1_drop)
    if limits.max_brier_rise is not None:
        check("Brier score's rise, lower bound", decisions.confidence.brier_rise.low, limits.max_brier_rise)
    return checks
