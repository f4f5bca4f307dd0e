"""Decision parity: silent on equally good models, loud on one damaged class."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import f1_score

from edgefashion.data.dataset import LABELS
from edgefashion.records import Check
from edgefashion.stats import class_f1_drops, mcnemar_exact
from edgefashion.verify import DEFAULT_LIMITS, Limits
from edgefashion.verify.decisions import class_drops, measure_decisions
from edgefashion.verify.margins import certify
from edgefashion.verify.parity import differences, judge

PICTURES, CLASSES, SHIRT = 10_000, 10, 6
LEVEL = 0.05


def population(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of a calibrated model that is right in about seven of eight cases."""
    random = np.random.default_rng(seed)
    logits = (5 * random.standard_normal((PICTURES, CLASSES))).astype(np.float32)
    return logits, (logits + random.gumbel(size=logits.shape)).argmax(1).astype(np.uint8)


def checks_of(
    candidate: np.ndarray, reference: np.ndarray, labels: np.ndarray, limits: Limits = DEFAULT_LIMITS["int8"]
) -> list[Check]:
    return judge(
        differences(candidate, reference, labels),
        limits,
        decisions=measure_decisions(candidate, reference, labels, LABELS),
        certificate=certify(candidate, reference),
    )


def failed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if not check.passed]


