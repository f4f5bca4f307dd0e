"""What follows from the order of values: robust centres, percentiles, and p-values of a family of tests."""

from math import log

import numpy as np
from numpy.typing import NDArray

from edgefashion.stats.means import Floats


def hodges_lehmann(differences: Floats) -> float:
    """Centre of symmetrically spread `differences` (float64[n], n ≥ 1): the median of all means of two.

    Each value also counts as a mean with itself. Hodges & Lehmann 1963, "Estimates of location based on rank
    tests". Nothing short of 29 % of wild values moves it without bound.
    """
    first, second = np.triu_indices(len(differences))
    return float(np.median((differences[first] + differences[second]) / 2))


def wilcoxon_p(differences: Floats) -> float:
    """Two-sided p of the signed-rank test for "the centre of `differences` (float64[n], n ≥ 1) is zero".

    Wilcoxon 1945, "Individual comparisons by ranking methods". The p of n values is at least 2^(1-n), so it
    cannot fall below 0.05 from fewer than six. Zeros are left out; nothing but zeros has p = 1.
    """
    from scipy.stats import wilcoxon

    moved = differences[differences != 0]
    return float(wilcoxon(moved).pvalue) if len(moved) else 1.0


def holm(p_values: Floats) -> Floats:
    """Adjusted p (float64[n]) of each test of a family, so that rejecting those below α errs at all with at most α.

    Holm 1979, "A simple sequentially rejective multiple test procedure"; valid under any dependence.
    """
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return adjusted


def smallest_sample_for(quantile: float, *, confidence: float = 0.95) -> int:
    """How many values are needed before a two-sided distribution-free interval of `quantile` exists.

    The interval between the extremes covers with probability 1 - q^n - (1-q)^n (Conover, Practical
    Nonparametric Statistics, 3rd ed., section 3.2); each tail is held to half of 1 - confidence, as a
    two-sided interval promises.
    """
    tail = max(quantile, 1 - quantile)
    return int(np.ceil(log((1 - confidence) / 2) / log(tail)))


def percentile(values: NDArray[np.int64] | Floats, quantile: float) -> float | None:
    """The sample quantile of `values` (int64[n]), or None where n is too small to bound it."""
    if len(values) < smallest_sample_for(quantile):
        return None
    return float(np.quantile(values, quantile))
