"""Probabilities: Brier score, calibration, and what a threshold still covers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import brier_score_loss

from edgefashion.verify.confidence import (
    brier_scores,
    calibration_error,
    measure_confidence,
    probabilities,
    threshold_for,
)

seeds = st.integers(0, 2**32 - 1)


def calibrated(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn with exactly the probabilities that they mean."""
    random = np.random.default_rng(seed)
    logits = (3 * random.standard_normal((count, 10))).astype(np.float32)
    return logits, (logits + random.gumbel(size=logits.shape)).argmax(1).astype(np.uint8)


def test_probabilities_of_large_logits() -> None:
    """Logits that overflow an exponential still give probabilities, which add up to one."""
    found = probabilities(np.array([[1e4, 1e4, -1e4], [0, 0, 0]], dtype=np.float32))
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])


def test_brier_by_hand() -> None:
    """A sure hit is 0, a sure miss 2, and a half-sure hit .5² + .5²."""
    chances = np.array([[1.0, 0, 0], [0, 1, 0], [0.5, 0.5, 0]])
    assert brier_scores(chances, np.array([0, 0, 0], dtype=np.uint8)).tolist() == [0.0, 2.0, 0.5]


@given(seeds)
def test_brier_is_scikit_learn_s(seed: int) -> None:
    """The mean is the sum of scikit-learn's scores of each class beside the others."""
    logits, labels = calibrated(seed, 300)
    chances = probabilities(logits)
    expected = sum(brier_score_loss(labels == label, chances[:, label]) for label in range(10))
    assert pytest.approx(expected) == brier_scores(chances, labels).mean()


def test_calibration_by_hand() -> None:
    """In two bins: .9 and .8 with one right is .35 off, .4 and right is .6 off; the average is weighted."""
    confidences, is_right = np.array([0.9, 0.8, 0.4]), np.array([True, False, True])
    assert calibration_error(confidences, is_right, bins=2) == pytest.approx((2 * 0.35 + 0.6) / 3)


def test_bins_are_closed_above() -> None:
    """A confidence on the border of two bins counts to the lower one, and one of zero or one to an outer one."""
    confidences, is_right = np.array([0.5, 0.6, 0.0, 1.0]), np.array([True, False, False, True])
    lower, upper = abs(0.5 - 1 + 0.0), abs(0.6 + 1.0 - 1)
    assert calibration_error(confidences, is_right, bins=2) == pytest.approx((lower + upper) / 4)


@given(seeds, st.integers(1, 200), st.integers(1, 20))
def test_calibration_by_definition(seed: int, count: int, bins: int) -> None:
    """The error is that of a loop over the bins."""
    random = np.random.default_rng(seed)
    confidences, is_right = random.random(count), random.random(count) < 0.7
    expected = 0.0
    for low in range(bins):
        inside = (confidences > low / bins) & (confidences <= (low + 1) / bins)
        if inside.any():
            expected += inside.mean() * abs(is_right[inside].mean() - confidences[inside].mean())
    assert pytest.approx(expected) == calibration_error(confidences, is_right, bins=bins)


@given(seeds, st.integers(1, 40), st.sampled_from([0.0, 0.1, 0.3, 1.0]))
def test_threshold_by_trying_all(seed: int, count: int, max_risk: float) -> None:
    """The threshold lies halfway below the lowest confidence that keeps to the risk; equal ones stay together."""
    random = np.random.default_rng(seed)
    confidences, is_right = random.integers(0, 12, count) / 12, random.random(count) < 0.8
    kept = [each for each in np.unique(confidences) if (~is_right[confidences >= each]).mean() <= max_risk]
    below = max((each for each in confidences if kept and each < kept[0]), default=0.0)
    expected = (kept[0] + below) / 2 if kept else None
    assert threshold_for(confidences, is_right, max_risk=max_risk) == expected


def test_the_last_bit_moves_no_coverage() -> None:
    """A model whose logits differ by rounding alone covers exactly what the reference covers."""
    logits, labels = calibrated(2, 2_000)
    shaken = logits + np.float32(1e-6) * np.random.default_rng(0).standard_normal(logits.shape).astype(np.float32)
    for found in measure_confidence(shaken, logits, labels).coverages:
        assert found.threshold is not None
        assert (found.coverage, found.risk) == (found.reference_coverage, found.reference_risk)


def test_coverage_by_hand() -> None:
    """The artifact is held to the reference's threshold, whatever its own would be."""
    reference = np.log([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]]).astype(np.float32)
    candidate = np.log([[0.9, 0.1], [0.75, 0.25], [0.2, 0.8], [0.15, 0.85]]).astype(np.float32)
    labels = np.array([0, 0, 0, 0], dtype=np.uint8)
    (found,) = measure_confidence(candidate, reference, labels, max_risks=[0.0]).coverages
    assert found.threshold == pytest.approx((0.7 + 0.6) / 2)
    assert (found.reference_coverage, found.reference_risk) == (0.75, 0.0)
    assert (found.coverage, found.risk) == (1.0, 0.5)


def test_no_threshold_at_all() -> None:
    """Where the surest decision is wrong no threshold keeps to a risk of zero, and nothing is covered."""
    logits = np.array([[5, 0], [1, 0]], dtype=np.float32)
    (found,) = measure_confidence(logits, logits, np.array([1, 0], dtype=np.uint8), max_risks=[0.0]).coverages
    assert (found.threshold, found.reference_coverage, found.coverage, found.risk) == (None, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature_is_seen(temperature: float) -> None:
    """Probabilities that are too sharp or too flat raise both figures and move what a threshold covers."""
    logits, labels = calibrated(1, 5_000)
    found = measure_confidence(logits / np.float32(temperature), logits, labels)
    assert found.brier_rise.low > 0.01
    assert found.ece > found.reference_ece + 0.03
    assert found.brier - found.reference_brier == pytest.approx(found.brier_rise.value)
    assert all((each.coverage > each.reference_coverage) == (temperature < 1) for each in found.coverages)


def test_rise_of_a_shift_of_probability() -> None:
    """Moving δ from one class to another raises the Brier score of a calibrated model by 2 δ², as the limits reckon."""
    logits, labels = calibrated(2, 200_000)
    before = probabilities(logits)
    after = before.copy()
    movable = before[:, 0] > 0.05
    after[movable, 0] -= 0.05
    after[movable, 1] += 0.05
    rise = brier_scores(after, labels) - brier_scores(before, labels)
    assert rise[movable].mean() == pytest.approx(2 * 0.05**2, rel=0.2)


def test_null_pairs_rarely_look_worse() -> None:
    """Of 400 pairs of equally good models, the lower end of the rise is above zero in no more than 2.5 %."""
    logits, labels = calibrated(3, 1_000)
    random = np.random.default_rng(4)
    alarms = 0
    for _ in range(400):
        one, two = (logits + random.normal(0, 0.3, (2, *logits.shape))).astype(np.float32)
        alarms += measure_confidence(two, one, labels, max_risks=[]).brier_rise.low > 0
    assert alarms <= binom.ppf(0.999, 400, 0.025)
