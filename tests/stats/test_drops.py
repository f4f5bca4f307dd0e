"""Drops of quality between two answers to the same questions, and how sure one may be of them."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm
from sklearn.metrics import f1_score

from edgefashion.stats import Mean, PairedDrop, class_f1, class_f1_drops, worst_class_f1_drop

LEVEL = 0.025


@st.composite
def paired_drops(draw: st.DrawFn) -> PairedDrop:
    total = draw(st.integers(2, 20_000))
    lost = draw(st.integers(0, total))
    return PairedDrop(lost, draw(st.integers(0, total - lost)), total)


# Share of right answers


def test_published_interval() -> None:
    """R's ratesci gives -0.5281 to -0.0184 for 21 children of whom one lost and seven gained airway reactivity."""
    interval = PairedDrop(lost=1, gained=7, total=21).interval()
    assert pytest.approx(-6 / 21) == interval.value
    assert pytest.approx(-0.5281, abs=5e-5) == interval.low
    assert pytest.approx(-0.0184, abs=5e-5) == interval.high


@given(paired_drops())
def test_drop_of_zero_is_mcnemar_s_test(drop: PairedDrop) -> None:
    """Against "no drop at all" the score is (lost - gained) / √(lost + gained), but for √(1 - 1/n)."""
    differing = drop.lost + drop.gained
    score = (drop.lost - drop.gained) / sqrt(differing) * sqrt(1 - 1 / drop.total) if differing else 0.0
    assert pytest.approx(norm.sf(score), rel=1e-6, abs=1e-300) == drop.p_above(0.0)


@given(paired_drops())
def test_interval_turns_around(drop: PairedDrop) -> None:
    """The interval holds the observed drop, stays among possible ones, and turns its sign with the answers' order."""
    there, back = drop.interval(), PairedDrop(drop.gained, drop.lost, drop.total).interval()
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert pytest.approx((-back.high, -back.low), abs=1e-9) == (there.low, there.high)


@given(paired_drops(), st.floats(0.001, 0.5))
def test_interval_and_test_agree(drop: PairedDrop, limit: float) -> None:
    """The one-sided test finds a drop beyond a limit exactly where the interval lies beyond it."""
    interval = drop.interval()
    assert (drop.p_above(limit) < LEVEL) == (interval.low > limit)
    assert (drop.p_above(limit) > 1 - LEVEL) == (interval.high < limit)


@given(paired_drops(), st.floats(0.001, 0.9), st.floats(0.001, 0.9))
def test_larger_drops_are_harder_to_show(drop: PairedDrop, one: float, other: float) -> None:
    """The p against a larger limit is no smaller."""
    assert drop.p_above(min(one, other)) <= drop.p_above(max(one, other)) + 1e-12


def test_extreme_answers() -> None:
    """If every answer was lost the drop may be 1; if none differs it may be a little on either side of zero."""
    assert PairedDrop(50, 0, 50).interval().high == 1.0
    assert PairedDrop(50, 0, 50).interval().low > 0.8
    same = PairedDrop(0, 0, 10_000).interval()
    assert pytest.approx(-same.low) == same.high
    assert 0 < same.high < 0.0005


def error_rates(total: int, limit: float, gain: float) -> tuple[float, float]:
    """Exact chances of a wrong FAIL and a wrong PASS if the true drop is exactly the limit: all tables summed up."""
    fail = ok = 0.0
    low, high = binom.ppf([1e-9, 1 - 1e-9], total, gain)
    for gained in range(int(low), int(high) + 1):
        rest, loss = total - gained, (gain + limit) / (1 - gain)
        few, many = binom.ppf([1e-9, 1 - 1e-9], rest, loss)
        lost = np.arange(int(few), int(many) + 1)
        chances = binom.pmf(gained, total, gain) * binom.pmf(lost, rest, loss)
        p = np.array([PairedDrop(each, gained, total).p_above(limit) for each in lost.tolist()])
        fail += float(chances[p < LEVEL].sum())
        ok += float(chances[p > 1 - LEVEL].sum())
    return fail, ok


