"""Whether a model keeps its speed when it runs for minutes: heat, throttling, a growing heap.

One fresh pinned worker runs a closed loop, one block a second. Seconds that follow each other resemble each other,
so they are not independent values. The first and the last fifth of the run are each cut into three batches; the
median of a batch's window medians is one value, and Student's t runs over those: the method of batch means
(Schmeiser 1982, "Batch size effects in the analysis of simulation output"). Few long batches and not many short
ones, nor the moving-block bootstrap: in 300 simulated seconds of autoregressive noise with a correlation of 0.8
from one to the next, intervals of three batches cover 95 %, of ten 83 %, and those of the bootstrap 79 %. In one
minute three batches cover 93 % at a correlation of 0.5 and 80 % at 0.8: run for several. Below 45 windows no figure
is given.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from edgefashion.bench.points.operating import find_reversal
from edgefashion.bench.process.launch import Worker
from edgefashion.bench.process.worker import Job
from edgefashion.records import Interval, SustainedRun, Window
from edgefashion.stats import Floats, difference_of_means, exponential, log_interval, percentile

_WINDOW_S = 1.0
_PARTS = 5  # the run's first and last fifth are compared
_BATCHES = 3  # of a fifth
_SHORTEST_BATCH = 3  # windows; a window takes a little more than a second, so a minute is enough

Clock = Callable[[], float]


def run_sustained(job: Job, *, cell: str, seconds: float, errors: Path) -> SustainedRun:
    """Run one cell in a closed loop for `seconds`, in a worker of its own.

    Args:
        job: What the worker opens and is held to; its pace and block length are replaced.
        cell: Label of the cell.
        seconds: How long, after the warm-up; at least one window runs.
        errors: Where the worker's stderr goes.

    Raises:
        WorkerFailed: It crashed, hung, or answered wrongly.
    """
    with Worker(msgspec.structs.replace(job, block_s=_WINDOW_S, paced_s=None), errors) as worker:
        per_sample = worker.ready.calls_per_sample
        windows = watch(lambda: worker.block().samples_ns, calls_per_sample=per_sample, seconds=seconds)
    return summarise(windows, cell=cell, batch=job.batch)


def watch(
    block: Callable[[], Sequence[int]], *, calls_per_sample: int, seconds: float, clock: Clock = time.monotonic
) -> list[Window]:
    """One window for each call of `block`, which takes about a second, until `seconds` have passed.

    Args:
        block: Nanoseconds of each of its samples.
        calls_per_sample: How many calls a sample holds.
        seconds: How long to go on.
        clock: Seconds.
    """
    windows: list[Window] = []
    begin_s = clock()
    while not windows or clock() - begin_s < seconds:
        started_s = clock() - begin_s
        windows.append(_window(block(), started_s, calls_per_sample))
    return windows


def summarise(windows: Sequence[Window], *, cell: str, batch: int) -> SustainedRun:
    """The run with its figures, which are None where it is too short for them."""
    medians_s = np.array([window.median_s for window in windows]) / batch
    first, last = _batch_medians(medians_s)
    long_enough = len(first) == _BATCHES
    return SustainedRun(
        cell=cell,
        batch=batch,
        windows=list(windows),
        start=log_interval(first) if long_enough else None,
        end=log_interval(last) if long_enough else None,
        change=exponential(difference_of_means(np.log(last), np.log(first)).interval()) if long_enough else None,
    )


def speed_changed(run: SustainedRun) -> str | None:
    """A sentence if a call surely takes longer or shorter at the end than at the start, else None."""
    change = run.change
    if change is None or change.low <= 1 <= change.high:
        return None
    became = "slower" if change.value > 1 else "faster"
    return (
        f"{run.cell} becomes {became} when it runs for {run.windows[-1].started_s + _WINDOW_S:.0f} s: a call takes "
        f"{change.value:.3f} times as long at the end as at the start ({change.low:.3f} to {change.high:.3f})"
    )


def ranking_changed(runs: Sequence[SustainedRun]) -> str | None:
    """A sentence if the order of two cells, by time a picture, is surely reversed from start to end, else None.

    The runs follow one another, so what the machine does meanwhile differs from run to run.
    """
    reversal = find_reversal({"start": _known(runs, "start"), "end": _known(runs, "end")})
    if reversal is None:
        return None
    return (
        f"the ranking changes when cells run for long: {reversal.cell} is faster than {reversal.other_cell} "
        f"at the {reversal.point}, and slower at the {reversal.other_point}"
    )


def _known(runs: Sequence[SustainedRun], when: str) -> dict[str, Interval]:
    found = {run.cell: run.start if when == "start" else run.end for run in runs}
    return {cell: interval for cell, interval in found.items() if interval is not None}


def _window(samples_ns: Sequence[int], started_s: float, calls_per_sample: int) -> Window:
    p99_ns = percentile(np.array(samples_ns), 0.99) if calls_per_sample == 1 else None
    return Window(
        started_s=started_s,
        calls=len(samples_ns) * calls_per_sample,
        median_s=float(np.median(samples_ns)) / calls_per_sample / 1e9,
        p99_s=None if p99_ns is None else p99_ns / 1e9,
    )


def _batch_medians(values: Floats) -> tuple[Floats, Floats]:
    """Medians of the batches of the first and of the last fifth of `values` (float64[n]); empty below 45."""
    length = len(values) // (_PARTS * _BATCHES)
    if length < _SHORTEST_BATCH:
        return values[:0], values[:0]
    size = length * _BATCHES
    first, last = (part.reshape(_BATCHES, length) for part in (values[:size], values[-size:]))
    return np.median(first, axis=1), np.median(last, axis=1)
