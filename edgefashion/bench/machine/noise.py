"""How far the machine let itself be measured: each sign of noise against its limits, and the worst of them.

`invalid` means that nothing may be ranked, so it is kept for what pairing cannot cancel. Pairing cancels much: in
30 comparisons of a cell with its own copy, beside up to four competing tasks on two processors and under quotas
down to a quarter of one, no interval excluded 1. But where a typical call no longer runs undisturbed, long calls
suffer more than short ones, and a ratio between cells tells of the neighbours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edgefashion.records import Canary, HostLoad, Interval, Launch, Noise, NoiseLevel, Signal
from edgefashion.stats import Floats

LEVELS: tuple[NoiseLevel, ...] = ("quiet", "usable", "noisy", "invalid")

_LEAST = 2  # of launches or generations, before they can differ
_ENOUGH_TO_SMOOTH = 5  # generations: of fewer, one that is disturbed is a good part of the run


@dataclass(frozen=True)
class Limits:
    """From where on a sign is no longer quiet, usable, noisy; infinite where it never is so by itself.

    Attributes:
        usable: A value above it is usable.
        noisy: A value above it is noisy.
        invalid: A value above it makes the measurement invalid.
        reason: What was seen, or is known, at these values.
    """

    usable: float
    noisy: float
    invalid: float
    reason: str

    def level(self, value: float) -> NoiseLevel:
        """The level of one value; a limit that is met is not yet exceeded."""
        return LEVELS[sum(value > limit for limit in (self.usable, self.noisy, self.invalid))]


# Seen on a virtual machine with two processors (KVM, AMD EPYC): one cell of 0.14 ms and one of 8.5 ms a call, each
# beside its copy, alone, beside one to four competing tasks, and under quotas of 1.5 to 0.25 processors.
LIMITS = {
    "difference": Limits(
        usable=0.01,
        noisy=0.02,
        invalid=inf,
        reason="a wide interval says itself how little is known; copies of the short cell never differed by 1 %",
    ),
    "proven difference": Limits(
        usable=0.0,
        noisy=0.01,
        invalid=0.02,
        reason="one sound run in twenty proves a little by chance; 2 % is the widest margin that the gate allows",
    ),
    "spread": Limits(
        usable=0.02,
        noisy=0.05,
        invalid=0.2,
        reason="0.2 to 1 % undisturbed, 6 % with one launch of ten astray; above 20 % medians were 1.8 to 4.8 times "
        "too high",
    ),
    "canary": Limits(
        usable=0.03,
        noisy=0.1,
        invalid=0.5,
        reason="0.5 to 3 % undisturbed, up to 12 % under load and once 58 %: such a run mixes two machines",
    ),
    "steal": Limits(
        usable=0.01,
        noisy=0.05,
        invalid=0.1,
        reason="at most 0.3 % was seen; invalid where throttling is, which stops work in the same way",
    ),
    "throttling": Limits(
        usable=0.0,
        noisy=0.01,
        invalid=0.1,
        reason="0 under a quota that was not used up, 0.5 to 2 % at 0.9 processors, 11 to 50 % at 0.5 and 0.25, where "
        "p99 was 20 times too high and medians of short calls alone stayed",
    ),
    "pressure": Limits(
        usable=0.1,
        noisy=0.5,
        invalid=inf,
        reason="1 to 10 % undisturbed, 15 to 85 % beside one task, 50 to 100 % beside more; on many processors it may "
        "concern others only",
    ),
    "switches": Limits(
        usable=0.1,
        noisy=0.5,
        invalid=inf,
        reason="up to half of the blocks p99 scattered by 7 to 19 %, at 90 % by a factor of 4; medians stayed",
    ),
    "interruptions": Limits(
        usable=0.01,
        noisy=0.1,
        invalid=1.0,
        reason="from these shares of calls on p99, then p90, then the median is a disturbed call; at 0.6 medians were "
        "right, from 1.9 on 1.8 to 4.8 times too high",
    ),
}


def judge_noise(
    *,
    host: HostLoad,
    canaries: Sequence[Canary],
    disturbed_share: float,
    reference_medians_s: Floats,
    duplicate: Interval | None,
    interruptions: float | None = None,
) -> Noise:
    """Everything that is known about the machine's calm, and the worst of it as the verdict.

    Args:
        host: What the kernel counted during the measurement.
        canaries: Times of a fixed amount of work in each generation.
        disturbed_share: Share of blocks with involuntary context switches, 0 to 1.
        reference_medians_s: Median call of each launch of the reference, float64[launches], in seconds.
        duplicate: Ratio of the reference's second copy to the reference; None before there is one.
        interruptions: Of the reference, see `interruptions_per_call`.
    """
    signals = [
        _duplicate(duplicate),
        _signal("spread", spread(reference_medians_s), "between the medians of the reference's launches"),
        _signal("canary", canary_drift(canaries), "drift of the processor's speed"),
        _signal("steal", host.steal_share, "of the time with work taken by other guests of the hypervisor"),
        _signal("throttling", host.throttled_share, "of the time held back by the control group's quota"),
        _signal("pressure", host.pressure_share, "of the time some task waited for a processor"),
        _signal("switches", disturbed_share, "of the blocks interrupted by other tasks"),
        _signal("interruptions", interruptions, "as many interruptions as calls of the reference"),
    ]
    return Noise(level=_worst(signal.level for signal in signals), signals=signals)


def spread(medians_s: Floats) -> float | None:
    """Standard deviation of the medians' logarithms, so relative; None below two launches."""
    return float(np.std(np.log(medians_s), ddof=1)) if len(medians_s) >= _LEAST else None


