"""Quality is what scikit-learn says it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_score, recall_score

from edgefashion.verify import measure_quality

NAMES = [f"class {number}" for number in range(10)]


@given(st.integers(0, 2**32 - 1), st.integers(10, 200))
def test_scikit_learn_agrees(seed: int, count: int) -> None:
    """Every figure is scikit-learn's on the same logits."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 10).astype(np.uint8)
    logits = random.normal(0, 3, (count, 10)).astype(np.float32)
    logits[np.arange(count), labels] += 2
    predicted = logits.argmax(1)
    exponents = np.exp(logits.astype(np.float64))
    probabilities = exponents / exponents.sum(1, keepdims=True)
    found = measure_quality(logits, labels, NAMES)
    assert count == found.images
    assert pytest.approx(accuracy_score(labels, predicted)) == found.accuracy
    assert pytest.approx(f1_score(labels, predicted, average="macro")) == found.macro_f1
    assert pytest.approx(f1_score(labels, predicted, average="weighted")) == found.weighted_f1
    weighted = {"average": "weighted", "zero_division": 0}
    assert pytest.approx(precision_score(labels, predicted, **weighted)) == found.weighted_precision
    assert pytest.approx(recall_score(labels, predicted, **weighted)) == found.weighted_recall
    assert pytest.approx(log_loss(labels, probabilities, labels=range(10)), rel=1e-6) == found.cross_entropy
    assert confusion_matrix(labels, predicted, labels=range(10)).tolist() == found.confusion
    scores = f1_score(labels, predicted, average=None, labels=range(10))
    assert pytest.approx(scores.tolist()) == [score.f1 for score in found.per_class]
    assert [score.label for score in found.per_class] == NAMES


@pytest.mark.filterwarnings("error")
def test_class_that_is_never_predicted() -> None:
    """A class that is never predicted has F1 zero, without a warning, and is the worst."""
    logits = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)
    found = measure_quality(logits, np.array([0, 1, 2], dtype=np.uint8), ["a", "b", "c"])
    assert (
        found.per_class[1].f1,
        found.per_class[1].precision,
        found.per_class[1].recall,
        found.per_class[1].images,
    ) == (0, 0, 0, 1)
    assert found.worst.label == "b"
    assert found.confusion == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]


@pytest.mark.filterwarnings("error")
def test_class_that_does_not_occur() -> None:
    """A class without pictures keeps its place in the table and weighs nothing."""
    found = measure_quality(np.eye(3, dtype=np.float32)[:2], np.array([0, 1], dtype=np.uint8), ["a", "b", "c"])
    assert (found.accuracy, found.weighted_f1) == (1, 1)
    assert [score.images for score in found.per_class] == [1, 1, 0]


def test_large_logits_do_not_overflow() -> None:
    """Cross-entropy is computed on the log scale: logits of a thousand are no problem."""
    logits = np.array([[1000, 0], [1000, 0]], dtype=np.float32)
    found = measure_quality(logits, np.array([0, 1], dtype=np.uint8), ["a", "b"])
    assert pytest.approx(500.0) == found.cross_entropy
