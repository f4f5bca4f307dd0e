"""Intervals and percentiles: pure functions on arrays, every method with its source."""

from math import exp, log

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import Interval

Floats = NDArray[np.float64]


def t_interval(values: Floats, *, confidence: float = 0.95) -> Interval:
    """Mean of `values` (float64[n], n ≥ 2) with Student's two-sided t-interval.

    Student's t and not the bootstrap: at the ten or so launches of a run, percentile bootstrap intervals
    cover visibly less than they claim (Hesterberg 2015, "What teachers should know about the bootstrap").

    Raises:
        ValueError: Fewer than two values.
    """
    if len(values) < 2:  # noqa: PLR2004 - a variance needs two
        raise ValueError("an interval needs at least two values")
    from scipy import stats  # bench workers import this room and never compute an interval

    mean = float(np.mean(values))
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1) * stats.sem(values))
    return Interval(value=mean, low=mean - half, high=mean + half)


def log_interval(values: Floats) -> Interval:
    """Geometric mean of positive `values` (float64[n]) with the t-interval of their logarithms."""
    log_scale = t_interval(np.log(values))
    return Interval(value=exp(log_scale.value), low=exp(log_scale.low), high=exp(log_scale.high))


def paired_ratio(values: Floats, reference: Floats) -> Interval:
    """Geometric mean of `values / reference`, paired by position, with a 95 % t-interval on the log scale.

    Pairing by generation cancels what both members of a pair share: the machine's drift between generations.

    Raises:
        ValueError: The lengths differ or are below two.
    """
    if len(values) != len(reference):
        raise ValueError(f"{len(values)} values cannot be paired with {len(reference)}")
    return log_interval(values / reference)


def smallest_sample_for(quantile: float, *, confidence: float = 0.95) -> int:
    """How many values are needed before a two-sided distribution-free interval of `quantile` exists.

    The interval between the extremes covers with probability 1 - q^n - (1-q)^n (Conover, Practical
    Nonparametric Statistics, 3rd ed., section 3.2); each tail is held to half of 1 - confidence, as a
    two-sided interval promises.
    """
    tail = max(quantile, 1 - quantile)
    return int(np.ceil(log((1 - confidence) / 2) / log(tail)))


def percentile(values: NDArray[np.int64], quantile: float) -> float | None:
    """The sample quantile of `values` (int64[n]), or None where n is too small to bound it."""
    if len(values) < smallest_sample_for(quantile):
        return None
    return float(np.quantile(values, quantile))
