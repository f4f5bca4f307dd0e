"""The lines above every table: whether the gate lets a candidate pass, and how far the machine can be trusted."""

from dataclasses import dataclass

from edgefashion.records import BenchReport, Gate, LatencyCheck, Noise
from edgefashion.report import format as fmt
from edgefashion.report.format import clean
from edgefashion.report.grids import Tone
from edgefashion.report.names import with_names

GATE_TONES: dict[str, Tone] = {"PASS": "good", "FAIL": "bad", "INCONCLUSIVE": "doubtful"}
NOISE_TONES: dict[str, Tone] = {"quiet": "good", "usable": "plain", "noisy": "doubtful", "invalid": "bad"}


@dataclass(frozen=True)
class Verdict:
    """One line: the word that decides, the sentence that explains it, and how good the news is."""

    word: str
    sentence: str
    tone: Tone

    @property
    def text(self) -> str:
        """The line without its looks."""
        return f"{self.word}: {self.sentence}"


def verdicts(bench: BenchReport) -> list[Verdict]:
    """The gate's verdict where there is a gate, then that on the machine."""
    return [*([_on_gate(bench, bench.gate)] if bench.gate else []), _on_noise(bench.noise)]


def _on_gate(bench: BenchReport, gate: Gate) -> Verdict:
    mark = f"{gate.verdict}: "
    same = [reason.removeprefix(mark) for reason in gate.reasons if reason.startswith(mark)] or gate.reasons
    sentence = with_names(bench.plan, same[0])
    if len(same) > 1:
        sentence += f" (and {len(same) - 1} more, below)"
    if not gate.paired:
        sentence += "; advice and no proof: the baseline's figures are stored ones"
    if gate.latency and bench.noise.level != "invalid":
        sentence += f"; {_power(gate.latency)}"
    return Verdict(gate.verdict, sentence, GATE_TONES[gate.verdict])


def _power(checks: list[LatencyCheck]) -> str:
    """What this run could have got wrong: its false alarms, and the slowdown that it would find in any cell."""
    alarms = min(1.0, sum(check.false_alarm_rate for check in checks))
    slowdown = max(check.detectable_slowdown for check in checks)
    return (
        f"false-alarm rate of this run {'≤ ' if len(checks) > 1 else ''}{fmt.share(alarms)}, "
        f"smallest detectable slowdown {fmt.share(slowdown)} (95 % power)"
    )


def _on_noise(noise: Noise) -> Verdict:
    reasons = clean("; ".join(noise.reasons))
    word = "measurement invalid" if noise.level == "invalid" else f"machine {noise.level}"
    return Verdict(word, reasons or "nothing disturbed the measurement", NOISE_TONES[noise.level])
