"""From raw samples to figures, as edgefashion derives them, with numpy alone."""

from collections.abc import Callable, Sequence
from math import ceil, exp, log, sqrt
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NS = 1e-9
_CONFIDENCE = 0.95
_MIN_FOR_INTERVAL = 2

# Student's t of 1 to 30 degrees of freedom that 2.5 % lie above, then of 40, 60, 120 and the normal distribution:
# NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.2, which gives three decimals.
_UPPER_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_BEYOND = ((30, 2.042), (40, 2.021), (60, 2.000), (120, 1.980))
_NORMAL = 1.960


def student_t(freedom: int) -> float:
    """The 97.5th percentile of Student's t; beyond the table interpolated in the reciprocal of `freedom`."""
    if freedom <= len(_UPPER_T):
        return _UPPER_T[freedom - 1]
    reciprocals = [0.0, *(1 / known for known, _ in reversed(_BEYOND))]
    values = [_NORMAL, *(value for _, value in reversed(_BEYOND))]
    return float(np.interp(1 / freedom, reciprocals, values))


def log_interval(values: Floats) -> dict[str, float]:
    """Geometric mean of positive `values` (float64[n], n ≥ 2) with the 95 % t-interval of their logarithms."""
    logs = np.log(values)
    centre = float(logs.mean())
    half = student_t(len(logs) - 1) * float(logs.std(ddof=1)) / sqrt(len(logs))
    return {"value": exp(centre), "low": exp(centre - half), "high": exp(centre + half)}


def paired_ratio(values: Floats, reference: Floats) -> dict[str, float]:
    """Geometric mean of `values / reference`, paired by position, with its interval."""
    return log_interval(values / reference)


def percentile(values: Floats, quantile: float) -> float | None:
    """The sample quantile, or None where there are too few values for a two-sided 95 % interval of it.

    Between the extremes of n values it lies with probability 1 - q^n - (1-q)^n: Conover, Practical Nonparametric
    Statistics, 3rd ed., section 3.2.
    """
    needed = ceil(log((1 - _CONFIDENCE) / 2) / log(max(quantile, 1 - quantile)))
    return None if len(values) < needed else float(np.quantile(values, quantile))


def samples_ns(launch: dict[str, Any]) -> Floats:
    """Nanoseconds of each call of a launch; a sample of several calls counts as their mean."""
    return _flat(launch["blocks_ns"]) / float(launch["calls_per_sample"])


def medians_ns(launches: Sequence[dict[str, Any]]) -> Floats:
    """The median call of each launch."""
    return np.array([np.median(samples_ns(launch)) for launch in launches])


def latency(launches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Figures within launches, their intervals across them; in seconds."""
    samples = [samples_ns(launch) for launch in launches]
    single = all(launch["calls_per_sample"] == 1 for launch in launches)

    def tail(quantile: float) -> dict[str, float] | None:
        return _across(samples, lambda each: percentile(each, quantile)) if single else None

    clean = [_clean_ns(launch) for launch in launches]
    return {
        "median_s": _across(samples, lambda each: float(np.median(each))),
        "clean_median_s": _across(clean, lambda each: float(np.median(each)) if len(each) else None),
        "mean_s": _across(samples, lambda each: float(each.mean())),
        "p90_s": tail(0.9),
        "p99_s": tail(0.99),
        "p999_s": tail(0.999),
    }


def startup(launches: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The median of each part of the cold starts."""
    return {part: median(launch["cold"][part] for launch in launches) for part in launches[0]["cold"]}


def _clean_ns(launch: dict[str, Any]) -> Floats:
    pairs = zip(launch["blocks_ns"], launch["switches"], strict=True)
    return _flat([block for block, switches in pairs if not switches]) / float(launch["calls_per_sample"])


def _flat(blocks: Sequence[Sequence[int]]) -> Floats:
    return np.array([sample for block in blocks for sample in block], dtype=np.float64)


def _across(samples: Sequence[Floats], figure: Callable[[Floats], float | None]) -> dict[str, float] | None:
    known = [value for each in samples if (value := figure(each)) is not None]
    if len(known) < max(len(samples), _MIN_FOR_INTERVAL):
        return None
    return log_interval(np.array(known) * _NS)
