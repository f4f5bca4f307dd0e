"""How far logits may move before a decision can flip.

The decision for a picture is the class with the highest logit. If no logit moves by more than ε, the gap between two
logits shrinks by at most 2ε. So where the highest and the second highest logit of the reference are further apart
than that, the decision stays, whatever made the error: sums in another order, rounding, another processor.
"""

import numpy as np
from numpy.typing import NDArray

from edgefashion.records.decisions import Certificate
from edgefashion.stats import wilson

Logits = NDArray[np.float32]

# 999 of 1,000 pictures: where ten of 10,000 pictures lie so near a border that they would decide, the rest does.
MARGIN_SHARE = 0.999

# The differences below are taken in float64 and rounded once each, by a part in 2^53 at most. With this factor the
# comparison is right for the numbers before they were rounded, not only for those after.
_ROUNDING = 1 + 2.0**-51


def margins(logits: Logits) -> NDArray[np.float64]:
    """Highest less second highest logit of each picture: float64[N] from float32[N, classes], two classes or more."""
    second, first = np.partition(logits, -2, axis=1)[:, -2:].astype(np.float64).T
    return np.asarray(first - second)


def largest_error(candidate: Logits, reference: Logits) -> float:
    """Largest absolute difference of a logit (float32[N, classes] each)."""
    return float(np.abs(candidate.astype(np.float64) - reference).max())


def is_certified(reference_margins: NDArray[np.float64], epsilon: float) -> NDArray[np.bool_]:
    """Whether each picture's decision survives every error of at most `epsilon` in each logit: bool[N].

    A margin of exactly twice `epsilon` does not count: it may become a tie, which is decided by order.
    """
    return np.asarray(reference_margins > 2 * epsilon * _ROUNDING)


def tolerance_from(reference_margins: NDArray[np.float64], share: float) -> float:
    """Half the margin that `share` of the pictures exceed: smaller errors leave the decision on these as it is.

    With fewer pictures than one in 1 / (1 - `share`) it is half the smallest margin.
    """
    return float(np.quantile(reference_margins, 1 - share, method="lower")) / 2


def certify(candidate: Logits, reference: Logits, *, margin_share: float = MARGIN_SHARE) -> Certificate:
    """What finite logits (float32[N, classes] each) prove about decisions.

    Args:
        candidate: Logits of the model that takes the other's place.
        reference: Logits of the other.
        margin_share: Share of the pictures that the tolerance must protect.

    Raises:
        ValueError: The shapes differ.
    """
    if candidate.shape != reference.shape:
        raise ValueError(f"logits of shape {candidate.shape} cannot be compared with {reference.shape}")
    gaps, epsilon = margins(reference), largest_error(candidate, reference)
    certified = is_certified(gaps, epsilon)
    flipped = candidate.argmax(1) != reference.argmax(1)
    return Certificate(
        epsilon=epsilon,
        certified=wilson(int(certified.sum()), len(certified)),
        certified_flips=int(np.sum(certified & flipped)),
        margin_share=margin_share,
        tolerance=tolerance_from(gaps, margin_share),
    )
