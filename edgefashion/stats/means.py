"""Means known up to Student's t: intervals, tests, and what a test of this size can find."""

from dataclasses import dataclass
from math import exp, inf, sqrt

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import Interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """A mean that is known up to Student's t.

    Attributes:
        value: The estimate.
        error: Its standard error; zero where the values do not differ.
        freedom: Degrees of freedom of the standard error, not always whole.
    """

    value: float
    error: float
    freedom: float

    def interval(self, *, confidence: float = 0.95) -> Interval:
        """Student's two-sided t-interval.

        Student's t and not the bootstrap: at the ten or so launches of a run, percentile bootstrap intervals
        cover visibly less than they claim (Hesterberg 2015, "What teachers should know about the bootstrap").
        """
        from scipy.special import stdtrit  # bench workers import this room and never compute an interval

        half = float(stdtrit(self.freedom, (1 + confidence) / 2)) * self.error
        return Interval(value=self.value, low=self.value - half, high=self.value + half)

    def p_above(self, limit: float) -> float:
        """One-sided p of the t-test for "the true mean is above `limit`"."""
        from scipy.special import stdtr

        distance = self.value - limit
        errors = distance / self.error if self.error else (inf if distance > 0 else -inf)
        return float(stdtr(self.freedom, -errors))

    def chance_above(self, limit: float, *, truth: float, level: float) -> float:
        """Probability that another sample's `p_above(limit)` is below `level`, were the true mean `truth`.

        By the noncentral t distribution (Johnson & Welch 1940, "Applications of the non-central
        t-distribution"), with this sample's standard error taken for the true one.
        """
        from scipy.special import stdtrit
        from scipy.stats import nct

        if not self.error:
            return float(truth > limit)
        return float(nct.sf(stdtrit(self.freedom, 1 - level), self.freedom, (truth - limit) / self.error))

    def detectable_above(self, limit: float, *, level: float, power: float = 0.95) -> float:
        """The true mean from which on `chance_above(limit)` is at least `power`."""
        from scipy.special import nctdtrinc, stdtrit

        errors = nctdtrinc(self.freedom, 1 - power, stdtrit(self.freedom, 1 - level))
        return limit + float(errors) * self.error


def mean_of(values: Floats) -> Mean:
    """The mean of independent `values` (float64[n], n ≥ 2).

    Raises:
        ValueError: Fewer than two values.
    """
    if len(values) < 2:  # noqa: PLR2004 - a variance needs two
        raise ValueError("an interval needs at least two values")
    return Mean(float(np.mean(values)), float(np.std(values, ddof=1)) / sqrt(len(values)), len(values) - 1)


def difference_of_means(values: Floats, reference: Floats) -> Mean:
    """Mean of `values` less that of `reference`: independent samples (float64[n], n ≥ 2) of their own size and spread.

    Welch 1947, "The generalization of 'Student's' problem when several different population variances are
    involved", with the degrees of freedom of Satterthwaite 1946.

    Raises:
        ValueError: A sample has fewer than two values.
    """
    one, other = mean_of(values), mean_of(reference)
    variance = one.error**2 + other.error**2
    spread = one.error**4 / one.freedom + other.error**4 / other.freedom
    freedom = variance**2 / spread if spread else one.freedom + other.freedom
    return Mean(one.value - other.value, sqrt(variance), freedom)


def t_interval(values: Floats, *, confidence: float = 0.95) -> Interval:
    """Mean of `values` (float64[n], n ≥ 2) with Student's two-sided t-interval.

    Raises:
        ValueError: Fewer than two values.
    """
    return mean_of(values).interval(confidence=confidence)


def exponential(interval: Interval) -> Interval:
    """From the scale of logarithms back to that of ratios and times."""
    return Interval(value=exp(interval.value), low=exp(interval.low), high=exp(interval.high))


def log_interval(values: Floats) -> Interval:
    """Geometric mean of positive `values` (float64[n], n ≥ 2) with the t-interval of their logarithms.

    Raises:
        ValueError: Fewer than two values.
    """
    return exponential(t_interval(np.log(values)))


def paired_ratio(values: Floats, reference: Floats) -> Interval:
    """Geometric mean of `values / reference`, paired by position, with a 95 % t-interval on the log scale.

    Pairing by generation cancels what both members of a pair share: the machine's drift between generations.

    Raises:
        ValueError: The lengths differ or are below two.
    """
    if len(values) != len(reference):
        raise ValueError(f"{len(values)} values cannot be paired with {len(reference)}")
    return log_interval(values / reference)
