"""The verdict on the machine: every level of every sign, and what must not alarm."""

from collections.abc import Sequence
from math import inf

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.bench.machine.noise import LEVELS, LIMITS, canary_drift, interruptions_per_call, judge_noise, spread
from edgefashion.records import Canary, HostLoad, Interval, Noise, NoiseLevel
from edgefashion.stats import Floats, paired_ratio

CALM = HostLoad(wall_s=60.0, steal_share=0.0, pressure_share=0.0, throttled_share=0.0, throttled_periods=0)
SAME = Interval(1.0, 0.998, 1.002)


def canaries_of(speeds: Sequence[float]) -> list[Canary]:
    """One generation a speed; its first and last spins are disturbed, as happens to some of six."""
    return [
        Canary(generation, 0.0, [5_000_000, *[int(1_000_000 * speed)] * 4, 9_000_000])
        for generation, speed in enumerate(speeds)
    ]


def launches_with_spread(deviation: float) -> Floats:
    """Ten medians around 100 µs whose logarithms have this standard deviation."""
    logs = np.array([1.0, -1.0] * 5)
    return 1e-4 * np.exp(deviation * logs / logs.std(ddof=1))


def judged(
    *,
    host: HostLoad = CALM,
    canaries: Sequence[Canary] = (),
    disturbed_share: float = 0.0,
    medians_s: Floats | None = None,
    duplicate: Interval | None = SAME,
    interruptions: float | None = 0.0,
) -> Noise:
    """A verdict on a run that is quiet in all that is not given."""
    return judge_noise(
        host=host,
        canaries=canaries or canaries_of([1.0] * 10),
        disturbed_share=disturbed_share,
        reference_medians_s=launches_with_spread(0.005) if medians_s is None else medians_s,
        duplicate=duplicate,
        interruptions=interruptions,
    )


def test_a_calm_machine_is_quiet() -> None:
    """All eight signs are known, all are quiet, and there is nothing to explain."""
    noise = judged()
    assert (noise.level, noise.reasons) == ("quiet", [])
    assert len({signal.name for signal in noise.signals}) == 8
    assert all(signal.value is not None and signal.level == "quiet" for signal in noise.signals)


def steal(share: float) -> Noise:
    return judged(host=msgspec.structs.replace(CALM, steal_share=share))


def pressure(share: float) -> Noise:
    return judged(host=msgspec.structs.replace(CALM, pressure_share=share))


def throttled(share: float) -> Noise:
    return judged(host=msgspec.structs.replace(CALM, throttled_share=share))


def switches(share: float) -> Noise:
    return judged(disturbed_share=share)


def interrupted(per_call: float) -> Noise:
    return judged(interruptions=per_call)


def scattered(deviation: float) -> Noise:
    return judged(medians_s=launches_with_spread(deviation))


def stepped(change: float) -> Noise:
    """From the seventh of ten generations on the machine is slower."""
    return judged(canaries=canaries_of([1.0] * 6 + [1.0 + change] * 4))


def copies_apart(*, value: float, half_width: float) -> Noise:
    return judged(duplicate=Interval(value, value - half_width, value + half_width))


