"""What a training makes small."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from edgefashion.records import Recipe


@dataclass(frozen=True)
class Lessons:
    """Pictures with what is to be answered, on one device.

    Attributes:
        images: uint8[N, H, W].
        labels: int64[N].
        answers: A teacher's logits float32[N, classes], where there is a teacher.
    """

    images: Tensor
    labels: Tensor
    answers: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: Tensor | slice) -> "Lessons":
        """The lessons that `chosen` int64[n] or a slice points at."""
        answers = None if self.answers is None else self.answers[chosen]
        return Lessons(self.images[chosen], self.labels[chosen], answers)


def loss_of(logits: Tensor, lessons: Lessons, recipe: Recipe) -> Tensor:
    """Mean loss in nats of `logits` float32[N, classes].

    Cross-entropy with the labels, which `label_smoothing` softens. Where a teacher answered, `teacher_weight` of it is
    replaced by the divergence from the teacher's classes, both made softer by the temperature T and weighed by T², so
    that its gradients are as large as those of the labels: Hinton et al. 2015, arXiv:1503.02531.
    """
    told = functional.cross_entropy(logits, lessons.labels, label_smoothing=recipe.label_smoothing)
    if lessons.answers is None:
        return told
    heat = recipe.temperature
    shown = functional.kl_div(
        (logits / heat).log_softmax(1),
        (lessons.answers / heat).log_softmax(1),
        log_target=True,
        reduction="batchmean",
    )
    return (1 - recipe.teacher_weight) * told + recipe.teacher_weight * heat**2 * shown


def mixed(lessons: Lessons, strength: float) -> tuple[Tensor, Lessons, float]:
    """Pictures mixed with others of the batch, those others, and the share of their own: Zhang et al. 2018, mixup.

    Source: arXiv:1710.09412. torch's global generator decides.

    Args:
        lessons: A batch.
        strength: Both parameters of the Beta distribution that the share is drawn from.

    Returns:
        uint8[N, H, W], the lessons that were mixed in, and the share of the first, from ½ to 1.
    """
    share = float(torch.distributions.Beta(strength, strength).sample())
    share = max(share, 1 - share)
    other = lessons.take(torch.randperm(len(lessons)).to(lessons.labels.device))
    both = share * lessons.images.float() + (1 - share) * other.images.float()
    return both.round().to(torch.uint8), other, share
