"""The gate's verdicts: each fires where it should, and says why."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.bench.gate import Answers, Pair, judge
from edgefashion.records import Gate, NoiseLevel

CLASSES = ("bag", "boot", "coat", "shirt")
ZIGZAG = np.tile([-1.0, 1.0], 5)  # ten generations whose spread is known


def pair_of(ratio: float, *, spread: float = 0.002, cell: str = "int8", answers: Answers | None = None) -> Pair:
    """Ten generations with exactly that mean ratio, on a machine that drifts by a factor of two."""
    drift = np.linspace(-9.0, -9.7, 10)
    return Pair(cell, "fp32", drift + np.log(ratio) + spread * ZIGZAG, drift, answers)


def gate_of(*pairs: Pair, noise: NoiseLevel = "quiet", paired: bool = True) -> Gate:
    return judge(pairs, noise=noise, classes=CLASSES, paired=paired)


def answers_of(*, pictures: int = 10_000, lost: int = 0, gained: int = 0, traded: int = 0) -> Answers:
    """Decisions of a baseline that takes a tenth of each class for the next, and of what became of them.

    Args:
        pictures: Spread evenly over the classes.
        lost: Right decisions that became wrong, over all classes.
        gained: Wrong decisions that became right, over all classes.
        traded: Right decisions on shirts that became wrong while as many on bags became right.
    """
    labels = (np.arange(pictures) % len(CLASSES)).astype(np.uint8)
    wrong = ((labels + 1) % len(CLASSES)).astype(np.uint8)
    baseline = np.where(np.arange(pictures) // len(CLASSES) % 10 == 0, wrong, labels)
    candidate = baseline.copy()
    right, missed = np.flatnonzero(baseline == labels), np.flatnonzero(baseline != labels)
    shirts, bags = right[labels[right] == 3], missed[labels[missed] == 0]
    for losers, winners in ((right[:lost], missed[:gained]), (shirts[:traded], bags[:traded])):
        candidate[losers], candidate[winners] = wrong[losers], labels[winners]
    return Answers(labels, candidate, baseline)


def quality_of(answers: Answers) -> dict[str, str]:
    """Verdict of each figure of a candidate that is as fast as its baseline."""
    return {check.figure: check.verdict for check in gate_of(pair_of(1.0, answers=answers)).quality}


# Latency


def test_slower_cell_fails() -> None:
    """A cell that is clearly slower by more than the margin FAILs, with the figures in the first sentence."""
    gate = gate_of(pair_of(1.034, spread=0.008))
    assert gate.verdict == "FAIL"
    assert gate.reasons[0] == (
        "FAIL: int8 is ×1.034 of its baseline (95 % interval 1.028 to 1.040), more than the 1 % that is tolerated"
    )


@pytest.mark.parametrize("ratio", [0.5, 0.98, 1.0, 1.005])
def test_cell_within_the_margin_passes(ratio: float) -> None:
    """A cell that is faster, equal, or slower by less than the margin PASSes."""
    gate = gate_of(pair_of(ratio))
    assert gate.verdict == "PASS"
    assert gate.reasons[0].startswith(f"PASS: int8 is ×{ratio:.3f} of its baseline")


@pytest.mark.parametrize(("ratio", "spread"), [(1.0, 0.05), (1.01, 0.002), (1.03, 0.05)])
def test_interval_across_the_margin_is_inconclusive(ratio: float, spread: float) -> None:
    """Where the interval holds the margin, neither verdict is shown, however the estimate lies."""
    gate = gate_of(pair_of(ratio, spread=spread))
    assert gate.verdict == "INCONCLUSIVE"
    assert "neither within the 1 % that is tolerated nor shown to be beyond it" in gate.reasons[0]


def test_drift_shared_by_both_cancels() -> None:
    """Paired by generation a drifting machine is no obstacle; as independent samples the same launches say nothing."""
    pair = pair_of(1.0)
    assert gate_of(pair).verdict == "PASS"
    assert gate_of(pair, paired=False).verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("noise", "margin", "verdict"), [("quiet", 0.01, "FAIL"), ("usable", 0.02, "PASS"), ("noisy", 0.02, "PASS")]
)
def test_noise_widens_the_margin(noise: NoiseLevel, margin: float, verdict: str) -> None:
    """A slowdown of 1.5 % is too much on a quiet machine, and tolerated on one that is not."""
    gate = gate_of(pair_of(1.015), noise=noise)
    assert (margin, verdict) == (gate.margin, gate.verdict)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_invalid_machine_is_inconclusive(ratio: float) -> None:
    """Nothing is said about latency on an invalid machine, whatever the figures, which are still recorded."""
    gate = gate_of(pair_of(ratio), noise="invalid")
    assert gate.verdict == "INCONCLUSIVE"
    assert gate.reasons[0] == "INCONCLUSIVE: the machine was too noisy for a verdict on latency"
    assert [("INCONCLUSIVE", pytest.approx(ratio))] == [(check.verdict, check.ratio.value) for check in gate.latency]


@pytest.mark.parametrize("generations", [0, 1])
def test_too_few_generations_are_inconclusive(generations: int) -> None:
    """A cell without two generations has no interval; the others are still judged, but the whole cannot PASS."""
    few = Pair("new", "old", np.zeros(generations), np.zeros(generations))
    gate = gate_of(few, pair_of(1.0))
    assert gate.verdict == "INCONCLUSIVE"
    assert gate.reasons[0] == (
        "INCONCLUSIVE: new and its baseline have fewer than two generations, too few for an interval"
    )
    assert [(check.cell, check.verdict) for check in gate.latency] == [("int8", "PASS")]


def test_nothing_to_compare_is_inconclusive() -> None:
    """A gate without any pair does not let pass."""
    gate = gate_of()
    assert gate.verdict == "INCONCLUSIVE"
    assert gate.reasons == ["INCONCLUSIVE: no cell has a counterpart in the baseline"]


def test_worst_check_decides_and_stands_first() -> None:
    """One FAIL fails everything, one INCONCLUSIVE keeps the rest from passing; the decisive sentence is the first."""
    good, unclear, bad = pair_of(1.0, cell="a"), pair_of(1.01, cell="b"), pair_of(1.1, cell="c")
    assert gate_of(good, unclear).verdict == "INCONCLUSIVE"
    gate = gate_of(good, unclear, bad)
    assert gate.verdict == "FAIL"
    assert [check.verdict for check in gate.latency] == ["PASS", "INCONCLUSIVE", "FAIL"]
    assert [sentence.split(" is ")[0] for sentence in gate.reasons[:3]] == ["FAIL: c", "INCONCLUSIVE: b", "PASS: a"]


def test_alarm_of_one_among_many_must_be_louder() -> None:
    """What fails alone is inconclusive among twenty cells, one of which would look so by chance."""
    alone = pair_of(1.02, spread=0.01)
    assert gate_of(alone).verdict == "FAIL"
    gate = gate_of(alone, *(pair_of(1.0, cell=str(number)) for number in range(19)))
    assert gate.latency[0].verdict == gate.verdict == "INCONCLUSIVE"
    assert gate.latency[0].ratio.low > 1.01


def test_launches_that_do_not_pair_are_refused() -> None:
    """Launches of different generations cannot be subtracted; as independent samples they may differ in number."""
    odd = Pair("int8", "fp32", np.zeros(10), np.zeros(9))
    with pytest.raises(ValueError, match="10"):
        gate_of(odd)
    gate = gate_of(odd, paired=False)
    assert gate.latency[0].generations == 9


def test_stored_figures_are_called_advice() -> None:
    """A comparison with launches from another time is marked, and its sentence says what it is worth."""
    gate = gate_of(pair_of(1.0), paired=False)
    assert not gate.paired
    assert "compared with stored launches from another time: advice, and no proof" in gate.reasons
    assert not any("advice" in sentence for sentence in gate_of(pair_of(1.0)).reasons)


def test_reasons_end_with_what_the_run_can_find() -> None:
    """The last sentence says how often this run would be wrong, and which slowdown it would not overlook."""
    check = gate_of(pair_of(1.0, spread=0.03)).latency[0]
    assert gate_of(pair_of(1.0, spread=0.03)).reasons[-1] == (
        f"with this run's spread, latency FAILs in at most {100 * check.false_alarm_rate:.2g} % of runs where nothing "
        f"changed and in 95 % of runs with a slowdown of {100 * check.detectable_slowdown:.1f} %"
    )
    assert "in less than 0.01 % of runs" in gate_of(pair_of(1.0)).reasons[-1]


@pytest.mark.parametrize("spread", [0.0, 0.002, 5.0])
def test_gate_survives_its_file(spread: float) -> None:
    """Launches without any spread and those with an absurd one give finite figures, which JSON can hold."""
    two = Pair("int8", "fp32", spread * ZIGZAG[:2], np.zeros(2))
    gate = gate_of(*[two] * 10)
    assert msgspec.json.decode(msgspec.json.encode(gate), type=Gate) == gate


@given(st.lists(st.floats(0.9, 1.1), min_size=1, max_size=6), st.floats(-20.0, 5.0))
def test_order_and_unit_do_not_matter(ratios: list[float], log_unit: float) -> None:
    """The verdict is the same whatever the pairs' order and the unit of time."""
    pairs = [pair_of(ratio) for ratio in ratios]
    scaled = [Pair("x", "y", pair.candidate_log_s + log_unit, pair.baseline_log_s + log_unit) for pair in pairs]
    assert gate_of(*pairs).verdict == gate_of(*scaled[::-1]).verdict


