"""What a training carries from epoch to epoch, and how it survives an interruption.

Each epoch's randomness is a function of the run's seed and the epoch's number, so the generators need no
saving: weights, optimizer and the best weights so far are all there is.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from edgefashion import tensors
from edgefashion.errors import UsageError
from edgefashion.files import atomic_write
from edgefashion.models.checkpoint import load_weights, weights_of
from edgefashion.records import ResumeState

_KEY = "edgefashion.resume"
# Epochs of different seeds must not share a stream; a prime stride larger than any number of epochs keeps apart.
_SEED_STRIDE = 1_000_003
MAX_SEED = 2**31 - 1


def seed_epoch(seed: int, epoch: int) -> None:
    """Set torch's generators for one epoch; epoch 0 is the initialization."""
    torch.manual_seed(seed * _SEED_STRIDE + epoch)


def save(
    path: Path, model: nn.Module, best: tensors.Arrays, optimizer: torch.optim.Optimizer, state: ResumeState
) -> None:
    """Write everything that the next epoch depends on, atomically."""
    arrays = {f"model.{name}": array for name, array in weights_of(model).items()}
    arrays |= {f"best.{name}": array for name, array in best.items()}
    for index, slots in optimizer.state_dict()["state"].items():
        arrays |= {f"optimizer.{index}.{slot}": value.cpu().numpy() for slot, value in slots.items()}
    atomic_write(path, tensors.pack(arrays, _KEY, state))


def read(path: Path) -> tuple[tensors.Arrays, ResumeState]:
    """What `save` wrote.

    Raises:
        BadInput: The file is missing or damaged.
    """
    return tensors.read(path, _KEY, ResumeState)


def restore(arrays: tensors.Arrays, model: nn.Module, optimizer: torch.optim.Optimizer) -> tensors.Arrays:
    """Put saved arrays back into `model` and `optimizer`, which they must fit; returns the best weights so far."""
    load_weights(model, _under("model.", arrays))
    slots: dict[int, dict[str, Tensor]] = {}
    for name, array in _under("optimizer.", arrays).items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = torch.from_numpy(array.copy())
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    return _under("best.", arrays)


def check_same_run(saved: ResumeState, wanted: ResumeState) -> list[str]:
    """Warnings about what may change the result although the run can go on.

    Raises:
        UsageError: The saved state belongs to another recipe, seed or data set.
    """
    for name in ("recipe", "seed", "data"):
        if getattr(saved, name) != getattr(wanted, name):
            raise UsageError(
                f"the interrupted run has another {name}: resume it with the same --recipe, --seed, --epochs, "
                "--augment and --data, or start anew in another folder"
            )
    return [
        f"{name} was {getattr(saved, name)} and is {getattr(wanted, name)}: the result may differ in its last bits"
        for name in ("threads", "device")
        if getattr(saved, name) != getattr(wanted, name)
    ]


def _under(prefix: str, arrays: tensors.Arrays) -> tensors.Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