def canary_drift(canaries: Sequence[Canary]) -> float | None:
    """Largest distance of the machine's speed from its median over the run, as a fraction; None below two generations.

    A generation's speed is the median of its spins, and of three neighbouring generations again the median (Tukey
    1977, "Exploratory Data Analysis", running medians of 3). So a step or a trend is seen, and a lone disturbed
    generation is passed over: in calm runs the largest of ten was up to 63 % astray without any effect on ratios.
    Fewer than five generations are taken as they are.
    """
    speeds = np.array([np.median(canary.spins_ns) for canary in canaries if canary.spins_ns])
    if len(speeds) < _LEAST:
        return None
    smooth = np.median(sliding_window_view(speeds, 3), axis=1) if len(speeds) >= _ENOUGH_TO_SMOOTH else speeds
    return float(np.abs(smooth / np.median(speeds) - 1).max())


def interruptions_per_call(launches: Sequence[Launch]) -> float | None:
    """Involuntary context switches over timed calls of one cell, or None without launches.

    An upper bound of the share of calls that were interrupted, as one call may be interrupted repeatedly.
    """
    calls = sum(len(block) * launch.calls_per_sample for launch in launches for block in launch.blocks_ns)
    return sum(sum(launch.switches) for launch in launches) / calls if calls else None


def _duplicate(ratio: Interval | None) -> Signal:
    """The same cell twice: how different its copies seem, and how different they must be by their whole interval."""
    if ratio is None:
        return _signal("duplicate", None, "")
    difference = abs(ratio.value - 1)
    proven = max(ratio.low - 1, 1 - ratio.high, 0.0)
    level = _worst((LIMITS["difference"].level(difference), LIMITS["proven difference"].level(proven)))
    words = f"{_percent(difference)} between two copies of the reference, 95 % interval of their ratio "
    return Signal(name="duplicate", value=difference, level=level, words=f"{words}{ratio.low:.3f} to {ratio.high:.3f}")


def _signal(name: str, value: float | None, words: str) -> Signal:
    if value is None:
        return Signal(name=name, value=None, level="quiet", words="cannot be told")
    return Signal(name=name, value=value, level=LIMITS[name].level(value), words=f"{_percent(value)} {words}")


def _worst(levels: Iterable[NoiseLevel]) -> NoiseLevel:
    return max(levels, key=LEVELS.index)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"