# Quality


def test_identical_decisions_pass() -> None:
    """The same decisions PASS, even on so few pictures that no interval could be narrow enough."""
    answers = answers_of(pictures=40)
    gate = gate_of(pair_of(1.0, answers=answers))
    assert gate.verdict == "PASS"
    assert gate.quality[0].drop.high > gate.quality[0].limit
    assert quality_of(answers_of(pictures=40, lost=1)) == {"accuracy": "INCONCLUSIVE", "worst class F1": "INCONCLUSIVE"}


def test_one_flipped_decision_passes() -> None:
    """One wrong decision more among 10,000 is no drop that matters."""
    gate = gate_of(pair_of(1.0, answers=answers_of(lost=1)))
    assert gate.verdict == "PASS"
    assert pytest.approx([gate.quality[0].drop.value, gate.quality[0].baseline_value, gate.quality[0].value]) == [
        0.0001,
        0.9,
        0.8999,
    ]


def test_many_wrong_decisions_fail() -> None:
    """200 wrong decisions more among 10,000 FAIL, however fast the candidate is, and on any machine."""
    worse = answers_of(lost=200)
    assert quality_of(worse)["accuracy"] == "FAIL"
    gate = gate_of(pair_of(0.5, answers=worse))
    assert gate.verdict == "FAIL"
    assert gate.reasons[0] == (
        "FAIL: the accuracy of int8 changes by -2.00 points (95 % interval -2.29 to -1.74), "
        "more than the drop of 0.5 points that is tolerated"
    )
    assert gate_of(pair_of(0.5, answers=worse), noise="invalid").verdict == "FAIL"


