"""From raw samples to figures: statistics of each launch, then intervals across launches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import Cell, Interval, Launch, Plan
from edgefashion.stats import log_interval, paired_ratio, percentile

_NS = 1e-9
_MIN_FOR_INTERVAL = 2


@dataclass(frozen=True)
class Timing:
    """Latency of one cell.

    Attributes:
        launches: Number of worker processes.
        calls: Number of timed calls in all of them.
        median_s: Geometric mean of the launch medians with its 95 % t-interval; None below two launches.
        mean_s: Mean of all calls.
        p90_s: Geometric mean of the launches' 90th percentiles; None where a launch is too short for one.
        p99_s: The same for the 99th.
        throughput_per_s: Pictures per second of timed calls.
        session_s: Median time to create the session.
        peak_rss_bytes: Largest resident memory of a worker.
        steady: Whether every launch's warm-up came to rest.
    """

    launches: int
    calls: int
    median_s: Interval | None
    mean_s: float
    p90_s: float | None
    p99_s: float | None
    throughput_per_s: float
    session_s: float
    peak_rss_bytes: int
    steady: bool


def timing(launches: Sequence[Launch], *, batch: int) -> Timing:
    """Figures of one cell from its launches; at least one is needed."""
    samples = [_samples(launch) for launch in launches]
    medians = np.array([np.median(each) for each in samples]) * _NS
    everything = np.concatenate(samples)
    mean_s = float(everything.mean()) * _NS
    return Timing(
        launches=len(launches),
        calls=len(everything),
        median_s=log_interval(medians) if len(medians) >= _MIN_FOR_INTERVAL else None,
        mean_s=mean_s,
        p90_s=_across(samples, lambda each: percentile(each, 0.9)),
        p99_s=_across(samples, lambda each: percentile(each, 0.99)),
        throughput_per_s=batch / mean_s,
        session_s=float(np.median([launch.session_s for launch in launches])),
        peak_rss_bytes=max(launch.peak_rss_bytes for launch in launches),
        steady=all(launch.steady for launch in launches),
    )


def paired_ratios(plan: Plan, launches: Sequence[Launch]) -> dict[str, Interval]:
    """Time a picture of each cell over that of the reference, paired by generation.

    A cell that shares fewer than two generations with the reference is left out.
    """
    per_picture: dict[str, dict[int, float]] = {}
    batch = {cell.label: cell.batch for cell in plan.cells}
    for launch in launches:
        median = float(np.median(_samples(launch)))
        per_picture.setdefault(launch.cell, {})[launch.generation] = median / batch[launch.cell]
    reference = per_picture.get(plan.reference, {})
    found = {}
    for label, mine in per_picture.items():
        shared = sorted(mine.keys() & reference.keys())
        if label != plan.reference and len(shared) >= _MIN_FOR_INTERVAL:
            found[label] = paired_ratio(
                np.array([mine[generation] for generation in shared]),
                np.array([reference[generation] for generation in shared]),
            )
    return found


def launches_of(cell: Cell, launches: Sequence[Launch]) -> list[Launch]:
    """The launches of one cell."""
    return [launch for launch in launches if launch.cell == cell.label]


def _samples(launch: Launch) -> NDArray[np.int64]:
    return np.concatenate([np.array(block, dtype=np.int64) for block in launch.blocks_ns])


def _across(
    samples: Sequence[NDArray[np.int64]], quantile: Callable[[NDArray[np.int64]], float | None]
) -> float | None:
    values = [quantile(each) for each in samples]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return float(np.exp(np.mean(np.log(known)))) * _NS
