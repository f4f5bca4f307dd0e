"""How much worse a second model answers the same questions: accuracy, F1 of each class, and F1 of the worst."""

from dataclasses import dataclass
from math import copysign, erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import Interval
from edgefashion.stats.means import Floats, Mean

Classes = NDArray[np.uint8]

_NORMAL_975 = 1.959963984540054
_ALMOST_ONE = 1 - 1e-9


@dataclass(frozen=True)
class PairedDrop:
    """By how much the share of right answers drops from a first to a second answer to each of the same questions.

    Score test and interval of Tango 1998, "Equivalence test and confidence interval for the difference in
    proportions for the paired-sample design", with the correction for skewness of Gart & Nam 1988, "Approximate
    interval estimation of the ratio of binomial parameters", and the factor n / (n - 1) in the variance, as in
    Laud's R package ratesci. Where few pairs differ, it is the correction that keeps one-sided errors near their
    level. With a limit of zero and without that factor this would be McNemar's test.

    Attributes:
        lost: Questions that only the first answer gets right.
        gained: Questions that only the second answer gets right.
        total: Questions; at least two.
    """

    lost: int
    gained: int
    total: int

    @property
    def value(self) -> float:
        """The observed drop."""
        return (self.lost - self.gained) / self.total

    def interval(self) -> Interval:
        """Two-sided 95 % interval: the drops that neither one-sided test rejects at 2.5 %."""
        return Interval(value=self.value, low=self._bound(-1), high=self._bound(1))

    def p_above(self, limit: float) -> float:
        """One-sided p for "the true drop is above `limit`"."""
        return erfc(self._score(limit) / sqrt(2)) / 2

    def _bound(self, side: int) -> float:
        from scipy.optimize import brentq

        def margin(drop: float) -> float:
            return side * self._score(drop) + _NORMAL_975

        end = side * _ALMOST_ONE
        if margin(end) > 0:  # not even the most extreme drop is rejected
            return copysign(1.0, side)
        return float(brentq(margin, self.value, end))

    def _score(self, drop: float) -> float:
        """Standard normal deviate of what was observed, were `drop` true."""
        gain = self._likely_gain(drop)
        discordant = 2 * gain + drop
        variance = self.total**2 / (self.total - 1) * (discordant - drop**2)
        if variance <= 0:  # nothing could differ and nothing does
            return 0.0
        score = (self.lost - self.gained - self.total * drop) / sqrt(variance)
        third_moment = self.total * drop * (1 - 3 * discordant + 2 * drop**2)
        skew = third_moment / (variance * sqrt(variance)) / 6
        # Solves score = z + skew * (z² - 1) for z, written so that a skew of zero divides nothing.
        return 2 * (skew + score) / (1 + sqrt(max(0.0, 1 + 4 * skew * (skew + score))))

    def _likely_gain(self, drop: float) -> float:
        """Probability of gaining a question that makes the observation likeliest, were `drop` true."""
        linear = (2 * self.total - self.lost + self.gained) * drop - self.lost - self.gained
        constant = -self.gained * drop * (1 - drop)
        return (sqrt(max(0.0, linear**2 - 8 * self.total * constant)) - linear) / (4 * self.total)


@dataclass(frozen=True)
class Resampled:
    """A figure, and what it became in samples drawn from the sample: Efron's bootstrap (1979).

    Attributes:
        value: The figure.
        draws: The figure of each drawn sample, float64[resamples].
    """

    value: float
    draws: Floats

    def interval(self) -> Interval:
        """Two-sided 95 % percentile interval."""
        low, high = np.quantile(self.draws, [0.025, 0.975])
        return Interval(value=self.value, low=float(low), high=float(high))

    def p_above(self, limit: float) -> float:
        """One-sided p for "the true figure is above `limit`": the share of draws that are not.

        One is added to both counts, so that it is never zero (Davison & Hinkley 1997, section 4.2).
        """
        return float(1 + np.sum(self.draws <= limit)) / (1 + len(self.draws))


def class_f1(labels: Classes, decisions: Classes, *, classes: int) -> Floats:
    """F1 of each class (float64[classes]) of `decisions` on `labels` (uint8[n] each); zero for a class unseen."""
    one_hot = np.eye(classes)
    return _f1(np.ones(len(labels)), one_hot[labels], one_hot[decisions])


