"""What a training makes small: labels, smoothed labels, a teacher's answers, mixtures of pictures."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import small_nets  # noqa: E402 - after the skip

from edgefashion.data import Dataset  # noqa: E402
from edgefashion.records import Recipe  # noqa: E402
from edgefashion.train.losses import Lessons, loss_of, mixed  # noqa: E402

CLASSES = 4


def numbers(*shape: int, seed: int = 0, size: float = 2.0) -> "torch.Tensor":
    """Logits of some size."""
    return size * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def told(*labels: int, answers: "torch.Tensor | None" = None) -> Lessons:
    """Lessons about pictures that nobody looks at."""
    return Lessons(torch.zeros(len(labels), 1, 1, dtype=torch.uint8), torch.tensor(labels), answers)


def plain(**changes: Any) -> Recipe:
    """A recipe whose loss is bare cross-entropy, but for what is changed about it."""
    return small_nets.changed(**({"label_smoothing": 0.0, "teacher_weight": 1.0, "temperature": 1.0} | changes))


def surprise(logits: "torch.Tensor", row: int, label: int) -> float:
    """Minus the logarithm of a label's probability, in float64."""
    values = [math.exp(value) for value in logits[row].tolist()]
    return -math.log(values[label] / sum(values))


# Labels


def test_cross_entropy_is_a_mean_over_pictures() -> None:
    """Without anything else the loss is the mean surprise at the labels, in nats."""
    logits, labels = numbers(3, CLASSES), (1, 0, 3)
    expected = np.mean([surprise(logits, row, label) for row, label in enumerate(labels)])
    assert pytest.approx(expected, rel=1e-5) == float(loss_of(logits, told(*labels), plain()))


def test_label_smoothing_spreads_a_share_over_all_classes() -> None:
    """With 0.2 smoothed, the label itself has 0.8 and a quarter of 0.2, and each other of four classes has 0.05."""
    logits, labels = numbers(2, CLASSES), (2, 1)
    expected = np.mean(
        [
            sum((0.85 if label == right else 0.05) * surprise(logits, row, label) for label in range(CLASSES))
            for row, right in enumerate(labels)
        ]
    )
    assert pytest.approx(expected, rel=1e-5) == float(loss_of(logits, told(*labels), plain(label_smoothing=0.2)))


# A teacher


def test_divergence_by_hand() -> None:
    """The teacher's part is T² times Σ p·(log p − log q) of both softened by T, a mean over the pictures."""
    logits, answers, heat = numbers(2, CLASSES, seed=1), numbers(2, CLASSES, seed=2), 3.0
    own, wanted = (values.double().div(heat).softmax(1).numpy() for values in (logits, answers))
    expected = heat**2 * (wanted * np.log(wanted / own)).sum(1).mean()
    assert pytest.approx(expected, rel=1e-4) == float(
        loss_of(logits, told(0, 1, answers=answers), plain(temperature=heat))
    )


@pytest.mark.parametrize("heat", [0.5, 1.0, 4.0])
def test_who_answers_like_the_teacher_has_nothing_to_learn(heat: float) -> None:
    """Answers equal to the teacher's, up to a constant a picture, give no loss and no gradient."""
    answers = numbers(3, CLASSES)
    logits = (answers + torch.tensor([[5.0], [0.0], [-2.0]])).requires_grad_()
    loss = loss_of(logits, told(0, 1, 2, answers=answers), plain(temperature=heat))
    assert pytest.approx(0, abs=1e-5) == float(loss.detach())
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(torch.zeros_like(gradient), gradient, rtol=0, atol=1e-5)


def test_teacher_s_gradients_are_as_large_at_any_temperature() -> None:
    """Hot classes pull at each logit by its distance from the teacher's, both centred, over the number of classes."""
    logits, answers = numbers(2, CLASSES, seed=1).double(), numbers(2, CLASSES, seed=2).double()
    centred = [values - values.mean(1, keepdim=True) for values in (logits, answers)]
    expected = (centred[0] - centred[1]) / CLASSES / len(logits)
    for heat in (1e3, 2e3):
        student = logits.clone().requires_grad_()
        loss = loss_of(student, told(0, 1, answers=answers), plain(temperature=heat))
        torch.testing.assert_close(expected, torch.autograd.grad(loss, student)[0], rtol=1e-2, atol=1e-3)


