"""The verdict on all pairs together, and its reasons."""

from collections.abc import Sequence

from edgefashion.bench.gate.latency import check_latency, margin_for
from edgefashion.bench.gate.pair import Pair
from edgefashion.bench.gate.quality import check_quality
from edgefashion.records import Gate, GateVerdict, LatencyCheck, NoiseLevel

_DECISIVE_FIRST: tuple[GateVerdict, ...] = ("FAIL", "INCONCLUSIVE", "PASS")
_NEGLIGIBLE = 1e-4


def judge(
    pairs: Sequence[Pair], *, noise: NoiseLevel, classes: Sequence[str], paired: bool = True, seed: int = 0
) -> Gate:
    """Check latency and quality of every pair: any FAIL fails, and only if every check passes does the whole.

    The tests behind a FAIL are adjusted after Holm, latency and quality each as a family: one false alarm among
    many would fail the whole. What is behind a PASS needs no adjustment: the whole passes only if each part does,
    and such an intersection-union test keeps the level of its parts (Berger 1982, "Multiparameter hypothesis
    testing and acceptance sampling").

    Latency on an invalid machine is INCONCLUSIVE whatever its figures; quality does not depend on the machine. A
    pair of fewer than two generations has no latency check, and the whole is then no better than INCONCLUSIVE.

    Args:
        pairs: What to compare.
        noise: How far the machine let itself be measured.
        classes: Name of each class, in the order of their numbers.
        paired: Whether launches are paired by generation. If not, they were measured at different times: Welch's
            test knows nothing of what changed between, and its verdict is advice and no proof.
        seed: Of the bootstrap.

    Raises:
        ValueError: A pair that cannot be: paired launches of different numbers.
    """
    timed = [pair for pair in pairs if pair.has_spread]
    latency = check_latency(timed, noise=noise, paired=paired)
    quality = check_quality(pairs, classes=classes, seed=seed)
    findings = [
        *_obstacles(pairs, noise=noise),
        *((check.verdict, sentence) for check, sentence in latency if noise != "invalid"),
        *((check.verdict, sentence) for check, sentence in quality),
    ]
    findings.sort(key=lambda finding: _DECISIVE_FIRST.index(finding[0]))
    checks = [check for check, _ in latency]
    return Gate(
        verdict=findings[0][0],
        paired=paired,
        margin=margin_for(noise),
        latency=checks,
        quality=[check for check, _ in quality],
        reasons=[
            *(f"{verdict}: {sentence}" for verdict, sentence in findings),
            *_remarks(pairs, checks if noise != "invalid" else [], paired=paired),
        ],
    )


def _obstacles(pairs: Sequence[Pair], *, noise: NoiseLevel) -> list[tuple[GateVerdict, str]]:
    """What prevents a PASS whatever the figures."""
    found = [] if pairs else ["no cell has a counterpart in the baseline"]
    if noise == "invalid":
        found.append("the machine was too noisy for a verdict on latency")
    found += [
        f"{pair.cell} and its baseline have fewer than two generations, too few for an interval"
        for pair in pairs
        if not pair.has_spread
    ]
    return [("INCONCLUSIVE", words) for words in found]


def _remarks(pairs: Sequence[Pair], latency: Sequence[LatencyCheck], *, paired: bool) -> list[str]:
    """What a reader needs beside the verdicts."""
    said = [] if paired else ["compared with stored launches from another time: advice, and no proof"]
    unknown = [pair.cell for pair in pairs if pair.answers is None]
    if unknown:
        said.append(f"quality not compared, because decisions are not known: {'; '.join(unknown)}")
    if latency:
        rate = min(1.0, sum(check.false_alarm_rate for check in latency))
        chance = f"at most {100 * rate:.2g} %" if rate >= _NEGLIGIBLE else f"less than {100 * _NEGLIGIBLE:g} %"
        slowdown = max(check.detectable_slowdown for check in latency)
        said.append(
            f"with this run's spread, latency FAILs in {chance} of runs where nothing changed "
            f"and in 95 % of runs with a slowdown of {100 * slowdown:.1f} %"
        )
    return said
