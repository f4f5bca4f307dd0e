"""Layers that see a share of a batch and compute what they would have computed from all of it.

Batch-norm uses the mean and variance of the whole batch, and dropout leaves out what one process would have left out.
Then the sum of all processes' gradients is the gradient of one process, up to the order in which floats are added.
torch's SyncBatchNorm exists for GPUs only, and weighs processes equally that have unequal shares.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgefashion.errors import NotAvailable
from edgefashion.train.world import World


@dataclass
class Split:
    """How the batch that is being learned is shared out.

    Attributes:
        world: The processes.
        pictures: Of the whole batch.
    """

    world: World
    pictures: int = 0

    @property
    def own(self) -> slice:
        """The pictures of this process."""
        return self.world.share(self.pictures)

    @property
    def weight(self) -> float:
        """The share of the batch that this process has."""
        own = self.own
        return int(own.stop - own.start) / self.pictures


def split_layers(model: nn.Module, split: Split) -> None:
    """Replace, in `model`, each layer that would otherwise depend on how a batch is shared out.

    Raises:
        NotAvailable: A batch-norm has no running statistics, or neither scale nor shift.
    """
    for name, layer in model.named_children():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(model, name, SplitBatchNorm(layer, split.world))
        elif isinstance(layer, nn.Dropout):
            setattr(model, name, SplitDropout(layer.p, split))
        else:
            split_layers(layer, split)


class SplitDropout(nn.Module):
    """Dropout that draws for the whole batch and applies its own share, so that all generators stay in step."""

    def __init__(self, probability: float, split: Split) -> None:
        super().__init__()
        self.probability, self.split = probability, split

    def forward(self, x: Tensor) -> Tensor:
        """[n, …] → the same; n is this process's share."""
        if not self.training:
            return x
        whole = x.new_zeros(self.split.pictures, *x.shape[1:])
        whole[self.split.own] = x
        return functional.dropout(whole, self.probability)[self.split.own]


class SplitBatchNorm(nn.Module):
    """Batch-norm over the pictures of all processes, with the weights and the names of `layer`."""

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, layer: nn.BatchNorm1d | nn.BatchNorm2d, world: World) -> None:
        super().__init__()
        if not layer.affine or layer.running_mean is None or layer.momentum is None:
            raise NotAvailable(
                "a batch-norm without scale, running statistics or momentum cannot be trained by several processes"
            )
        self.weight, self.bias = layer.weight, layer.bias
        for name, buffer in layer.named_buffers():
            self.register_buffer(name, buffer)
        self.momentum, self.eps, self.world = layer.momentum, layer.eps, world

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels, …] → the same, normalized."""
        if not self.training:
            return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        with torch.no_grad():
            mean, variance, count = moments(x, self.world)
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        y: Tensor = _Normalized.apply(x, self.weight, self.bias, mean, variance, count, self.eps, self.world)  # type: ignore[no-untyped-call]  # torch types it not
        return y


def moments(x: Tensor, world: World) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance float32[channels] over all processes' `x` [n, channels, …], and the number of values of each.

    Sums of squares are added in float64, where the square of the mean takes nothing from the variance.
    """
    others = [axis for axis in range(x.ndim) if axis != 1]
    variance, mean = (value.double() for value in torch.var_mean(x.float(), others, correction=0))
    count = torch.full_like(mean[:1], x.numel() // x.shape[1])
    sums = world.add(torch.cat([mean * count, (variance + mean**2) * count, count]))
    count = sums[-1]
    mean, square = (sums[:-1] / count).chunk(2)
    return mean.float(), (square - mean**2).clamp(min=0).float(), count.float()


class _Normalized(torch.autograd.Function):
    """Batch-norm with given statistics, whose gradient knows that they move with every process's input."""

    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by position
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        count: Tensor,
        eps: float,
        world: World,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, variance, count)
        ctx.eps, ctx.world = eps, world
        return functional.batch_norm(x, mean, variance, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance, count = ctx.saved_tensors
        inverse = torch.rsqrt(variance + ctx.eps)
        # As if the statistics stood still: torch's own kernel, which also gives this process's Σ dy·x̂ and Σ dy.
        dx, slope, shift = torch.ops.aten.native_batch_norm_backward(
            above[0],
            x,
            weight,
            mean,
            variance,
            mean,
            inverse,
            False,
            ctx.eps,
            [True, True, True],
        )
        # And that they move: dx -= weight·inverse·(Σ dy + x̂·Σ dy·x̂) / count, as a line in x for each channel.
        slopes, shifts = ctx.world.add(torch.cat([slope, shift])).chunk(2)
        gradient = -weight * inverse**2 * slopes / count
        offset = -weight * inverse * shifts / count - gradient * mean
        shape = [1, -1, *[1] * (x.ndim - 2)]
        dx = dx + (x * gradient.view(shape) + offset.view(shape)).to(dx.dtype)
        return dx, slope, shift, None, None, None, None, None