FIRES = [
    ("steal", steal(0.009), "quiet"),
    ("steal", steal(0.011), "usable"),
    ("steal", steal(0.06), "noisy"),
    ("steal", steal(0.11), "invalid"),
    ("pressure", pressure(0.09), "quiet"),
    ("pressure", pressure(0.11), "usable"),
    ("pressure", pressure(0.51), "noisy"),
    ("pressure", pressure(1.0), "noisy"),
    ("throttling", throttled(0.0), "quiet"),
    ("throttling", throttled(0.001), "usable"),
    ("throttling", throttled(0.02), "noisy"),
    ("throttling", throttled(0.11), "invalid"),
    ("switches", switches(0.09), "quiet"),
    ("switches", switches(0.11), "usable"),
    ("switches", switches(0.51), "noisy"),
    ("switches", switches(1.0), "noisy"),
    ("interruptions", interrupted(0.009), "quiet"),
    ("interruptions", interrupted(0.02), "usable"),
    ("interruptions", interrupted(0.5), "noisy"),
    ("interruptions", interrupted(1.1), "invalid"),
    ("spread", scattered(0.019), "quiet"),
    ("spread", scattered(0.021), "usable"),
    ("spread", scattered(0.06), "noisy"),
    ("spread", scattered(0.21), "invalid"),
    ("canary", stepped(0.029), "quiet"),
    ("canary", stepped(0.031), "usable"),
    ("canary", stepped(-0.031), "usable"),
    ("canary", stepped(0.11), "noisy"),
    ("canary", stepped(0.51), "invalid"),
    ("duplicate", copies_apart(value=1.009, half_width=0.01), "quiet"),
    ("duplicate", copies_apart(value=1.011, half_width=0.02), "usable"),
    ("duplicate", copies_apart(value=0.989, half_width=0.02), "usable"),
    ("duplicate", copies_apart(value=1.03, half_width=0.04), "noisy"),
    ("duplicate", copies_apart(value=1.018, half_width=0.007), "noisy"),
    ("duplicate", copies_apart(value=1.03, half_width=0.009), "invalid"),
    ("duplicate", copies_apart(value=0.97, half_width=0.009), "invalid"),
]


@pytest.mark.parametrize(("name", "noise", "level"), FIRES, ids=[f"{name} {level}" for name, _, level in FIRES])
def test_each_sign_alone_decides_the_verdict(name: str, noise: Noise, level: NoiseLevel) -> None:
    """A sign fires at its limits, makes the verdict by itself, and is the only reason given."""
    by_name = {signal.name: signal for signal in noise.signals}
    assert level == by_name[name].level == noise.level
    assert ([] if level == "quiet" else [by_name[name].words]) == noise.reasons


def test_every_level_of_every_sign_fires() -> None:
    """Each limit that can be exceeded is exceeded by a case above."""
    fired = {(name, level) for name, _, level in FIRES}
    expected = {
        (name, level)
        for name, limits in LIMITS.items()
        if "difference" not in name  # two rows for one sign
        for level, limit in zip(LEVELS, (-inf, limits.usable, limits.noisy, limits.invalid), strict=True)
        if limit < inf
    }
    assert expected | {("duplicate", level) for level in LEVELS} == fired


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_limits_rise_and_have_a_reason(limits: object) -> None:
    """No level is skipped by mistake, and no number stands without what it rests on."""
    usable, noisy, invalid, reason = (getattr(limits, name) for name in ("usable", "noisy", "invalid", "reason"))
    assert 0 <= usable < noisy < invalid
    assert len(reason) > 40


def test_the_worst_sign_is_the_verdict() -> None:
    """Signs are not averaged, and only the worst of them are given as reasons."""
    noise = judged(host=msgspec.structs.replace(CALM, steal_share=0.02, throttled_share=0.5), disturbed_share=0.3)
    assert noise.level == "invalid"
    assert noise.reasons == ["50.0 % of the time held back by the control group's quota"]


def test_a_chance_difference_of_two_copies_does_not_invalidate() -> None:
    """One sound run in twenty excludes 1 by chance, here by half a per cent: that is usable."""
    noise = judged(duplicate=Interval(1.005, 1.001, 1.009))
    assert noise.level == "usable"
    assert noise.reasons == [
        "0.5 % between two copies of the reference, 95 % interval of their ratio 1.001 to 1.009"
    ]  # fmt: skip


def test_few_copies_are_never_proven_apart() -> None:
    """Two launches far apart have an interval as wide as what is known: no proof, so not invalid."""
    ratio = paired_ratio(np.array([1.3, 1.0]), np.array([1.0, 1.0]))
    assert judged(duplicate=ratio).level == "noisy"


