"""Whether the probabilities of two models can be believed, for applications that act only on sure answers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgefashion.records.decisions import Confidence, Coverage
from edgefashion.stats import Floats, mean_of

Logits = NDArray[np.float32]
Labels = NDArray[np.uint8]

ECE_BINS = 15
MAX_RISKS = (0.01, 0.02, 0.05)


def probabilities(logits: Logits) -> Floats:
    """Softmax of each row, in float64: float64[N, classes] from float32[N, classes]."""
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True).astype(np.float64))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def brier_scores(chances: Floats, labels: Labels) -> Floats:
    """Squared distance of each row of `chances` (float64[N, classes]) from the truth: float64[N], each 0 to 2.

    Brier 1950, "Verification of forecasts expressed in terms of probability", summed over the classes as there.
    """
    missing = chances.copy()
    missing[np.arange(len(labels)), labels] -= 1
    return np.asarray((missing**2).sum(axis=1))


def calibration_error(confidences: Floats, is_right: NDArray[np.bool_], *, bins: int = ECE_BINS) -> float:
    """Expected calibration error: how far accuracy is from confidence (float64[N]), averaged over bins.

    Guo et al. 2017, "On calibration of modern neural networks": `bins` of equal width over 0 to 1, each open below
    and closed above, weighted by their pictures. Its value depends on the number of bins; it also never falls to
    zero on few pictures, so compare it only on the same ones.
    """
    chosen = np.maximum(np.ceil(confidences * bins).astype(np.intp) - 1, 0)
    gaps = np.bincount(chosen, weights=confidences - is_right, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidences))


def threshold_for(confidences: Floats, is_right: NDArray[np.bool_], *, max_risk: float) -> float | None:
    """Confidence from which on at most `max_risk` of the decisions are wrong, as low as can be; None if there is none.

    The widest coverage at a given risk of Geifman & El-Yaniv 2017, "Selective classification for deep neural
    networks", as observed and without their bound on the true risk: the same pictures choose and judge.
    """
    order = np.argsort(-confidences)
    ordered = confidences[order]
    risks = np.cumsum(~is_right[order]) / np.arange(1, len(order) + 1)
    # Equal confidences are trusted together: a threshold lies behind the last of them.
    is_last = np.append(ordered[1:] != ordered[:-1], True)
    possible = np.flatnonzero(is_last & (risks <= max_risk))
    if not len(possible):
        return None
    last = possible[-1]
    # Halfway to the next lower confidence: at a picture's own, the last bit of its logits would decide about it.
    following = ordered[last + 1] if last + 1 < len(ordered) else 0.0
    return float((ordered[last] + following) / 2)


def measure_confidence(
    candidate: Logits, reference: Logits, labels: Labels, *, max_risks: Sequence[float] = MAX_RISKS
) -> Confidence:
    """Compare the probabilities that finite logits (float32[N, classes] each, N ≥ 2) mean on `labels` (uint8[N]).

    The thresholds are the reference's, and the candidate is held to the same ones: an application that swaps its
    model keeps its settings.
    """
    before, after = probabilities(reference), probabilities(candidate)
    was_right, is_right = reference.argmax(1) == labels, candidate.argmax(1) == labels
    old_sureness, new_sureness = before.max(axis=1), after.max(axis=1)
    old_brier, new_brier = brier_scores(before, labels), brier_scores(after, labels)
    coverages = []
    for max_risk in max_risks:
        threshold = threshold_for(old_sureness, was_right, max_risk=max_risk)
        reference_coverage, reference_risk = _trusted(old_sureness, was_right, threshold)
        coverage, risk = _trusted(new_sureness, is_right, threshold)
        coverages.append(Coverage(max_risk, threshold, reference_coverage, reference_risk, coverage, risk))
    return Confidence(
        reference_brier=float(old_brier.mean()),
        brier=float(new_brier.mean()),
        brier_rise=mean_of(new_brier - old_brier).interval(),
        ece_bins=ECE_BINS,
        reference_ece=calibration_error(old_sureness, was_right),
        ece=calibration_error(new_sureness, is_right),
        coverages=coverages,
    )


def _trusted(confidences: Floats, is_right: NDArray[np.bool_], threshold: float | None) -> tuple[float, float]:
    """Share of the pictures at or above `threshold`, and share of errors among them."""
    if threshold is None:
        return 0.0, 0.0
    trusted = confidences >= threshold
    return float(trusted.mean()), float((~is_right[trusted]).mean()) if trusted.any() else 0.0
