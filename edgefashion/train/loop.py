"""One epoch, one evaluation: the arithmetic of training."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefashion.errors import CheckFailed
from edgefashion.train.augment import Augment

_EVALUATION_BATCH = 1000


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    augment: Augment,
    images: Tensor,
    labels: Tensor,
    *,
    batch_size: int,
    step_done: Callable[[int, float], None],
) -> tuple[float, float]:
    """One pass over the training pictures in a random order.

    Args:
        model: Takes uint8[B, H, W].
        optimizer: Updates the model's parameters.
        augment: Applied to each batch.
        images: uint8[N, H, W] on the model's device.
        labels: int64[N] on the model's device.
        batch_size: B; the last batch may be smaller, and is left out if it is a single picture.
        step_done: Is told how many pictures are done and the batch's loss.

    Returns:
        Mean cross-entropy in nats and accuracy over the epoch, as they were when each batch was seen.

    Raises:
        CheckFailed: The loss is no longer finite.
    """
    model.train()
    order = torch.randperm(len(images)).to(images.device)
    loss_sum, correct = 0.0, 0
    seen = 0
    for chosen in torch.split(order, batch_size):
        if len(chosen) == 1 < len(images):
            continue  # batch-norm has nothing to normalize a single picture by
        target = labels[chosen]
        logits = model(augment(images[chosen]))
        loss = functional.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch types it not
        optimizer.step()
        value = loss.item()
        if not math.isfinite(value):
            raise CheckFailed(f"the training loss became {value}: lower the learning rate")
        loss_sum += value * len(chosen)
        correct += int((logits.argmax(1) == target).sum())
        seen += len(chosen)
        step_done(seen, value)
    return loss_sum / seen, correct / seen


@torch.inference_mode()
def predict(model: nn.Module, images: Tensor) -> Tensor:
    """Logits float32[N, classes] on the CPU of `images` uint8[N, H, W], in evaluation mode."""
    model.eval()
    return torch.cat([model(batch).cpu() for batch in torch.split(images, _EVALUATION_BATCH)])


def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy."""
    logits = predict(model, images)
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