def test_copies_of_sound_runs_seldom_alarm() -> None:
    """Of 1,000 runs with 0.4 % of noise a ratio and no difference none is invalid, and one in twenty is not quiet."""
    random = np.random.default_rng(0)
    levels = []
    for _ in range(1_000):
        logs = random.normal(scale=0.004, size=10)
        levels.append(judged(duplicate=paired_ratio(np.exp(logs), np.ones(10))).level)
    assert set(levels) == {"quiet", "usable"}
    assert 25 < levels.count("usable") < 80


# What the system does not tell


def test_what_is_unknown_is_no_noise_and_no_calm() -> None:
    """Unknown signs have no value and say so; the verdict rests on the others."""
    host = HostLoad(60.0, None, None, None, None)
    noise = judged(host=host, medians_s=np.array([1e-4]), duplicate=None, interruptions=None)
    assert noise.level == "quiet"
    unknown = {signal.name for signal in noise.signals if signal.value is None}
    assert unknown == {"steal", "pressure", "throttling", "spread", "duplicate", "interruptions"}
    assert {signal.words for signal in noise.signals if signal.value is None} == {"cannot be told"}


def test_a_run_without_samples_is_judged() -> None:
    """A measurement that was interrupted before its first generation has nothing to drift or to scatter."""
    noise = judge_noise(
        host=CALM, canaries=[], disturbed_share=0.0, reference_medians_s=np.array([]), duplicate=None
    )  # fmt: skip
    assert noise.level == "quiet"


# The canary


def test_a_lone_disturbed_generation_is_no_drift() -> None:
    """Whatever happens to one generation happens to all its cells, and pairing cancels it."""
    assert canary_drift(canaries_of([1.0] * 5 + [1.6] + [1.0] * 4)) == 0.0


@pytest.mark.parametrize("first", range(9))
def test_two_disturbed_neighbours_are_a_drift(first: int) -> None:
    """A change that lasts is seen wherever it begins, at the ends too."""
    speeds = [1.0] * 10
    speeds[first : first + 2] = [1.2, 1.2]
    assert canary_drift(canaries_of(speeds)) == pytest.approx(0.2)


def test_a_trend_is_a_drift() -> None:
    """Heating up by 1 % a generation ends far from the middle although no step is large."""
    drift = canary_drift(canaries_of([1.0 + 0.01 * generation for generation in range(11)]))
    assert drift == pytest.approx(0.04 / 1.05)


@pytest.mark.parametrize(("speeds", "expected"), [([], None), ([1.0], None), ([1.0, 1.5], 0.2), ([1, 1, 1.5], 0.5)])
def test_short_runs(speeds: list[float], expected: float | None) -> None:
    """One generation tells no drift; a few are held against their middle, none of them passed over."""
    assert canary_drift(canaries_of(speeds)) == (None if expected is None else pytest.approx(expected))


def test_a_generation_without_spins_is_passed_over() -> None:
    """An interrupted generation has none."""
    assert canary_drift([Canary(0, 0.0, []), *canaries_of([1.0, 1.0])]) == 0.0


@given(factor=st.floats(0.01, 100), speeds=st.lists(st.floats(0.5, 2.0), min_size=2, max_size=20))
def test_drift_and_spread_have_no_unit(factor: float, speeds: list[float]) -> None:
    """A machine that is faster throughout drifts and scatters no less."""
    slow, fast = canaries_of(speeds), canaries_of([speed * factor for speed in speeds])
    assert canary_drift(fast) == pytest.approx(canary_drift(slow), rel=1e-3, abs=1e-3)
    assert spread(np.array(speeds) * factor) == pytest.approx(spread(np.array(speeds)), abs=1e-9)


# Interruptions


def test_interruptions_are_counted_by_calls(launch_of) -> None:
    """Three interruptions in two launches of two blocks with two samples of five calls each."""
    launch = launch_of("ref", 0, [[10, 10], [10, 10]], calls_per_sample=5, switches=[1, 0])
    other = msgspec.structs.replace(launch, switches=[0, 2])
    assert interruptions_per_call([launch, other]) == 3 / 40
    assert interruptions_per_call([]) is None