def exchange(logits: np.ndarray, pictures: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Logits in which each of these pictures has its highest logit where `classes` says."""
    changed = logits.copy()
    highest = logits[pictures].argmax(1)
    changed[pictures, classes], changed[pictures, highest] = logits[pictures, highest], logits[pictures, classes]
    return changed


# Figures


def test_figures_by_hand() -> None:
    """Lost and gained pictures are counted apart, a picture that both get wrong in neither."""
    labels = np.array([0, 0, 1, 1, 2, 2], dtype=np.uint8)
    reference = 3 * np.eye(3, dtype=np.float32)[[0, 0, 1, 0, 2, 0]]
    candidate = 3 * np.eye(3, dtype=np.float32)[[0, 1, 1, 1, 1, 1]]
    found = measure_decisions(candidate, reference, labels, ["a", "b", "c"])
    assert (found.lost, found.gained, found.mcnemar_p) == (2, 1, 1.0)
    assert (found.reference_accuracy.value, found.accuracy.value) == (4 / 6, 3 / 6)
    assert found.accuracy_drop.value == pytest.approx(1 / 6)
    for column, decided in (("reference_f1", reference), ("f1", candidate)):
        expected = f1_score(labels, decided.argmax(1), average=None)
        assert pytest.approx(expected.tolist()) == [getattr(each, column) for each in found.classes]
    assert [each.images for each in found.classes] == [2, 2, 2]
    assert [each.label for each in found.classes] == ["a", "b", "c"]


def test_class_that_does_not_occur() -> None:
    """A class without pictures has F1 zero, and loses nothing for certain."""
    labels = np.zeros(50, dtype=np.uint8)
    found = class_drops(labels, labels, labels, ["a", "b"])[1]
    assert (found.images, found.f1, found.p_drop, found.lower_bound) == (0, 0.0, 1.0, 0.0)


def test_bound_and_test_agree() -> None:
    """The highest lower bound is above zero exactly where the adjusted test finds any class."""
    logits, labels = population(5)
    before = logits.argmax(1).astype(np.uint8)
    pictures = np.flatnonzero((labels == SHIRT) & (before == SHIRT))
    found = []
    for number in range(2, 14):
        decided = before.copy()
        decided[pictures[:number]] = np.arange(number) % SHIRT
        drops = class_drops(decided, before, labels, LABELS)
        assert (max(each.lower_bound for each in drops) > 0) == (min(each.p_drop for each in drops) < LEVEL)
        found.append(min(each.p_drop for each in drops) < LEVEL)
    assert not found[0]
    assert found[-1]


# Equally good models


def null_pairs(pairs: int, seed: int) -> dict[str, float]:
    """How often each test alarms on models that disagree on 1 % of the pictures, neither being better."""
    random = np.random.default_rng(seed)
    labels = np.arange(PICTURES, dtype=np.uint8) % CLASSES
    wrong = random.random(PICTURES) < 0.1
    common = ((labels + wrong * random.integers(1, CLASSES, PICTURES)) % CLASSES).astype(np.uint8)
    alarms = {"mcnemar": 0, "classes": 0, "one by one": 0}
    for _ in range(pairs):
        pictures = random.choice(PICTURES, PICTURES // 100, replace=False)
        shift = random.integers(0, CLASSES, len(pictures))
        is_second = random.random(len(pictures)) < 0.5
        one, two = common.copy(), common.copy()
        other = ((common[pictures] + shift) % CLASSES).astype(np.uint8)
        two[pictures[is_second]], one[pictures[~is_second]] = other[is_second], other[~is_second]
        is_right, was_right = two == labels, one == labels
        p = mcnemar_exact(int(np.sum(was_right & ~is_right)), int(np.sum(is_right & ~was_right)))
        drops = class_f1_drops(labels, one, two, classes=CLASSES)
        alarms["mcnemar"] += p < LEVEL
        alarms["one by one"] += any(drop.p_above(0) < LEVEL for drop in drops)
        alarms["classes"] += any(each.lower_bound > 0 for each in class_drops(two, one, labels, LABELS))
    return {name: count / pairs for name, count in alarms.items()}


@pytest.mark.parametrize("pairs", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_null_pairs_alarm_at_their_rate(pairs: int) -> None:
    """McNemar's and the corrected test of classes alarm in no more than 5 %; testing class by class in far more."""
    rates = null_pairs(pairs, seed=pairs)
    most = binom.ppf(0.999, pairs, LEVEL) / pairs
    assert rates["mcnemar"] <= most
    assert rates["classes"] <= most
    assert rates["one by one"] > 4 * LEVEL


def test_null_pairs_pass_every_check() -> None:
    """Models that differ by noise alone pass the limits of int8, every time."""
    logits, labels = population(6)
    random = np.random.default_rng(7)
    for _ in range(20):
        one, two = (logits + random.normal(0, 0.03, (2, *logits.shape))).astype(np.float32)
        assert failed(checks_of(two, one, labels)) == []


# Damage


def test_one_damaged_class_is_named() -> None:
    """Of 5 % of the Shirts that become something else the aggregate figures notice nothing; the class is named."""
    reference, labels = population(8)
    shirts = np.flatnonzero(labels == SHIRT)
    damaged = shirts[: len(shirts) // 20]
    others = np.setdiff1d(np.arange(CLASSES), SHIRT)
    candidate = exchange(reference, damaged, others[np.arange(len(damaged)) % len(others)])
    checks = checks_of(candidate, reference, labels)
    assert "F1 drop of Shirt, lower bound" in failed(checks)
    assert not {"top-1 agreement", "accuracy drop"} & set(failed(checks))
    assert {"top-1 agreement", "accuracy drop"} < {check.name for check in checks}


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature_fails_confidence_alone(temperature: float) -> None:
    """Scaled logits decide alike, so only the check of confidence fails."""
    reference, labels = population(9)
    checks = checks_of(reference / np.float32(temperature), reference, labels)
    assert failed(checks) == ["Brier score's rise, lower bound"]


def test_error_beyond_the_margins_fails() -> None:
    """An error that float32's own limit admits fails where the data's margins are too narrow for it."""
    logits, labels = population(10)
    narrow = logits.copy()
    narrow[:100] = 0
    narrow[:100, 1] = 1e-6
    candidate = narrow.copy()
    candidate[500, 0] += np.float32(2e-5)
    limits = Limits(max_error_ulps=64, max_flips=0, margin_share=0.999)
    assert failed(checks_of(candidate, narrow, labels, limits)) == ["largest logit difference, by margins"]
    assert failed(checks_of(candidate, logits, labels, limits)) != []
    shifted = logits.copy()
    shifted[500, 0] += np.float32(2e-5)
    assert failed(checks_of(shifted, logits, labels, limits)) == []


def test_limits_of_decisions_are_respected_exactly() -> None:
    """A figure at its limit passes, one a hair beyond does not, and what has no limit is not judged."""
    reference, labels = population(11)
    candidate = (reference + np.random.default_rng(12).normal(0, 0.3, reference.shape)).astype(np.float32)
    decisions, certificate = measure_decisions(candidate, reference, labels, LABELS), certify(candidate, reference)
    found = differences(candidate, reference, labels)
    worst, rise = decisions.most_damaged.lower_bound, decisions.confidence.brier_rise.low
    drop = decisions.accuracy_drop.value
    for excess, passes in ((0.0, True), (1e-9, False)):
        limits = Limits(max_accuracy_drop=drop - excess, max_class_f1_drop=worst - excess, max_brier_rise=rise - excess)
        checks = judge(found, limits, decisions=decisions, certificate=certificate)
        assert [check.passed for check in checks] == [passes] * 3
    assert judge(found, Limits(max_class_f1_drop=1, max_brier_rise=2, margin_share=0.9)) == []