def class_f1_drops(labels: Classes, first: Classes, second: Classes, *, classes: int) -> list[Mean]:
    """By how much the F1 of each class drops from `first` to `second` decisions (uint8[n] each, n ≥ 2).

    Standard errors are those of the delta method (Hampel 1974, "The influence curve and its role in robust
    estimation"): the spread of what single pictures contribute to the drop. As in `worst_class_f1_drop`, each class
    that occurs is given one more picture that was lost and one that was gained, without which a class that loses two
    pictures and gains none would seem a certain loss. A class that does not occur drops by zero for certain.

    Raises:
        ValueError: A class at or beyond `classes`, or different lengths.
    """
    table = _paired_table(labels, first, second, classes=classes)
    drops = _f1(table.counts, table.actual, table.first) - _f1(table.counts, table.actual, table.second)
    influence = _f1_influence(table.padded, table.actual, table.first)
    influence -= _f1_influence(table.padded, table.actual, table.second)
    errors = np.sqrt(table.padded @ influence**2) / table.padded.sum()
    return [Mean(drop, error, len(labels) - 1) for drop, error in zip(drops.tolist(), errors.tolist(), strict=True)]


def worst_class_f1_drop(
    labels: Classes, first: Classes, second: Classes, *, classes: int, resamples: int, seed: int
) -> Resampled:
    """By how much the lowest F1 of any class drops from `first` to `second` decisions (uint8[n] each).

    Samples are drawn from the table label × first × second: that keeps together what belongs to one picture, and
    costs as much as the table has occupied cells. A bootstrap never draws what was never seen, so where few
    decisions differ it would be far too sure. Therefore each class that occurs is given one more picture that was
    lost and one that was gained, in the manner of Bonett & Price 2012, "Adjusted Wald confidence interval for a
    difference of binomial proportions based on paired data".

    Raises:
        ValueError: A class at or beyond `classes`, or different lengths.
    """
    table = _paired_table(labels, first, second, classes=classes)

    def drop(counts: Floats) -> Floats:
        lowest = (_f1(counts, table.actual, decided).min(axis=-1) for decided in (table.first, table.second))
        return np.asarray(np.subtract(*lowest))

    shares = table.padded / table.padded.sum()
    draws = np.random.default_rng(seed).multinomial(len(labels), shares, size=resamples)
    return Resampled(float(drop(table.counts)), drop(draws.astype(np.float64)))


@dataclass(frozen=True)
class _PairedTable:
    """The occupied cells of the table label × first × second decision.

    Attributes:
        counts: Pictures in each cell, float64[cells].
        padded: The same with one more picture lost and one gained in each class that occurs.
        actual: True class of each cell, one-hot float64[cells, classes].
        first: First decision, likewise.
        second: Second decision, likewise.
    """

    counts: Floats
    padded: Floats
    actual: Floats
    first: Floats
    second: Floats


def _paired_table(labels: Classes, first: Classes, second: Classes, *, classes: int) -> _PairedTable:
    shape = (classes, classes, classes)
    counts = np.bincount(np.ravel_multi_index((labels, first, second), shape))
    occupied = np.flatnonzero(counts)
    own = np.flatnonzero(np.bincount(labels))
    other = np.roll(own, 1)
    cells = np.concatenate([np.unravel_index(occupied, shape), [own, own, other], [own, other, own]], axis=1)
    actual, one, two = np.eye(classes)[cells]
    added = 2 * len(own)
    return _PairedTable(
        counts=np.concatenate([counts[occupied], np.zeros(added)]),
        padded=np.concatenate([counts[occupied], np.ones(added)]),
        actual=actual,
        first=one,
        second=two,
    )


def _f1_influence(counts: Floats, actual: Floats, predicted: Floats) -> Floats:
    """By how much one more picture in a cell moves each class's F1, times all pictures: float64[cells, classes]."""
    either = counts @ (actual + predicted)
    excess = 2 * actual * predicted - _f1(counts, actual, predicted) * (actual + predicted)
    return np.asarray(np.divide(counts.sum() * excess, either, out=np.zeros_like(excess), where=either > 0))


def _f1(counts: Floats, actual: Floats, predicted: Floats) -> Floats:
    """F1 (float64[…, classes]) of cells that occur `counts` (float64[…, cells]) times, each one-hot in a row."""
    right = counts @ (actual * predicted)
    either = counts @ (actual + predicted)
    return np.divide(2 * right, either, out=np.zeros_like(right), where=either > 0)
