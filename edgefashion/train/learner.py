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


class Learner:
    """What a training changes step by step, and what it can be taken up from again.

    Args:
        recipe: Decides the loss, the optimizers and their rates.
        model: Takes uint8[N, H, W], gives logits; it is trained in place.
        steps: Of the whole training; the learning rate follows from how many are done.
        precision: Of the products: float32, or bfloat16 with sums and weights in float32.
    """

    def __init__(self, recipe: Recipe, model: nn.Module, *, steps: int, precision: str) -> None:
        self.recipe, self.model, self.steps = recipe, model, steps
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
        self._update()
        return loss.detach(), correct

    # Three methods, so that a profile shows what the time goes to.

    def _forward(self, batch: Lessons) -> tuple[Tensor, Tensor]:
        if self.recipe.mixup:
            images, other, share = mixed(batch, self.recipe.mixup)
            logits = self.logits(images)
            loss = share * loss_of(logits, batch, self.recipe) + (1 - share) * loss_of(logits, other, self.recipe)
        else:
            logits = self.logits(batch.images)
            loss = loss_of(logits, batch, self.recipe)
        return loss, (logits.detach().argmax(1) == batch.labels).sum()

    def _backward(self, loss: Tensor) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch types it not

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
        """Everything that the next step depends on."""
        arrays = _named("model", weights_of(self.model))
        if self.average is not None:
            arrays |= _named("average", weights_of(self.average))
        for index, optimizer in enumerate(self.optimizers):
            for slot, value in _slots(optimizer):
                arrays[f"optimizer.{index}.{slot}"] = value.cpu().numpy()
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