@given(weight=st.floats(0, 1), smoothing=st.floats(0, 0.9))
def test_teacher_and_labels_share_the_loss(weight: float, smoothing: float) -> None:
    """The loss is the teacher's part by its weight, and the labels' part, smoothed or not, by the rest."""
    logits, answers = numbers(3, CLASSES, seed=1), numbers(3, CLASSES, seed=2)
    recipe = plain(label_smoothing=smoothing, temperature=2.0, teacher_weight=weight)
    labels_alone = loss_of(logits, told(0, 3, 2), recipe)
    teacher_alone = loss_of(logits, told(0, 3, 2, answers=answers), plain(temperature=2.0))
    expected = weight * float(teacher_alone) + (1 - weight) * float(labels_alone)
    found = float(loss_of(logits, told(0, 3, 2, answers=answers), recipe))
    assert pytest.approx(expected, rel=1e-4) == found


def test_without_weight_a_teacher_is_not_heard() -> None:
    """A teacher of weight 0 leaves the loss of the labels, to the last bit."""
    logits = numbers(3, CLASSES)
    recipe = plain(teacher_weight=0.0, label_smoothing=0.1)
    heard = loss_of(logits, told(0, 3, 2, answers=numbers(3, CLASSES, seed=5)), recipe)
    assert torch.equal(loss_of(logits, told(0, 3, 2), recipe), heard)


# Lessons


def test_lessons_are_taken_together(sample: Dataset) -> None:
    """Pictures, labels and answers of the chosen lessons stay with one another."""
    every = small_nets.lessons(sample, 20, answers=torch.arange(200.0).view(20, 10))
    for chosen in (torch.tensor([7, 0, 7]), slice(5, 9)):
        taken = every.take(chosen)
        assert torch.equal(every.images[chosen], taken.images)
        assert torch.equal(every.labels[chosen], taken.labels)
        assert every.answers is not None
        assert taken.answers is not None
        assert torch.equal(every.answers[chosen], taken.answers)
    assert len(every.take(slice(5, 9))) == 4
    assert small_nets.lessons(sample).take(slice(2)).answers is None


# Mixup


@given(strength=st.floats(0.05, 20), seed=st.integers(0, 10_000))
def test_own_share_is_the_larger_one(strength: float, seed: int) -> None:
    """A picture keeps at least half of itself, and at most all."""
    torch.manual_seed(seed)
    _, _, share = mixed(told(0, 1), strength)
    assert 0.5 <= share <= 1


def test_strength_decides_how_far_pictures_mix() -> None:
    """The share is drawn from Beta(strength, strength), folded at ½: nearly 1 when weak, ¾ on average at 1."""
    torch.manual_seed(0)
    means = {strength: np.mean([mixed(told(0, 1), strength)[2] for _ in range(600)]) for strength in (0.05, 1.0, 50.0)}
    assert means[0.05] > 0.93
    assert pytest.approx(0.75, abs=0.02) == means[1.0]
    assert means[50.0] < 0.56


@pytest.mark.parametrize("seed", range(5))
def test_pictures_are_the_mixture(seed: int, sample: Dataset) -> None:
    """Each picture is its share of itself and the rest of another of the batch, rounded, with that one's lesson."""
    batch = small_nets.lessons(sample, 40, answers=torch.arange(400.0).view(40, 10))
    before = batch.images.clone()
    torch.manual_seed(seed)
    images, other, share = mixed(batch, 1.0)
    expected = (share * batch.images.double() + (1 - share) * other.images.double()).numpy()
    assert torch.uint8 == images.dtype
    assert float(np.abs(images.numpy() - expected).max()) <= 0.5 + 1e-3
    assert torch.equal(before, batch.images)
    # Answers are all different here: they tell whose turn it is.
    assert other.answers is not None
    order = (other.answers[:, 0] / 10).long()
    assert list(range(40)) == sorted(order.tolist())
    assert torch.equal(batch.images[order], other.images)
    assert torch.equal(batch.labels[order], other.labels)
    assert not torch.equal(torch.arange(40), order)


def test_generator_decides_the_mixture(sample: Dataset) -> None:
    """The same state of torch's generator mixes the same, the next state otherwise."""
    batch = small_nets.lessons(sample)
    torch.manual_seed(3)
    first, second = mixed(batch, 1.0), mixed(batch, 1.0)
    torch.manual_seed(3)
    again = mixed(batch, 1.0)
    assert torch.equal(first[0], again[0])
    assert first[2] == again[2] != second[2]