@pytest.mark.parametrize(("lost", "gained", "verdict"), [(40, 0, "INCONCLUSIVE"), (60, 60, "PASS")])
def test_balance_of_changes_is_what_counts(lost: int, gained: int, verdict: str) -> None:
    """40 more wrong among 10,000 may be more or less than half a point; 120 changes in balance are no drop."""
    assert verdict == quality_of(answers_of(lost=lost, gained=gained))["accuracy"]


def test_damage_to_one_class_fails() -> None:
    """A class that gets worse FAILs although others get better by as much and the accuracy stays."""
    answers = answers_of(traded=160)
    assert quality_of(answers) == {"accuracy": "PASS", "worst class F1": "FAIL"}
    gate = gate_of(pair_of(1.0, answers=answers))
    assert gate.reasons[0].startswith("FAIL: the worst class F1 of int8 (shirt; the baseline's: bag) changes by -")


def test_alarm_about_one_figure_among_many_must_be_louder() -> None:
    """A drop of accuracy that fails alone is inconclusive beside four candidates that do not drop."""
    suspect, sound = pair_of(1.0, answers=answers_of(lost=68)), pair_of(1.0, answers=answers_of())
    assert gate_of(suspect).quality[0].verdict == "FAIL"
    assert gate_of(suspect, *[sound] * 4).quality[0].verdict == "INCONCLUSIVE"


def test_unknown_decisions_are_named() -> None:
    """Where decisions are not known, quality is not checked, and the reasons say of which cell."""
    gate = gate_of(pair_of(1.0, answers=answers_of()), pair_of(1.0, cell="foreign"))
    assert {check.cell for check in gate.quality} == {"int8"}
    assert "quality not compared, because decisions are not known: foreign" in gate.reasons


@pytest.mark.parametrize("lengths", [(3, 3, 2), (3, 2, 3), (1, 1, 1)])
def test_answers_to_different_pictures_are_refused(lengths: tuple[int, int, int]) -> None:
    """Decisions that do not pair picture by picture cannot be compared."""
    with pytest.raises(ValueError, match="same pictures"):
        Answers(*(np.zeros(length, dtype=np.uint8) for length in lengths))
