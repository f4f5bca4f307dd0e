"""How a training survives an interruption.

Each epoch's randomness is a function of the run's seed and the epoch's number, so the generators need no saving: what
the learner holds and the best weights so far are all there is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from edgefashion import runs, tensors
from edgefashion.errors import UsageError
from edgefashion.files import atomic_write, locked
from edgefashion.records import ResumeState
from edgefashion.train.learner import Learner, under

_KEY = "edgefashion.resume"
_BEST = "best"
# Epochs of different seeds must not share a stream; a prime stride larger than any number of epochs keeps apart.
_SEED_STRIDE = 1_000_003
MAX_SEED = 2**31 - 1


def seed_epoch(seed: int, epoch: int) -> None:
    """Set torch's generators for one epoch; epoch 0 is the initialization."""
    torch.manual_seed(seed * _SEED_STRIDE + epoch)


@contextmanager
def taken(
    out: Path, *, resume: bool, overwrite: bool, again: bool
) -> Iterator[tuple[tensors.Arrays, ResumeState] | None]:
    """Hold the folder `out` for a training; gives what an interrupted one saved there, if that is to go on.

    Args:
        out: The run's folder.
        resume: It must go on.
        overwrite: Remove what an earlier run left.
        again: It goes on if an epoch was finished, and starts anew otherwise.

    Raises:
        UsageError: `out` holds a finished run, or nothing to resume.
        BadInput: What was saved is damaged.
        CannotWrite: The folder is locked or not writable.
    """
    saved = out / runs.RESUME
    if resume and overwrite:
        raise UsageError("an interrupted training is resumed or overwritten, not both")
    if resume and not runs.is_finished(out) and not saved.is_file():
        raise UsageError(f"{out} holds no interrupted training: start it without --resume")
    with locked(out):
        if runs.is_finished(out) and not overwrite:
            raise UsageError(f"{out} holds a finished run: choose another folder with --out, or add --overwrite")
        goes_on = resume or (again and saved.is_file())
        if overwrite and not goes_on:
            runs.clear(out)
        yield read(saved) if goes_on else None


def save(path: Path, learned: tensors.Arrays, best: tensors.Arrays, state: ResumeState) -> None:
    """Write everything that the next epoch depends on, atomically; `learned` is what a learner's `arrays` gave."""
    arrays = learned | {f"{_BEST}.{name}": array for name, array in best.items()}
    atomic_write(path, tensors.pack(arrays, _KEY, state))


def read(path: Path) -> tuple[tensors.Arrays, ResumeState]:
    """What `save` wrote.

    Raises:
        BadInput: The file is missing or damaged.
    """
    return tensors.read(path, _KEY, ResumeState)


def restore(arrays: tensors.Arrays, learner: Learner) -> tensors.Arrays:
    """Put saved arrays back into `learner`, which they must fit; returns the best weights so far."""
    learner.restore(arrays)
    return under(_BEST, arrays)


def check_same_run(saved: ResumeState, wanted: ResumeState) -> list[str]:
    """Warnings about what may change the result although the run can go on.

    Raises:
        UsageError: The saved state belongs to another recipe, seed, teacher or data set.
    """
    for name in ("recipe", "seed", "teacher_sha256", "data"):
        if getattr(saved, name) != getattr(wanted, name):
            raise UsageError(
                f"the interrupted run has another {name.removesuffix('_sha256')}: resume it with the same --recipe, "
                "--seed, --epochs, --augment, --teacher and --data, or start anew in another folder"
            )
    return [
        f"{name} was {getattr(saved, name)} and is {getattr(wanted, name)}: the result may differ in its last bits"
        for name in ("threads", "device", "precision", "processes")
        if getattr(saved, name) != getattr(wanted, name)
    ]
