"""What certified decisions survive, and what flips the others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgefashion.verify.margins import certify, is_certified, largest_error, margins, tolerance_from

PICTURES = 10_000
REFERENCE = (4 * np.random.default_rng(20).standard_normal((PICTURES, 10))).astype(np.float32)

# Exponents from tiny to huge, so that sums lose digits; values coarse enough for ties.
any_logits = npst.arrays(
    np.float32, (5, 3), elements=st.one_of(st.floats(-(2.0**100), 2.0**100, width=32), st.integers(-3, 3).map(float))
)


def flips(candidate: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return candidate.argmax(1) != reference.argmax(1)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 8))
def test_no_certified_decision_flips(seed: int, epsilon: float) -> None:
    """On 10,000 pictures, whatever errors of at most ε do, no picture flips whose margin exceeds 2 ε."""
    errors = np.random.default_rng(seed).uniform(-epsilon, epsilon, REFERENCE.shape)
    candidate = (REFERENCE + errors).astype(np.float32)
    found = certify(candidate, REFERENCE)
    assert found.certified_flips == 0
    assert found.epsilon <= epsilon + 1e-5
    certified = is_certified(margins(REFERENCE), found.epsilon)
    assert not flips(candidate, REFERENCE)[certified].any()
    assert np.mean(certified) == found.certified.value


@given(any_logits, any_logits)
def test_rounding_certifies_nothing_that_flips(candidate: np.ndarray, reference: np.ndarray) -> None:
    """Logits of any size, ties among them, never make a certified picture flip."""
    assert certify(candidate, reference).certified_flips == 0


@settings(max_examples=30)
@given(st.floats(1e-3, 4))
def test_nothing_more_could_be_certified(epsilon: float) -> None:
    """The worst error of size ε flips every picture that is not certified, rounding aside: the bound is tight."""
    order = REFERENCE.argsort(1)
    rows = np.arange(PICTURES)
    candidate = REFERENCE.astype(np.float64)
    candidate[rows, order[:, -1]] -= epsilon
    candidate[rows, order[:, -2]] += epsilon
    worst = candidate.astype(np.float32)
    assert not flips(worst, REFERENCE)[is_certified(margins(REFERENCE), largest_error(worst, REFERENCE))].any()
    assert flips(worst, REFERENCE)[margins(REFERENCE) < 2 * epsilon - 1e-5].all()


def test_just_above_half_a_margin_flips() -> None:
    """An error of a hair more than half the margin flips a picture, one of a hair less is certified not to."""
    reference = np.array([[4, 1, 0], [0, 9, 1]], dtype=np.float32)
    for excess, is_flipped in ((2.0**-20, True), (-(2.0**-20), False)):
        error = 1.5 + excess
        candidate = reference + np.array([[-error, error, 0], [0, 0, 0]], dtype=np.float32)
        found = certify(candidate, reference)
        assert is_flipped == flips(candidate, reference)[0]
        assert (0.5 if is_flipped else 1.0) == found.certified.value
        assert found.certified_flips == 0


def test_exactly_half_a_margin_is_not_certified() -> None:
    """An error of exactly half the margin may end in a tie, which the order of the classes decides."""
    reference, candidate = np.array([[0, 2]], dtype=np.float32), np.array([[1, 1]], dtype=np.float32)
    assert flips(candidate, reference)[0]
    assert certify(candidate, reference).certified.value == 0


def test_margins_by_hand() -> None:
    """A margin is the highest logit less the second, zero for a tie, and exact where float32 would round."""
    logits = np.array([[4, 1, 0], [2, 2, -5], [1e8, 1, -1]], dtype=np.float32)
    assert margins(logits).tolist() == [3.0, 0.0, 99_999_999.0]


@given(st.integers(0, 2**32 - 1), st.integers(1, 3_000), st.sampled_from([0.9, 0.99, 0.999]))
def test_tolerance_is_half_the_margin_that_enough_exceed(seed: int, count: int, share: float) -> None:
    """At least `share` of the pictures have more than twice the tolerance, and not many more could be asked."""
    gaps = np.random.default_rng(seed).exponential(1.0, count)
    tolerance = tolerance_from(gaps, share)
    if count >= 1 / (1 - share):
        assert np.mean(gaps > 2 * tolerance) >= share - 1e-12 - 1 / count * (count * (1 - share) % 1 > 0)
    assert np.sum(gaps < 2 * tolerance) <= count * (1 - share)
    assert 2 * tolerance in gaps.tolist()


def test_tolerance_of_ten_thousand() -> None:
    """Of 10,000 different margins the tenth smallest is the one that 99.9 % exceed."""
    gaps = np.random.default_rng(0).permutation(np.arange(1.0, 10_001.0))
    assert tolerance_from(gaps, 0.999) == 5.0
    assert np.mean(gaps > 10.0) == 0.999


def test_other_shapes_are_refused() -> None:
    """Logits of another number of pictures are never broadcast."""
    with pytest.raises(ValueError, match="cannot be compared"):
        certify(REFERENCE[:1], REFERENCE)
