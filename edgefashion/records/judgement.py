"""What is said about a measurement: how far it can be trusted, and whether a gate lets it pass."""

from typing import Literal

from edgefashion.records.base import Record

NoiseLevel = Literal["quiet", "usable", "noisy", "invalid"]
GateVerdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]


class Interval(Record, frozen=True):
    """An estimate with its two-sided 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def relative_half_width(self) -> float:
        """Half the interval's width as a share of its centre."""
        return (self.high - self.low) / 2 / self.value


class Check(Record, frozen=True):
    """One figure held against one limit."""

    name: str
    value: float
    limit: float
    relation: Literal["≤", "≥"]

    @property
    def passed(self) -> bool:
        """Whether the figure respects the limit."""
        return self.value <= self.limit if self.relation == "≤" else self.value >= self.limit


class Signal(Record, frozen=True):
    """One sign of noise, and what it alone would make of the measurement."""

    name: str
    value: float | None  # None where the system does not tell
    level: NoiseLevel
    words: str  # the figure in its unit, or why there is none


class Noise(Record, frozen=True):
    """How far the machine let itself be measured: the worst of all signals."""

    level: NoiseLevel
    signals: list[Signal]

    @property
    def reasons(self) -> list[str]:
        """What made it no better than it is; empty for a quiet machine."""
        return [signal.words for signal in self.signals if signal.level == self.level != "quiet"]


class LatencyCheck(Record, frozen=True):
    """One cell beside its baseline."""

    cell: str
    baseline: str
    generations: int
    ratio: Interval  # candidate / baseline, a picture
    p_slower: float  # one-sided p for "ratio > 1 + margin", adjusted after Holm
    false_alarm_rate: float  # chance of FAIL if nothing changed, at this run's spread
    detectable_slowdown: float  # ratio - 1 that FAIL finds with 95 % power, at this run's spread
    verdict: GateVerdict


class QualityCheck(Record, frozen=True):
    """One figure of quality beside the baseline's, on the same pictures."""

    cell: str
    baseline: str
    figure: Literal["accuracy", "worst class F1"]
    images: int
    baseline_value: float
    value: float
    drop: Interval  # baseline - candidate, as a fraction
    limit: float  # drop that is tolerated
    p_worse: float  # one-sided p for "drop > limit", adjusted after Holm
    verdict: GateVerdict


class Gate(Record, frozen=True):
    """Whether a candidate may replace its baseline."""

    verdict: GateVerdict
    paired: bool  # False: compared with stored figures, which is advice and no proof
    margin: float  # slowdown that is tolerated, as a fraction
    latency: list[LatencyCheck]
    quality: list[QualityCheck]
    reasons: list[str]  # sentences, the decisive one first
