"""Timing: what is called, how often, and for how long, on a virtual clock and briefly on the real one."""

import gc
import time
from collections.abc import Callable, Iterator
from itertools import cycle, repeat

import pytest
from hypothesis import given
from hypothesis import settings as configure
from hypothesis import strategies as st
from simulation import Clock

from edgefashion.bench.process.sampling import MIN_CALLS, SHORTEST_SAMPLE_NS, settle, time_block, time_paced, warm_up

MS = 1_000_000  # nanoseconds


@pytest.fixture(autouse=True, scope="module")
def _quick_collections() -> Iterator[None]:
    """Each block collects garbage first, and what pytest and its friends have loaded is none of its business."""
    gc.freeze()
    yield
    gc.unfreeze()


# Samples


@given(duration_ns=st.integers(20, 200_000))
@configure(max_examples=30)
def test_a_sample_is_long_enough_for_the_clock(duration_ns: int) -> None:
    """It is the fewest calls that together take 10 µs: one where a call takes that long. All of them are counted."""
    clock = Clock()
    warm = warm_up([clock.call(repeat(duration_ns))], cap_s=0.001, clock=clock)
    calls = warm.calls_per_sample
    assert calls * duration_ns >= SHORTEST_SAMPLE_NS
    assert calls == 1 or (calls - 1) * duration_ns < SHORTEST_SAMPLE_NS
    assert warm.calls * duration_ns == clock.now_ns


@given(
    durations=st.lists(st.integers(5_000, 5_000_000), min_size=1, max_size=50),
    seconds=st.floats(0.0, 0.01),
    calls_per_sample=st.integers(1, 5),
    at_least=st.integers(1, 30),
)
def test_a_block_is_long_enough_and_no_longer(
    durations: list[int], seconds: float, calls_per_sample: int, at_least: int
) -> None:
    """It ends with the first sample that completes both its time and its number, and loses no nanosecond."""
    clock = Clock()
    samples = time_block(
        [clock.call(cycle(durations))],
        seconds=seconds,
        calls_per_sample=calls_per_sample,
        at_least=at_least,
        clock=clock,
    )
    assert sum(samples) == clock.now_ns
    assert len(samples) >= at_least
    assert clock.now_ns >= int(seconds * 1e9)
    assert len(samples) == at_least or clock.now_ns - samples[-1] < seconds * 1e9


def test_a_block_rotates_through_its_calls() -> None:
    """Sample by sample, each call has its turn."""
    clock = Clock()
    calls = [clock.call(repeat(duration)) for duration in (1_000, 2_000, 3_000)]
    assert time_block(calls, seconds=0, at_least=7, clock=clock) == [1_000, 2_000, 3_000, 1_000, 2_000, 3_000, 1_000]


def test_no_garbage_is_collected_while_a_block_is_timed() -> None:
    """The collector is off in every call, on again afterwards, and also after an error."""
    enabled: list[bool] = []
    time_block([lambda: enabled.append(gc.isenabled())], seconds=0)
    assert enabled == [False] * MIN_CALLS
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        time_block([lambda: 1 // 0], seconds=0)
    assert gc.isenabled()


def test_settling_is_twenty_calls_or_the_time_allowed() -> None:
    """Whatever is less, and at least one call; it tells how many."""
    for duration_ns, expected in ((MS, 20), (10 * MS, 3), (100 * MS, 1)):
        clock = Clock()
        assert settle([clock.call(repeat(duration_ns))], at_most_s=0.03, clock=clock) == expected
        assert clock.now_ns == expected * duration_ns


# Paced calls


def began(durations_ns: Iterator[float], *, count: int, oversleep_s: float = 0.0) -> tuple[list[float], list[int]]:
    """When paced calls began, in seconds, and what was timed."""
    clock = Clock()
    starts: list[float] = []

    def note(now_s: float) -> float:
        starts.append(now_s)
        return next(durations_ns)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds + oversleep_s)

    return starts, time_paced([clock.curve(note)], period_s=0.1, count=count, clock=clock, sleep=sleep)


def test_paced_calls_begin_a_period_apart() -> None:
    """Ten calls a second, whatever each of them takes, and only the calls are timed."""
    starts, samples = began(cycle([1 * MS, 99 * MS]), count=4)
    assert starts == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert samples == [1 * MS, 99 * MS, 1 * MS, 99 * MS]


def test_a_late_call_is_not_a_longer_one() -> None:
    """A call that outlasts the period delays the next one's beginning; that one is timed from there."""
    starts, samples = began(iter([250 * MS, 1 * MS, 1 * MS]), count=3)
    assert starts == pytest.approx([0.1, 0.35, 0.45])
    assert samples == [250 * MS, 1 * MS, 1 * MS]


def test_oversleeping_does_not_add_up() -> None:
    """Each sleep that lasts a millisecond too long moves its own call, not the ones after it."""
    starts, samples = began(repeat(1 * MS), count=3, oversleep_s=0.001)
    assert starts == pytest.approx([0.101, 0.201, 0.301])
    assert samples == [1 * MS] * 3


# The real clock


def spin(duration_ns: int) -> None:
    end = time.perf_counter_ns() + duration_ns
    while time.perf_counter_ns() < end:
        pass


@pytest.mark.parametrize(
    ("call", "duration_ns"), [(lambda: spin(200_000), 200_000), (lambda: time.sleep(0.002), 2_000_000)]
)
def test_real_time_is_measured(call: Callable[[], None], duration_ns: int) -> None:
    """No sample is shorter than the call, and the best of many is hardly longer."""
    samples = time_block([call], seconds=0.05)
    assert len(samples) >= MIN_CALLS
    assert duration_ns <= min(samples) < 1.5 * duration_ns


def test_real_calls_shorter_than_a_sample_are_grouped() -> None:
    """A call of nothing takes less than a microsecond, so more than ten make a sample."""
    warm = warm_up([lambda: None], cap_s=0.05)
    assert warm.calls_per_sample > 10
