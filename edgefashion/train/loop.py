"""One epoch, one evaluation: the arithmetic of training."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefashion.errors import CheckFailed
from edgefashion.train.augment import Augment
from edgefashion.train.learner import Learner
from edgefashion.train.losses import Lessons

# What one call computes then stays in the processor's cache: twice as fast as 1,000 pictures for the wide network.
_EVALUATION_BATCH = 250


def train_epoch(
    learner: Learner,
    augment: Augment,
    lessons: Lessons,
    *,
    epoch: int,
    step_done: Callable[[int, float], None],
) -> tuple[float, float]:
    """One pass over the training pictures in a random order.

    Args:
        learner: Makes the steps.
        augment: Applied to all pictures at once, before the first step.
        lessons: On the model's device.
        epoch: Counted from 1.
        step_done: Is told how many pictures are done and the batch's loss.

    Returns:
        Mean loss in nats and accuracy over the epoch, as they were when each batch was seen.

    Raises:
        CheckFailed: The loss is no longer finite.
    """
    learner.model.train()
    batches = batch_bounds(len(lessons), learner.recipe.batch_size)
    shuffled = lessons.take(torch.randperm(len(lessons)).to(learner.device))
    shuffled = Lessons(augment(shuffled.images), shuffled.labels, shuffled.answers)
    loss_sum, correct = 0.0, 0
    for index, bounds in enumerate(batches, start=1):
        batch = shuffled.take(bounds)
        loss, hits = learner.learn(batch, (epoch - 1) * len(batches) + index)
        value = loss.item()
        if not math.isfinite(value):
            raise CheckFailed(f"the training loss became {value}: lower the learning rate")
        loss_sum += value * len(batch)
        correct += int(hits)
        step_done(bounds.stop, value)
    seen = batches[-1].stop
    return loss_sum / seen, correct / seen


def batch_bounds(pictures: int, batch_size: int) -> list[slice]:
    """Where the batches of an epoch begin and end; the last may be smaller, and is left out if it is one picture."""
    bounds = [slice(start, min(start + batch_size, pictures)) for start in range(0, pictures, batch_size)]
    # Batch-norm has nothing to normalize a single picture by.
    return bounds[:-1] if pictures > 1 and pictures - bounds[-1].start == 1 else bounds


@torch.inference_mode()
def predict(model: nn.Module, images: Tensor, *, precision: str = "float32") -> Tensor:
    """Logits float32[N, classes] on the CPU of `images` uint8[N, H, W], in evaluation mode."""
    model.eval()
    with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        return torch.cat([model(batch).float().cpu() for batch in torch.split(images, _EVALUATION_BATCH)])


def evaluate(model: nn.Module, images: Tensor, labels: Tensor, *, precision: str = "float32") -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy."""
    logits = predict(model, images, precision=precision)
    target = labels.cpu()
    loss = functional.cross_entropy(logits, target).item()
    return loss, float((logits.argmax(1) == target).double().mean())


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Same seed, same thread count, same bits: torch's deterministic algorithms, on `threads` threads."""
    threads_before = torch.get_num_threads()
    strict_before = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=strict_before)
        torch.set_num_threads(threads_before)
