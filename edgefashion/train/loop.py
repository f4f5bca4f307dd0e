"""One epoch, one evaluation: the arithmetic of training."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefashion.errors import CheckFailed
from edgefashion.train.augment import Augment
from edgefashion.train.learner import Learner
from edgefashion.train.losses import Lessons
from edgefashion.train.world import ALONE, World

# What one call computes then stays in the processor's cache: twice as fast as 1,000 pictures for the wide network.
_EVALUATION_BATCH = 250
_STEPS_BETWEEN_READINGS = 50


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
        step_done: Is told how many pictures are done and the batch's loss; on a GPU, of many batches at once.

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
    patience = _patience(learner.device)
    unread: list[tuple[slice, Tensor, Tensor]] = []
    for index, bounds in enumerate(batches, start=1):
        loss, hits = learner.learn(shuffled.take(bounds), (epoch - 1) * len(batches) + index)
        unread.append((bounds, loss, hits))
        if len(unread) < patience and index < len(batches):
            continue
        for done, its_loss, its_hits in unread:
            value = its_loss.item()
            if not math.isfinite(value):
                raise CheckFailed(f"the training loss became {value}: lower the learning rate")
            loss_sum += value * (done.stop - done.start)
            correct += int(its_hits)
            step_done(done.stop, value)
        unread.clear()
    seen = batches[-1].stop
    return loss_sum / seen, correct / seen


def _patience(device: torch.device) -> int:
    # To read a loss from a GPU is to wait until it has computed everything before; a processor has it at hand.
    return 1 if device.type == "cpu" else _STEPS_BETWEEN_READINGS


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


def evaluate(
    model: nn.Module, images: Tensor, labels: Tensor, *, precision: str = "float32", world: World = ALONE
) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy; the processes of `world` share the pictures out."""
    logits = world.shared_out(partial(predict, model, precision=precision), images)
    target = labels.cpu()
    loss = functional.cross_entropy(logits, target).item()
    return loss, float((logits.argmax(1) == target).double().mean())


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Same seed, same thread count, same bits: torch's deterministic algorithms, on `threads` threads.

    And float32 means float32: on a GPU, cuDNN would otherwise round the inputs of convolutions to TF32's 10 bits.
    """
    threads_before = torch.get_num_threads()
    strict_before = torch.are_deterministic_algorithms_enabled()
    tf32_before = torch.backends.cudnn.allow_tf32
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = tf32_before
        torch.use_deterministic_algorithms(mode=strict_before)
        torch.set_num_threads(threads_before)
