"""What a benchmark knows of one cell: a figure with its interval, or why there is none."""

from dataclasses import dataclass
from functools import partial

from edgefashion.records import BenchReport, Cell, CellResult, Interval, Quality
from edgefashion.records.pick import Quantity
from edgefashion.stats import smallest_sample_for, wilson

_NO_QUALITY = "its decisions were not judged"


@dataclass(frozen=True)
class Figure:
    """A figure as far as it is known.

    Attributes:
        interval: The estimate with its 95 % interval; None where nothing is known.
        is_floor: Whether the figure itself is not known, only that it is no smaller than this one.
        why: Why it is not known; empty where it is.
        samples: Launches or pictures that the interval rests on; None where it is exact or unknown.
    """

    interval: Interval | None
    is_floor: bool = False
    why: str = ""
    samples: int | None = None


def figure_of(quantity: Quantity, cell: Cell, bench: BenchReport, *, label: str = "") -> Figure:
    """What the benchmark knows of one quantity of one cell, in bytes, seconds of one call, or a share.

    Size is exact. Accuracy and F1 are of a model that meets more pictures of the same kind, latency is of its next
    launches on this machine: a percentile is taken within each launch, and its interval across them.

    Args:
        quantity: Which one.
        cell: Of the benchmark's plan.
        bench: The benchmark.
        label: The class that an F1 is of.
    """
    if quantity == "size":
        size = float(cell.artifact.size_bytes)
        return Figure(Interval(value=size, low=size, high=size))
    result = next((each for each in bench.results if each.cell == cell.label), None)
    if result is None:
        reasons = [f": {failure.reason}" for failure in bench.failures if failure.cell == cell.label]
        return Figure(None, why="it was not measured" + "".join(reasons[:1]))
    if quantity == "accuracy":
        return _quality(result.quality)
    if quantity == "F1":
        return _class_f1(result.quality, label)
    if bench.noise.level == "invalid":
        return Figure(None, why=f"the measurement is invalid: {'; '.join(bench.noise.reasons)}")
    return _p50(result) if quantity == "p50" else _p99(result, bench)


def f1_interval(hits: int, either: int) -> Interval:
    """F1 of a class with its two-sided 95 % interval.

    Of the pictures that are of the class or are called so, the share F* that is both determines F1 = 2 F* / (1 + F*)
    (Hand, Christen & Kirielle 2021, "F*: an interpretable transformation of the F-measure"). F* is a plain share, so
    both ends of its Wilson interval become those of F1: the transformation rises.

    Args:
        hits: Pictures that are of the class and are called so.
        either: Pictures that are of the class, or are called so, or both; at least one.
    """
    star = wilson(hits, either)
    return Interval(
        value=2 * star.value / (1 + star.value), low=2 * star.low / (1 + star.low), high=2 * star.high / (1 + star.high)
    )


def _quality(quality: Quality | None) -> Figure:
    if quality is None:
        return Figure(None, why=_NO_QUALITY)
    return Figure(wilson(round(quality.accuracy * quality.images), quality.images), samples=quality.images)


def _class_f1(quality: Quality | None, label: str) -> Figure:
    if quality is None:
        return Figure(None, why=_NO_QUALITY)
    labels = [each.label for each in quality.per_class]
    if label not in labels:
        return Figure(None, why=f"it has no class {label}")
    place = labels.index(label)
    hits = quality.confusion[place][place]
    either = sum(quality.confusion[place]) + sum(row[place] for row in quality.confusion) - hits
    if not either:
        return Figure(None, why=f"no picture is of {label}, and none was called so")
    return Figure(f1_interval(hits, either), samples=quality.images)


def _p50(result: CellResult) -> Figure:
    median_s = result.latency.median_s
    return Figure(median_s, why="" if median_s else "fewer than two launches", samples=result.launches)


def _p99(result: CellResult, bench: BenchReport) -> Figure:
    """The p99, or what it cannot be below, median or p90, where a launch has too few calls for a p99."""
    latency, rests_on = result.latency, partial(Figure, samples=result.launches)
    if latency.p99_s:
        return rests_on(latency.p99_s)
    why = "fewer than two launches"
    if latency.median_s:
        launches = [each for each in bench.launches if each.cell == result.cell]
        fewest = min((sum(map(len, each.blocks_ns)) for each in launches), default=0)
        why = f"a launch has {fewest} calls, and a p99 needs {smallest_sample_for(0.99)}"
        if any(each.calls_per_sample > 1 for each in launches):
            why = "its calls are too short to be timed one by one"
    below = [each for each in (latency.median_s, latency.p90_s) if each]
    return rests_on(max(below, key=lambda each: each.low, default=None), is_floor=True, why=why)
