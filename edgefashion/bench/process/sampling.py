"""Timing calls: single samples, blocks, and the warm-up that comes before them.

Every function takes its clock, so that tests can run hours of simulated calls in a moment.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from math import ceil
from statistics import median, quantiles

Calls = Sequence[Callable[[], object]]
Clock = Callable[[], int]

MIN_CALLS = 20  # a block
# Below this the clock's own two readings (70 ns) would be a per cent of a sample.
SHORTEST_SAMPLE_NS = 10_000
# A sample of the shortest length is this many steps of its clock, or more.
_STEPS_IN_SHORTEST = 100

_WINDOW = 20  # sub-blocks
_SUB_BLOCK_S = 0.005
_MEDIAN_CHANGE, _QUARTILE_CHANGE = 0.01, 0.02
_PREALLOCATED_S = 5e-6  # no sample is shorter, so a block never outgrows its list


@dataclass(frozen=True)
class WarmUp:
    """How a launch came to rest.

    Attributes:
        steady: Two adjacent windows agreed before the cap.
        calls: How many calls it took.
        sub_blocks_ns: The median call of each sub-block, in order.
        calls_per_sample: 1, or how many calls make a sample long enough for the clock.
    """

    steady: bool
    calls: int
    sub_blocks_ns: list[int]
    calls_per_sample: int


def time_block(
    calls: Calls,
    *,
    seconds: float,
    calls_per_sample: int = 1,
    at_least: int = MIN_CALLS,
    clock: Clock = time.perf_counter_ns,
) -> list[int]:
    """Nanoseconds of each sample of `calls_per_sample` calls, rotating through `calls`.

    The block ends once `seconds` have passed and `at_least` samples are taken, with the garbage collector off
    meanwhile. Samples go into a list that exists before the first call.
    """
    samples = [0] * max(at_least, ceil(seconds / _PREALLOCATED_S))
    count = len(calls)
    with _no_garbage_collection():
        end = clock() + int(seconds * 1e9)
        for index in range(len(samples)):
            call = calls[index % count]
            if calls_per_sample == 1:
                start = clock()
                call()
                stop = clock()
            else:
                group = repeat(None, calls_per_sample)
                start = clock()
                for _ in group:
                    call()
                stop = clock()
            samples[index] = stop - start
            if stop >= end and index + 1 >= at_least:
                return samples[: index + 1]
    return samples


def time_paced(
    calls: Calls,
    *,
    period_s: float,
    count: int,
    clock: Clock = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> list[int]:
    """Nanoseconds of `count` calls that begin every `period_s`, as frames come from a camera.

    What is timed is the call; a call that outlasts the period makes the next one begin late, not shorter.
    """
    samples = [0] * count
    period_ns = int(period_s * 1e9)
    with _no_garbage_collection():
        tick = clock()
        for index in range(count):
            tick = max(tick + period_ns, clock())
            sleep(max(0, tick - clock()) / 1e9)
            call = calls[index % len(calls)]
            start = clock()
            call()
            samples[index] = clock() - start
    return samples


def settle(calls: Calls, *, at_most_s: float, clock: Clock = time.perf_counter_ns) -> int:
    """Twenty calls that nobody looks at, or fewer once the time is up: caches are cold after a stop.

    Returns:
        How many they were.
    """
    end = clock() + int(at_most_s * 1e9)
    for index in range(MIN_CALLS):
        calls[index % len(calls)]()
        if clock() >= end:
            return index + 1
    return MIN_CALLS


def warm_up(
    calls: Calls,
    *,
    cap_s: float,
    clock: Clock = time.perf_counter_ns,
    shortest_sample_ns: int = SHORTEST_SAMPLE_NS,
) -> WarmUp:
    """Call until two adjacent windows agree, or the cap is reached.

    A window is 20 sub-blocks of 5 ms, each at least one call. Two windows agree when the medians of their
    sub-blocks differ by less than 1 % and their quartiles by less than 2 %. A fixed number of warm-up calls fits
    no model: what is needed varies from tens to thousands of calls between launches of the same one.

    Args:
        calls: What is rotated through.
        cap_s: When to stop waiting for agreement.
        clock: Tells nanoseconds.
        shortest_sample_ns: What `clock` can time to within a per cent.
    """
    end = clock() + int(cap_s * 1e9)
    first = time_block(calls, seconds=0, at_least=_WINDOW, clock=clock)
    # A coarse clock may not have moved at all during one call.
    per_sample = _calls_per_sample(
        [max(each, shortest_sample_ns // _STEPS_IN_SHORTEST) for each in first], shortest_sample_ns
    )
    sub_blocks: list[int] = []
    done = _WINDOW
    steady = False
    with _no_garbage_collection():
        while not steady and clock() < end:
            samples = time_block(calls, seconds=_SUB_BLOCK_S, calls_per_sample=per_sample, at_least=1, clock=clock)
            done += len(samples) * per_sample
            sub_blocks.append(round(median(samples) / per_sample))
            complete = len(sub_blocks) % _WINDOW == 0
            steady = complete and _agree(sub_blocks[-2 * _WINDOW : -_WINDOW], sub_blocks[-_WINDOW:])
    return WarmUp(
        steady=steady,
        calls=done,
        sub_blocks_ns=sub_blocks,
        calls_per_sample=_calls_per_sample(sub_blocks[-_WINDOW:], shortest_sample_ns) if sub_blocks else per_sample,
    )


def _calls_per_sample(calls_ns: Sequence[int], shortest_sample_ns: int) -> int:
    return max(1, ceil(shortest_sample_ns / max(1.0, median(calls_ns))))


def _agree(before: Sequence[int], now: Sequence[int]) -> bool:
    if len(before) < _WINDOW:
        return False
    allowed = (_QUARTILE_CHANGE, _MEDIAN_CHANGE, _QUARTILE_CHANGE)
    pairs = zip(quantiles(before, n=4), quantiles(now, n=4), allowed, strict=True)
    return all(abs(new - old) < change * old for old, new, change in pairs)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    # Whoever wants a clean heap collects it before: a collection here would undo what settling is for.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
