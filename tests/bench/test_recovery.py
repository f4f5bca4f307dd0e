"""Fake runtimes whose truth is known, on a virtual clock: median, 99th percentile and class are found."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, repeat
from math import exp, pi, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as configure
from hypothesis import strategies as st
from simulation import Clock

from edgefashion.bench.analyse import latency
from edgefashion.bench.process.sampling import settle, time_block, warm_up
from edgefashion.bench.verdict import labels
from edgefashion.records import Launch, Placement

MS = 1e6  # nanoseconds
CALL_NS = 100_000.0
CAP_S = 3.0
WINDOW_S = 0.1

Make = Callable[[Clock], Callable[[], object]]


def drawn(draw: Callable[[np.random.Generator], np.ndarray]) -> Make:
    """Calls whose durations are drawn once and repeated for ever."""
    durations = draw(np.random.default_rng(1)).tolist()
    return lambda clock: clock.call(cycle(durations))


def constant(duration_ns: float) -> Make:
    return lambda clock: clock.call(repeat(duration_ns))


def curve(duration_ns: Callable[[float], float]) -> Make:
    """Calls whose duration depends on the seconds since the launch began."""
    return lambda clock: clock.curve(duration_ns)


def launched(make: Make, launch_of: Callable[..., Launch], generation: int = 0) -> Launch:
    """What a worker does: warm up, then six times settle and time a block."""
    clock = Clock()
    calls = [make(clock)]
    warm = warm_up(calls, cap_s=CAP_S, clock=clock)
    blocks = []
    for _ in range(6):
        settle(calls, at_most_s=0.03, clock=clock)
        blocks.append(time_block(calls, seconds=0.03, calls_per_sample=warm.calls_per_sample, clock=clock))
    return launch_of(
        "cell",
        generation,
        blocks,
        steady=warm.steady,
        warmup_calls=warm.calls,
        warmup_ns=warm.sub_blocks_ns,
        calls_per_sample=warm.calls_per_sample,
    )


@pytest.fixture(autouse=True, scope="module")
def _quick_collections() -> Iterator[None]:
    """Each block collects garbage first, and what pytest and its friends have loaded is none of its business."""
    gc.freeze()
    yield
    gc.unfreeze()


# Fake runtimes, and what is said about them


@dataclass(frozen=True)
class Fake:
    """A runtime whose truth is known.

    Attributes:
        make: Its call.
        median_ns: The true median.
        p99_ns: The true 99th percentile; None where it must not be told.
        steady: Whether it ever comes to rest.
    """

    make: Make
    median_ns: float
    p99_ns: float | None
    steady: bool = True


FAKES = {
    "spin": Fake(constant(CALL_NS), CALL_NS, CALL_NS),
    "slow": Fake(constant(40 * MS), 40 * MS, None),
    "short": Fake(constant(2_500), 2_500, None),
    "lognormal": Fake(
        drawn(lambda random: CALL_NS * random.lognormal(sigma=0.25, size=9_973)), CALL_NS, CALL_NS * exp(2.326 * 0.25)
    ),
    "bimodal": Fake(
        drawn(lambda random: CALL_NS * random.choice([1.0, 3.0], p=[0.9, 0.1], size=9_973)), CALL_NS, 3 * CALL_NS
    ),
    "slow drift": Fake(curve(lambda now_s: CALL_NS * (1 + 0.02 * now_s)), CALL_NS * 1.006, CALL_NS * 1.008),
    "warm-up curve": Fake(curve(lambda now_s: CALL_NS * (1 + 2 * exp(-now_s / 0.1))), CALL_NS, CALL_NS),
    "step while warming up": Fake(
        curve(lambda now_s: CALL_NS * (1.2 if now_s > 0.15 else 1.0)), 1.2 * CALL_NS, 1.2 * CALL_NS
    ),
    "ever slower": Fake(
        curve(lambda now_s: CALL_NS * 1.2**now_s), CALL_NS * 1.2**3.1, CALL_NS * 1.2**3.2, steady=False
    ),
    "oscillating": Fake(
        curve(lambda now_s: CALL_NS * (1 + 0.1 * sin(pi * now_s / WINDOW_S))), CALL_NS, 1.1 * CALL_NS, steady=False
    ),
}


@pytest.mark.parametrize("fake", FAKES.values(), ids=FAKES)
def test_the_truth_about_a_fake_runtime_is_found(fake: Fake, launch_of: Callable[..., Launch]) -> None:
    """Median and 99th percentile of four launches are the true ones, and so is the class: steady or not."""
    launches = [launched(fake.make, launch_of, generation) for generation in range(4)]
    found = latency(launches)
    assert found.median_s is not None
    assert found.median_s.value == pytest.approx(fake.median_ns / 1e9, rel=0.02)
    if fake.p99_ns is None:
        assert found.p99_s is None
    else:
        assert found.p99_s is not None
        assert found.p99_s.value == pytest.approx(fake.p99_ns / 1e9, rel=0.05)
    said = labels(launches, half_width=0.0, precision=0.01, placement=Placement({"cpu": 1}, "fake"))
    assert said == ([] if fake.steady else ["no_steady_state"])


# Warming up


def test_a_steady_call_is_found_steady_after_two_windows() -> None:
    """The least there is: 20 calls to size the samples, then 200 ms."""
    clock = Clock()
    warm = warm_up([constant(CALL_NS)(clock)], cap_s=CAP_S, clock=clock)
    assert warm.steady
    assert len(warm.sub_blocks_ns) == 40
    assert warm.calls == 20 + 40 * 50
    assert clock.now_ns == warm.calls * CALL_NS


def test_warming_up_ends_only_where_the_curve_is_flat() -> None:
    """What is left of the curve changes a window by less than 1 %, and every call on the way was counted."""
    clock = Clock()
    count = 0

    def slowness(now_s: float) -> float:
        nonlocal count
        count += 1
        return CALL_NS * (1 + 2 * exp(-now_s / 0.1))

    warm = warm_up([clock.curve(slowness)], cap_s=CAP_S, clock=clock)
    assert warm.steady
    assert count == warm.calls
    before, now = (np.median(each) for each in (warm.sub_blocks_ns[-40:-20], warm.sub_blocks_ns[-20:]))
    assert before < 1.01 * now
    earlier = np.median(warm.sub_blocks_ns[-60:-40])
    assert earlier > 1.01 * before
    assert clock.seconds() == pytest.approx(0.7, abs=0.06)


@given(tau_s=st.floats(0.01, 0.3), height=st.floats(0.1, 3.0))
@configure(max_examples=20)
def test_a_longer_warm_up_takes_longer_and_leaves_a_per_cent(tau_s: float, height: float) -> None:
    """However slow and high the curve, at its end the call is within a per cent of its last pace."""
    clock = Clock()
    warm = warm_up([curve(lambda now_s: MS * (1 + height * exp(-now_s / tau_s)))(clock)], cap_s=10.0, clock=clock)
    assert warm.steady
    left = height * exp(-clock.seconds() / tau_s)
    # Windows that differ by 1 % leave 1 % / (e^(window / τ) - 1) beyond the second one.
    assert left < 0.011 / (exp(WINDOW_S / tau_s) - 1) + 1e-9


def test_warming_up_ends_at_the_cap() -> None:
    """A call that becomes ever slower is given up after the time it was allowed, and one call."""
    clock = Clock()
    warm = warm_up([FAKES["ever slower"].make(clock)], cap_s=1.0, clock=clock)
    assert not warm.steady
    assert 1.0 <= clock.seconds() < 1.01


def test_without_time_to_warm_up_a_launch_is_not_called_steady() -> None:
    """Twenty calls are made to size the samples, and that is all."""
    clock = Clock()
    warm = warm_up([constant(2_500)(clock)], cap_s=0.0, clock=clock)
    assert (warm.steady, warm.calls, warm.sub_blocks_ns, warm.calls_per_sample) == (False, 20, [], 4)


def test_quartiles_must_agree_as_well() -> None:
    """Sub-blocks around one median that scatter far more in every other window are not steady."""
    clock = Clock()

    def restless(now_s: float) -> float:
        wide = int(now_s / WINDOW_S) % 2
        sub_block = int(now_s / 0.005) % 3 - 1
        return CALL_NS * (1 + (0.2 if wide else 0.01) * sub_block)

    assert not warm_up([clock.curve(restless)], cap_s=1.0, clock=clock).steady
