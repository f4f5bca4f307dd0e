"""A model with all that changes as it learns: weights, their moving average, and the optimizers."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edgefashion import tensors
from edgefashion.models.checkpoint import load_weights, weights_of
from edgefashion.records import Recipe
from edgefashion.train.losses import Lessons, loss_of, mixed
from edgefashion.train.optimizers import optimizers_for, rate_share, set_rate
from edgefashion.train.split import Split, split_layers
from edgefashion.train.world import ALONE, World


class Learner:
    """What a training changes step by step, and what it can be taken up from again.

    Args:
        recipe: Decides the loss, the optimizers and their rates.
        model: Takes uint8[N, H, W], gives logits; it is trained in place.
        steps: Of the whole training; the learning rate follows from how many are done.
        precision: Of the products: float32, or bfloat16 with sums and weights in float32.
        world: The processes that learn together; each has the whole batch and computes its share of it.
    """

    def __init__(self, recipe: Recipe, model: nn.Module, *, steps: int, precision: str, world: World = ALONE) -> None:
        self.recipe, self.model, self.steps = recipe, model, steps
        self.split = Split(world)
        if world.size > 1:
            split_layers(model, self.split)
        self.device = next(model.parameters()).device
        self.bfloat16 = precision == "bfloat16"
        self.optimizers = optimizers_for(recipe, model)
        # Running means of batch-norm belong to the weights that made them, and are averaged as they are.
        self.average = (
            AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average), use_buffers=True)  # type: ignore[no-untyped-call]  # torch types it not
            if recipe.average
            else None
        )

    @property
    def result(self) -> nn.Module:
        """The model that a training is for: the averaged one where weights are averaged."""
        return self.model if self.average is None else self.average.module

    def learn(self, batch: Lessons, step: int) -> tuple[Tensor, Tensor]:
        """Make one step, counted from 1; the batch's loss float32[] in nats and its correct answers int64[]."""
        set_rate(self.optimizers, rate_share(self.recipe, step, self.steps))
        loss, correct = self._forward(batch)
        self._backward(loss)
        if self.split.world.size > 1:
            loss, correct = self._add_up(loss, correct)
        self._update()
        return loss.detach(), correct

    # Methods of their own, so that a profile shows what the time goes to.

    def _forward(self, batch: Lessons) -> tuple[Tensor, Tensor]:
        self.split.pictures = len(batch)
        own = self.split.own
        if self.recipe.mixup:
            # Of the whole batch, so that all processes draw the same and a picture may be mixed with any other.
            images, other, share = mixed(batch, self.recipe.mixup)
            batch, other = batch.take(own), other.take(own)
            logits = self.logits(images[own])
            loss = share * loss_of(logits, batch, self.recipe) + (1 - share) * loss_of(logits, other, self.recipe)
        else:
            batch = batch.take(own)
            logits = self.logits(batch.images)
            loss = loss_of(logits, batch, self.recipe)
        return loss * self.split.weight, (logits.detach().argmax(1) == batch.labels).sum()

    def _backward(self, loss: Tensor) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch types it not

    def _add_up(self, loss: Tensor, correct: Tensor) -> tuple[Tensor, Tensor]:
        # One sum of everything: DistributedDataParallel would take the plain mean of unequal shares, and what it gains
        # by beginning to send before the gradient is complete is nothing for a megabyte.
        gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        parts = [*gradients, loss.detach(), correct.float()]
        summed = self.split.world.add(torch.cat([part.flatten() for part in parts]))
        *sums, loss_sum, correct_sum = torch.split(summed, [part.numel() for part in parts])
        for gradient, total in zip(gradients, sums, strict=True):
            gradient.copy_(total.view_as(gradient))
        # Copies, because a view would keep every gradient of this step alive.
        return loss_sum[0].clone(), correct_sum[0].clone()

    def _update(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.model)

    def logits(self, images: Tensor) -> Tensor:
        """Logits float32[N, classes] of uint8[N, H, W], with gradients, in the training's precision."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            return self.model(images).float()  # type: ignore[no-any-return]  # a module's call is untyped

    def arrays(self) -> tensors.Arrays:
        """Everything that the next step depends on, as it is now."""
        arrays = _named("model", weights_of(self.model))
        if self.average is not None:
            arrays |= _named("average", weights_of(self.average))
        for index, optimizer in enumerate(self.optimizers):
            for slot, value in _slots(optimizer):
                # A copy, because the array of a CPU tensor is the tensor's own memory.
                arrays[f"optimizer.{index}.{slot}"] = value.cpu().numpy().copy()
        return arrays

    def restore(self, arrays: tensors.Arrays) -> None:
        """Put back what `arrays` gave, which must fit."""
        load_weights(self.model, under("model", arrays))
        if self.average is not None:
            load_weights(self.average, under("average", arrays))
        for index, optimizer in enumerate(self.optimizers):
            slots: dict[int, dict[str, Tensor]] = {}
            for name, array in under(f"optimizer.{index}", arrays).items():
                parameter, slot = name.split(".", 1)
                slots.setdefault(int(parameter), {})[slot] = torch.from_numpy(array.copy())
            optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def under(prefix: str, arrays: tensors.Arrays) -> tensors.Arrays:
    """The arrays whose names begin with `prefix` and a dot, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _named(prefix: str, arrays: tensors.Arrays) -> tensors.Arrays:
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def _slots(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    for parameter, slots in optimizer.state_dict()["state"].items():
        for slot, value in slots.items():
            if value is not None:  # SGD's momentum before the first step
                yield f"{parameter}.{slot}", value