@pytest.mark.parametrize("gain", [0.0, 0.0005, 0.005])
def test_errors_are_near_their_level(gain: float) -> None:
    """On 10,000 pictures both one-sided errors are within a tenth of 2.5 %, however many decisions differ."""
    fail, ok = error_rates(10_000, 0.005, gain)
    assert 0.0225 < fail < 0.0275
    assert 0.0225 < ok < 0.0275


@pytest.mark.parametrize(("total", "limit"), [(200, 0.02), (1_000, 0.005)])
@pytest.mark.parametrize("gain", [0.0, 0.0005, 0.005])
def test_errors_with_few_differences(total: int, limit: float, gain: float) -> None:
    """With 4 to 15 differing decisions neither error passes 4.1 %; without correcting for skewness one is 5 %."""
    assert max(error_rates(total, limit, gain)) < 0.041


# F1 of the worst class

POPULATION = [  # (true class, first decision, second decision, weight)
    (0, 0, 0, 30),
    (1, 1, 1, 30),
    (2, 2, 2, 18),
    (0, 2, 2, 3),
    (1, 0, 0, 2),
    (2, 0, 0, 6),
    (2, 1, 1, 2),
    (2, 2, 0, 1.5),
    (2, 0, 2, 0.5),
    (0, 0, 2, 0.3),
    (1, 2, 1, 0.3),
]
"""Three classes of which the last is the worst, and a second model that is worse on it."""


def sample_of(random: np.random.Generator, size: int) -> list[np.ndarray]:
    weights = np.array([row[3] for row in POPULATION])
    counts = random.multinomial(size, weights / weights.sum())
    return [np.repeat(np.array([row[part] for row in POPULATION], dtype=np.uint8), counts) for part in range(3)]


def worst(labels: np.ndarray, decisions: np.ndarray, **weights: np.ndarray) -> float:
    scores = f1_score(labels, decisions, average=None, labels=[0, 1, 2], zero_division=0, **weights)
    return float(scores.min())


def true_drop() -> float:
    labels, first, second, weights = (np.array(column) for column in zip(*POPULATION, strict=True))
    return worst(labels, first, sample_weight=weights) - worst(labels, second, sample_weight=weights)


@given(st.integers(0, 2**32 - 1), st.integers(2, 50))
def test_f1_is_scikit_learn_s(seed: int, size: int) -> None:
    """F1 of each class is scikit-learn's, zero for a class that nobody saw, and so is the drop of the lowest."""
    labels, first, second = np.random.default_rng(seed).integers(0, 3, (3, size), dtype=np.uint8)
    expected = f1_score(labels, first, average=None, labels=range(4), zero_division=0)
    assert pytest.approx(expected) == class_f1(labels, first, classes=4)
    found = worst_class_f1_drop(labels, first, second, classes=3, resamples=1, seed=0)
    assert pytest.approx(worst(labels, first) - worst(labels, second)) == found.value


def test_draws_are_those_of_drawing_pictures() -> None:
    """Drawing from the table spreads as much as drawing whole pictures with replacement, one by one."""
    random = np.random.default_rng(1)
    labels, first, second = sample_of(random, 2_000)
    found = worst_class_f1_drop(labels, first, second, classes=3, resamples=4_000, seed=1)
    slow = []
    for _ in range(400):
        drawn = random.integers(0, len(labels), len(labels))
        scores = [class_f1(labels[drawn], each[drawn], classes=3).min() for each in (first, second)]
        slow.append(scores[0] - scores[1])
    assert pytest.approx(np.std(slow), rel=0.15) == np.std(found.draws)
    assert pytest.approx(np.mean(slow), abs=0.1 * np.std(slow) + 0.001) == np.mean(found.draws)


def test_draws_repeat_with_their_seed() -> None:
    """The same seed gives the same draws, another seed others."""
    answers = sample_of(np.random.default_rng(2), 500)
    one, again, other = (worst_class_f1_drop(*answers, classes=3, resamples=50, seed=seed) for seed in (1, 1, 2))
    assert one.draws.tolist() == again.draws.tolist()
    assert one.draws.tolist() != other.draws.tolist()


