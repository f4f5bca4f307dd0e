"""Teach a network to answer as another does: Hinton et al. 2015, arXiv:1503.02531."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefashion.data import Dataset, Images
from edgefashion.models.checkpoint import load_weights, weights_of
from edgefashion.train.loop import predict
from edgefashion.train.state import seed_epoch

# What one call computes then stays in the processor's cache: twice as fast as 1,000 pictures for the wide network.
_ANSWERED_AT_ONCE = 250


@dataclass(frozen=True)
class _Lesson:
    """Pictures with what is to be answered: uint8[N, H, W], int64[N] and the teacher's float32[N, classes]."""

    images: Tensor
    labels: Tensor
    answers: Tensor

    @classmethod
    def of(cls, images: Images, teacher: nn.Module) -> "_Lesson":
        pixels = torch.tensor(images.pixels)
        answers = torch.cat([predict(teacher, batch) for batch in torch.split(pixels, _ANSWERED_AT_ONCE)])
        # A copy, because autograd refuses what was computed in inference mode.
        return cls(pixels, torch.tensor(images.labels, dtype=torch.int64), answers.clone())


def distill(
    student: nn.Module,
    teacher: nn.Module,
    data: Dataset,
    *,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    label_weight: float,
    seed: int,
    note: Callable[[str], None],
) -> None:
    """Train `student` in place; it ends with the weights of the lowest validation loss, those it came with included.

    The loss is (1 - w) times the Kullback-Leibler divergence from the teacher's classes plus w times the
    cross-entropy with the labels. The learning rate falls to zero along a cosine. Test pictures are not looked at.

    Args:
        student: Takes uint8[N, H, W], gives logits float32[N, classes], on the CPU.
        teacher: Likewise; it stays as it is.
        data: Training pictures teach, validation pictures choose the epoch.
        epochs: How often every training picture is seen.
        learning_rate: Adam's, at the start.
        batch_size: Pictures a step.
        label_weight: w, from 0 to 1.
        seed: Decides the order of the pictures.
        note: Is told what each epoch came to.
    """
    training, held_out = (_Lesson.of(images, teacher) for images in (data.train, data.validation))
    optimizer = torch.optim.Adam(student.parameters(), lr=learning_rate)
    batches = math.ceil(len(training.labels) / batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    lowest, best = _examine(student, held_out, label_weight, "before training", note), weights_of(student)
    for epoch in range(1, epochs + 1):
        seed_epoch(seed, epoch)
        student.train()
        for chosen in torch.split(torch.randperm(len(training.labels)), batch_size):
            logits = student(training.images[chosen])
            loss = _loss(logits, training.answers[chosen], training.labels[chosen], label_weight)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch types it not
            optimizer.step()
            schedule.step()
        validation_loss = _examine(student, held_out, label_weight, f"epoch {epoch} of {epochs}", note)
        if validation_loss < lowest:
            lowest, best = validation_loss, weights_of(student)
    load_weights(student, best)
    student.eval()


def _loss(logits: Tensor, answers: Tensor, labels: Tensor, label_weight: float) -> Tensor:
    divergence = functional.kl_div(
        logits.log_softmax(1), answers.log_softmax(1), log_target=True, reduction="batchmean"
    )
    return (1 - label_weight) * divergence + label_weight * functional.cross_entropy(logits, labels)


def _examine(
    student: nn.Module, held_out: _Lesson, label_weight: float, when: str, note: Callable[[str], None]
) -> float:
    """The loss on validation pictures, in nats; `note` is told how they are decided, too."""
    logits = predict(student, held_out.images)
    loss = _loss(logits, held_out.answers, held_out.labels, label_weight).item()
    decided = logits.argmax(1)
    agreement = (decided == held_out.answers.argmax(1)).double().mean()
    accuracy = (decided == held_out.labels).double().mean()
    note(f"{when}: validation loss {loss:.6f}, agreement {agreement:.2%}, accuracy {accuracy:.2%}")
    return loss
