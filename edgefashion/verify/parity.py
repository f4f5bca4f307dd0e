"""Two sets of logits beside each other: figures first, then limits."""

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import Check, Flip, Precision

Logits = NDArray[np.float32]

_FLOAT32_ULP = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Limits:
    """What parity demands; a limit that is None is not checked.

    Attributes:
        max_error_ulps: Largest logit difference, in units of float32's epsilon at the largest reference logit.
        max_flips: Most pictures whose top-1 class may change.
        min_agreement: Least share of pictures whose top-1 class stays.
        max_accuracy_drop: Most top-1 accuracy that may be lost, as a fraction.
    """

    max_error_ulps: float | None = None
    max_flips: int | None = None
    min_agreement: float | None = None
    max_accuracy_drop: float | None = None


# float32: runtimes differ only in the order of their sums. A sum of n products in another order is off by about
# sqrt(n) units in the last place: 34 for the 1,152 products of the longest sum here, a fully connected layer's.
# 64 leaves a factor of two; what was measured on the seed recipes is 3 to 5.
#
# float16 and int8: rounding moves logits by design, so decisions are judged. If 1.5 % of 10,000 decisions change at
# random, accuracy moves by ±.25 point (two standard deviations); a drop of .5 point is then no accident.
DEFAULT_LIMITS: dict[Precision, Limits] = {
    "float32": Limits(max_error_ulps=64, max_flips=0),
    "float16": Limits(min_agreement=0.998, max_accuracy_drop=0.002),
    "int8": Limits(min_agreement=0.985, max_accuracy_drop=0.005),
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
    return Differences(
        max_abs=float(absolute.max()),
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
                reference_margin=_margin(reference[index]),
                candidate_margin=_margin(candidate[index]),
            )
            for index in flipped
        ],
        agreement=1 - len(flipped) / len(candidate),
    )


def judge(found: Differences, limits: Limits, *, accuracy_drop: float | None) -> list[Check]:
    """Hold each figure against its limit; `accuracy_drop` is a fraction, None where labels say nothing."""
    checks: list[Check] = []
    if limits.max_error_ulps is not None:
        limit = limits.max_error_ulps * _FLOAT32_ULP * found.max_reference_logit
        checks.append(Check(name="largest logit difference", value=found.max_abs, limit=limit, relation="≤"))
    if limits.max_flips is not None:
        checks.append(Check(name="flipped decisions", value=len(found.flips), limit=limits.max_flips, relation="≤"))
    if limits.min_agreement is not None:
        checks.append(Check(name="top-1 agreement", value=found.agreement, limit=limits.min_agreement, relation="≥"))
    if limits.max_accuracy_drop is not None and accuracy_drop is not None:
        checks.append(Check(name="accuracy drop", value=accuracy_drop, limit=limits.max_accuracy_drop, relation="≤"))
    return checks


def _margin(logits: NDArray[np.float32]) -> float:
    second, first = np.partition(logits, -2)[-2:]
    return float(first - second)
