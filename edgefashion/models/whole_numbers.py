"""Tensors in units of a scale, and rounding that a gradient passes through."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Scaled:
    """A tensor in units of a scale.

    Attributes:
        steps: Whole numbers. Those of weights decide in which type sums are computed: float64 holds every sum
            exactly, float32 those below 2^24.
        scale: The unit, float32; broadcasts against `steps`.
    """

    steps: Tensor
    scale: Tensor

    @property
    def real(self) -> Tensor:
        """The tensor itself, float32."""
        return self.steps.to(self.scale.dtype) * self.scale


Value = Tensor | Scaled


def real(value: Value) -> Tensor:
    """A tensor, whether it was kept in units or not."""
    return value.real if isinstance(value, Scaled) else value


def whole(units: Tensor, low: float, high: float) -> Tensor:
    """Whole numbers between `low` and `high`, rounded half to even.

    The gradient is that of the identity, and zero where a number was clipped: the straight-through estimator of
    Bengio et al. 2013, arXiv:1308.3432.
    """
    levels: Tensor = _Whole.apply(units, low, high)  # type: ignore[no-untyped-call]  # torch types it not
    return levels


class _Whole(torch.autograd.Function):
    """One pass over the data where a chain of torch's own operators would be six."""

    @staticmethod
    def forward(context: Any, units: Tensor, low: float, high: float) -> Tensor:
        clipped = units.clamp(low, high)
        context.save_for_backward(clipped == units)
        return clipped.round_()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (inside,) = context.saved_tensors
        return torch.where(inside, gradient, 0), None, None
