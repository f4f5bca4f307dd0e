"""The gate's checks of latency."""

from collections.abc import Sequence
from math import expm1, log1p

import numpy as np

from edgefashion.bench.gate.pair import Pair
from edgefashion.bench.gate.rule import LEVEL, verdict_of
from edgefashion.records import LatencyCheck, NoiseLevel
from edgefashion.stats import exponential, holm

_POWER = 0.95
_LARGEST_SLOWDOWN = 1e6  # as good as infinite, which JSON cannot say


def margin_for(noise: NoiseLevel) -> float:
    """The slowdown that is tolerated: 1 % on a quiet machine, 2 % on any other."""
    return 0.01 if noise == "quiet" else 0.02


def check_latency(pairs: Sequence[Pair], *, noise: NoiseLevel, paired: bool) -> list[tuple[LatencyCheck, str]]:
    """Check each pair (of two generations or more), adjusted for their number; with a sentence about each.

    The chances that stand beside a verdict are those of the first step of Holm's procedure: nothing fails unless
    one test passes it, so the sum of the false-alarm rates bounds the chance of any false alarm.
    """
    margin = margin_for(noise)
    limit, level = log1p(margin), LEVEL / max(1, len(pairs))
    means = [pair.log_ratio(paired=paired) for pair in pairs]
    adjusted = holm(np.array([mean.p_above(limit) for mean in means]))
    checks = []
    for pair, mean, p_slower in zip(pairs, means, adjusted.tolist(), strict=True):
        ratio = exponential(mean.interval())
        detectable = mean.detectable_above(limit, level=level, power=_POWER)
        check = LatencyCheck(
            cell=pair.cell,
            baseline=pair.baseline,
            generations=pair.generations,
            ratio=ratio,
            p_slower=p_slower,
            false_alarm_rate=mean.chance_above(limit, truth=0.0, level=level),
            detectable_slowdown=expm1(min(detectable, log1p(_LARGEST_SLOWDOWN))),
            verdict="INCONCLUSIVE" if noise == "invalid" else verdict_of(p_slower, ratio.high, 1 + margin),
        )
        checks.append((check, _sentence(check, margin)))
    return checks


def _sentence(check: LatencyCheck, margin: float) -> str:
    ratio, tolerated = check.ratio, f"the {100 * margin:g} % that is tolerated"
    ending = {
        "FAIL": f", more than {tolerated}",
        "PASS": f", within {tolerated}",
        "INCONCLUSIVE": f": neither within {tolerated} nor shown to be beyond it",
    }
    return (
        f"{check.cell} is ×{ratio.value:.3f} of its baseline (95 % interval {ratio.low:.3f} to {ratio.high:.3f})"
        f"{ending[check.verdict]}"
    )
