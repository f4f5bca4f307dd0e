"""Shares of yes and no."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from edgefashion.stats import mcnemar_exact, wilson


@given(st.integers(1, 20_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilson_is_scipy_s(counts: tuple[int, int]) -> None:
    """The interval is scipy's, holds the share, and never leaves 0 to 1."""
    successes, total = counts
    found, expected = wilson(successes, total), binomtest(successes, total).proportion_ci(method="wilson")
    assert successes / total == found.value
    assert pytest.approx((expected.low, expected.high), abs=1e-12) == (found.low, found.high)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_none_and_all_reach_the_ends() -> None:
    """None of many may be none in truth, and all may be all; neither is certain."""
    assert wilson(0, 100).low == 0.0
    assert wilson(0, 100).high == pytest.approx(0.0370, abs=5e-5)
    assert wilson(100, 100).high == 1.0
    assert wilson(100, 100).low == pytest.approx(0.9630, abs=5e-5)


@pytest.mark.parametrize("counts", [(1, 0), (0, 0), (3, 2), (-1, 2)])
def test_what_is_no_share_is_refused(counts: tuple[int, int]) -> None:
    """More successes than trials, fewer than none, or no trial at all is an error."""
    with pytest.raises(ValueError, match="no share"):
        wilson(*counts)


@given(st.integers(0, 3_000), st.integers(0, 3_000))
def test_mcnemar_is_the_exact_binomial_test(lost: int, gained: int) -> None:
    """The p is that of scipy's binomial test of one half, whichever model comes first; it is 1 if nothing differs."""
    expected = binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert pytest.approx(expected, rel=1e-6, abs=1e-300) == mcnemar_exact(lost, gained)
    assert mcnemar_exact(lost, gained) == mcnemar_exact(gained, lost)


def test_mcnemar_by_hand() -> None:
    """Five lost and none gained is two tails of 1 in 32; six make it significant."""
    assert mcnemar_exact(5, 0) == pytest.approx(2 / 32)
    assert mcnemar_exact(0, 6) == pytest.approx(2 / 64)
    assert mcnemar_exact(4, 4) == 1.0


def test_negative_counts_are_refused() -> None:
    """A count below zero is an error."""
    with pytest.raises(ValueError, match="no counts"):
        mcnemar_exact(-1, 2)