def test_worst_class_interval_covers() -> None:
    """On 3,000 pictures the 95 % interval holds the true drop as often as it claims, and misses it on both sides."""
    truth, simulations = true_drop(), 2_000
    random = np.random.default_rng(3)
    covered = above = below = 0
    for seed in range(simulations):
        found = worst_class_f1_drop(*sample_of(random, 3_000), classes=3, resamples=500, seed=seed)
        interval = found.interval()
        covered += interval.low <= truth <= interval.high
        above += found.p_above(truth) < LEVEL
        below += interval.high < truth
    assert 0.02 < truth < 0.04
    assert binomtest(covered, simulations, 0.95).pvalue > 0.001
    assert binomtest(above, simulations, LEVEL, alternative="greater").pvalue > 0.001
    assert binomtest(below, simulations, LEVEL, alternative="greater").pvalue > 0.001


def test_few_differing_decisions_are_not_certain() -> None:
    """On 100 pictures that all agree, a drop of some points in the worst class cannot be excluded."""
    labels = np.repeat(np.arange(10, dtype=np.uint8), 10)
    found = worst_class_f1_drop(labels, labels, labels, classes=10, resamples=2_000, seed=0)
    assert found.value == 0
    assert found.interval().high > 0.02


# F1 of each class


def test_class_drops_are_scikit_learn_s() -> None:
    """The drop of each class is the difference of scikit-learn's scores, and zero for a class that nobody saw."""
    labels, first, second = sample_of(np.random.default_rng(4), 500)
    scores = [f1_score(labels, each, average=None, labels=range(4), zero_division=0) for each in (first, second)]
    found = class_f1_drops(labels, first, second, classes=4)
    assert pytest.approx(scores[0] - scores[1]) == [drop.value for drop in found]
    assert (found[3].value, found[3].error) == (0, 0)


def true_class_drops() -> list[float]:
    labels, first, second, weights = (np.array(column) for column in zip(*POPULATION, strict=True))
    one, two = (
        f1_score(labels, each, average=None, labels=[0, 1, 2], sample_weight=weights) for each in (first, second)
    )
    return (one - two).tolist()


def class_drops_of_samples(size: int, simulations: int) -> list[list[Mean]]:
    """For each class its drop in many samples."""
    random = np.random.default_rng(size)
    samples = [class_f1_drops(*sample_of(random, size), classes=3) for _ in range(simulations)]
    return [[each[index] for each in samples] for index in range(3)]


def test_class_drops_spread_as_they_say() -> None:
    """Where many decisions differ, the standard error of each class is the spread of its drop over samples."""
    for truth, drops in zip(true_class_drops(), class_drops_of_samples(30_000, 400), strict=True):
        values = [drop.value for drop in drops]
        assert pytest.approx(truth, abs=0.2 * np.std(values)) == np.mean(values)
        assert pytest.approx(np.std(values), rel=0.12) == np.median([drop.error for drop in drops])


def test_class_drops_err_no_more_than_they_say() -> None:
    """With ten or twenty differing decisions a class, the bound lies above the truth in at most 2.5 % of samples."""
    for truth, drops in zip(true_class_drops(), class_drops_of_samples(3_000, 1_000), strict=True):
        above = sum(drop.p_above(truth) < LEVEL for drop in drops)
        covered = sum(drop.interval().low <= truth <= drop.interval().high for drop in drops)
        assert binomtest(above, len(drops), LEVEL, alternative="greater").pvalue > 0.001
        assert binomtest(covered, len(drops), 0.95, alternative="less").pvalue > 0.001


def test_few_lost_pictures_are_no_certain_drop() -> None:
    """Two lost pictures and none gained may be chance; twelve may not."""
    labels = np.repeat(np.arange(10, dtype=np.uint8), 100)
    for lost, certain in ((2, False), (12, True)):
        decided = labels.copy()
        decided[:lost] = 1 + np.arange(lost) % 9
        drop = class_f1_drops(labels, labels, decided, classes=10)[0]
        assert drop.value > 0
        assert certain == (drop.p_above(0) < LEVEL / 10)


def test_unknown_class_is_refused() -> None:
    """A decision for a class that does not exist is an error, not a new class."""
    answers = np.array([0, 1, 3], dtype=np.uint8)
    with pytest.raises(ValueError, match="invalid entry"):
        worst_class_f1_drop(answers, answers, answers, classes=3, resamples=1, seed=0)
    with pytest.raises(ValueError, match="invalid entry"):
        class_f1_drops(answers, answers, answers, classes=3)
