"""From raw samples to figures: statistics of each launch, then intervals across launches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import Cell, Comparison, Interval, Latency, Launch, Plan, Startup
from edgefashion.stats import (
    Floats,
    hodges_lehmann,
    log_interval,
    paired_ratio,
    percentile,
    wilcoxon_p,
)

_NS = 1e-9
_MIN_FOR_INTERVAL = 2

Medians = Mapping[str, Mapping[int, float]]
"""Median seconds a picture of each launch, by cell label and generation."""


def latency(launches: Sequence[Launch]) -> Latency:
    """Figures of one cell from its launches; at least one is needed.

    Each figure is the geometric mean over launches with Student's t-interval on the log scale; percentiles are
    missing where a launch has too few calls to bound them, or where calls are too short to be timed one by one.
    """
    samples = [samples_ns(launch) for launch in launches]
    single = all(launch.calls_per_sample == 1 for launch in launches)

    def tail(quantile: float) -> Interval | None:
        return _across(samples, lambda each: percentile(each, quantile)) if single else None

    return Latency(
        median_s=_across(samples, lambda each: float(np.median(each))),
        clean_median_s=_across(
            [_clean_ns(launch) for launch in launches], lambda each: float(np.median(each)) if len(each) else None
        ),
        mean_s=_across(samples, lambda each: float(each.mean())),
        p90_s=tail(0.9),
        p99_s=tail(0.99),
        p999_s=tail(0.999),
    )


def throughput_per_s(launches: Sequence[Launch], *, batch: int, period_s: float | None = None) -> float:
    """Pictures a second: observed ones over the time of the timed calls; at most what a pace of `period_s` lets in."""
    calls = count_calls(launches)
    time_s = sum(sum(block) for launch in launches for block in launch.blocks_ns) * _NS
    return calls * batch / max(time_s, calls * (period_s or 0.0))


def count_calls(launches: Sequence[Launch]) -> int:
    """Timed calls of all launches."""
    return sum(len(block) * launch.calls_per_sample for launch in launches for block in launch.blocks_ns)


def startup(launches: Sequence[Launch]) -> Startup:
    """The median of each part of the cold starts."""
    return Startup(
        spawn_s=median(launch.cold.spawn_s for launch in launches),
        import_s=median(launch.cold.import_s for launch in launches),
        session_s=median(launch.cold.session_s for launch in launches),
        first_run_s=median(launch.cold.first_run_s for launch in launches),
        second_run_s=median(launch.cold.second_run_s for launch in launches),
    )


def launch_medians(plan: Plan, launches: Sequence[Launch]) -> dict[str, dict[int, float]]:
    """Median seconds a picture of each launch, by cell label and generation."""
    batch = {cell.label: cell.batch for cell in plan.cells}
    found: dict[str, dict[int, float]] = {}
    for launch in launches:
        seconds = float(np.median(samples_ns(launch))) * _NS / batch[launch.cell]
        found.setdefault(launch.cell, {})[launch.generation] = seconds
    return found


def comparisons(plan: Plan, medians: Medians) -> dict[str, Comparison]:
    """Time a picture of each cell over that of its reference, paired by generation.

    A cell that shares fewer than two generations with its reference is left out.
    """
    found = {}
    for cell in plan.cells:
        mine, reference = shared(medians, cell.label, cell.reference)
        if cell.label != cell.reference and len(mine) >= _MIN_FOR_INTERVAL:
            logs = np.log(mine / reference)
            found[cell.label] = Comparison(
                ratio=paired_ratio(mine, reference),
                hodges_lehmann=float(np.exp(hodges_lehmann(logs))),
                wilcoxon_p=wilcoxon_p(logs),
            )
    return found


def shared(medians: Medians, label: str, reference: str) -> tuple[Floats, Floats]:
    """Medians of two cells in the generations that they share, both float64[generations]."""
    mine, its = medians.get(label, {}), medians.get(reference, {})
    generations = sorted(mine.keys() & its.keys())
    return np.array([mine[each] for each in generations]), np.array([its[each] for each in generations])


@dataclass(frozen=True)
class Standing:
    """How well one cell is known so far.

    Attributes:
        label: Of the cell.
        launches: How many it has had.
        median_s: Seconds a picture; None below two launches.
        ratio: To its reference; None for a reference, or below two shared generations.
        half_width: The wider of the two 95 % intervals, relative; infinite where one is missing.
    """

    label: str
    launches: int
    median_s: Interval | None
    ratio: Interval | None
    half_width: float


def standings(plan: Plan, medians: Medians) -> list[Standing]:
    """How well each cell of the plan is known so far."""
    return [_standing(cell, medians) for cell in plan.cells]


def _standing(cell: Cell, medians: Medians) -> Standing:
    own = np.array(list(medians.get(cell.label, {}).values()))
    mine, reference = shared(medians, cell.label, cell.reference)
    median_s = log_interval(own) if len(own) >= _MIN_FOR_INTERVAL else None
    compared = cell.label != cell.reference
    ratio = paired_ratio(mine, reference) if compared and len(mine) >= _MIN_FOR_INTERVAL else None
    needed = [median_s, ratio] if compared else [median_s]
    widths = [float("inf") if interval is None else interval.relative_half_width for interval in needed]
    return Standing(cell.label, len(own), median_s, ratio, max(widths))


def launches_of(label: str, launches: Sequence[Launch]) -> list[Launch]:
    """The launches of one cell."""
    return [launch for launch in launches if launch.cell == label]


def samples_ns(launch: Launch) -> NDArray[np.float64]:
    """Nanoseconds of each call of a launch, float64[samples]; a sample of several calls counts as their mean."""
    return _flat(launch.blocks_ns) / launch.calls_per_sample


def _clean_ns(launch: Launch) -> NDArray[np.float64]:
    pairs = zip(launch.blocks_ns, launch.switches, strict=True)
    return _flat([block for block, switches in pairs if not switches]) / launch.calls_per_sample


def _flat(blocks: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    return np.concatenate([np.array(block, dtype=np.float64) for block in blocks] or [np.array([])])


def _across(
    samples: Sequence[NDArray[np.float64]], figure: Callable[[NDArray[np.float64]], float | None]
) -> Interval | None:
    """Interval in seconds over launches of a figure in nanoseconds; None where one lacks it, or below two."""
    known = [value for each in samples if (value := figure(each)) is not None]
    if len(known) < max(len(samples), _MIN_FOR_INTERVAL):
        return None
    return log_interval(np.array(known) * _NS)
