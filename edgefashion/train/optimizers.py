"""Which optimizer moves which weight, and how its learning rate changes over the training."""

import math

import torch
from torch import nn

from edgefashion.records import Recipe
from edgefashion.train.muon import Muon

# A 3×3 convolution of one channel has nine values an output: too few directions for Muon to gain by.
_FEWEST_INPUTS = 10
# Where the rate of each group begins to be counted from.
_HIGHEST = "highest_lr"


def optimizers_for(recipe: Recipe, model: nn.Module) -> list[torch.optim.Optimizer]:
    """The recipe's optimizers; together they hold each trained parameter of `model` once."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    made: list[torch.optim.Optimizer]
    match recipe.optimizer:
        case "adam":
            made = [torch.optim.Adam(trained, lr=rate, weight_decay=decay)]
        case "adamw":
            made = [torch.optim.AdamW(trained, lr=rate, weight_decay=decay)]
        case "sgd":
            made = [torch.optim.SGD(trained, lr=rate, momentum=recipe.momentum, nesterov=True, weight_decay=decay)]
        case "muon":
            kernels = [each for each in trained if each.ndim > 2 and each[0].numel() >= _FEWEST_INPUTS]  # noqa: PLR2004 - a convolution's
            others = [each for each in trained if all(each is not kernel for kernel in kernels)]
            made = [torch.optim.AdamW(others, lr=recipe.side_learning_rate, weight_decay=decay)]
            if kernels:
                made.append(Muon(kernels, lr=rate, momentum=recipe.momentum))
    for optimizer in made:
        for group in optimizer.param_groups:
            group[_HIGHEST] = group["lr"]
    return made


def set_rate(optimizers: list[torch.optim.Optimizer], share: float) -> None:
    """Set every learning rate to `share` of its highest."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group[_HIGHEST] * share


def rate_share(recipe: Recipe, step: int, steps: int) -> float:
    """What share of its highest the learning rate has in `step`, counted from 1, of `steps`.

    one-cycle rises along a line over the first `warm_up` of the steps and falls along a line to zero: Smith and Topin
    2018, arXiv:1708.07120, without its second fall. cosine falls along half a cosine instead: Loshchilov and Hutter
    2017, arXiv:1608.03983.
    """
    if recipe.schedule == "constant":
        return 1.0
    rise = recipe.warm_up * steps
    if step < rise:
        return step / rise
    done = (step - rise) / (steps - rise)
    return 1 - done if recipe.schedule == "one-cycle" else (1 + math.cos(math.pi * done)) / 2
