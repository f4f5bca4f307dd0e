"""Shares of yes and no: how well one is known, and whether two answers to the same questions differ."""

from math import sqrt

from edgefashion.records import Interval

_NORMAL_975 = 1.959963984540054


def wilson(successes: int, total: int) -> Interval:
    """A share with its two-sided 95 % score interval.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference", without correction for
    continuity; Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion", recommend it. Unlike
    the textbook interval it stays among possible shares and does not shrink to a point at 0 and 1.

    Raises:
        ValueError: Not 0 ≤ `successes` ≤ `total`, or nothing was counted.
    """
    if not 0 <= successes <= total or total == 0:
        raise ValueError(f"{successes} of {total} is no share")
    share, squared = successes / total, _NORMAL_975**2
    centre = (successes + squared / 2) / (total + squared)
    half = _NORMAL_975 * sqrt(total * share * (1 - share) + squared / 4) / (total + squared)
    # Rounding must not move the bounds of "none" and "all" off 0 and 1.
    low = max(0.0, centre - half) if successes else 0.0
    high = min(1.0, centre + half) if successes < total else 1.0
    return Interval(value=share, low=low, high=high)


def mcnemar_exact(lost: int, gained: int) -> float:
    """Two-sided p of McNemar's exact test for "as many answers are lost as are gained".

    McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages", by
    the binomial distribution of `lost` among the questions that only one of both answers gets right. Nothing lost
    and nothing gained has p = 1.

    Raises:
        ValueError: A count is negative.
    """
    from scipy.special import bdtr

    if min(lost, gained) < 0:
        raise ValueError(f"{lost} lost and {gained} gained are no counts")
    return min(1.0, 2 * float(bdtr(min(lost, gained), lost + gained, 0.5)))
