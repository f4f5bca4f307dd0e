"""One process of a group that trains together: test_distributed.py starts two of these at once."""

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import small_nets
import torch

from edgefashion import data, tensors, train
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, EdgefashionError
from edgefashion.models.checkpoint import weights_of
from edgefashion.recipes import RECIPES
from edgefashion.records import Architecture, Recipe
from edgefashion.train import learner as learning
from edgefashion.train.augment import compose
from edgefashion.train.learner import Learner
from edgefashion.train.loop import deterministic, evaluate, train_epoch
from edgefashion.train.split import Split
from edgefashion.train.state import seed_epoch
from edgefashion.train.world import ALONE, World, find_world, joined

# The last batch has seven pictures: three for one process, four for the other.
PICTURES, BATCH_SIZE, EPOCHS = 135, 64, 2

SGD = small_nets.changed(batch_size=BATCH_SIZE, optimizer="sgd", learning_rate=0.05)
TRIED = {
    "sgd": SGD,
    "muon": small_nets.changed(batch_size=BATCH_SIZE, learning_rate=0.01, side_learning_rate=1e-3),
    "vectors": small_nets.changed(SGD, architecture=RECIPES["seed"].architecture),
    "random": small_nets.changed(
        SGD,
        architecture=Architecture("compact", small_nets.NETWORK.settings | {"dropout": 0.2}),
        augment=("flip", "shift-1", "erasing"),
        mixup=0.4,
        average=0.5,
    ),
}

FAULTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "statistics of a share": lambda: patch.object(learning, "split_layers", lambda *_: None),
    "gradients not added": lambda: patch.object(Learner, "_add_up", lambda _, loss, correct: (loss, correct)),
    "unequal shares weighed equally": lambda: patch.object(Split, "weight", property(lambda each: 1 / each.world.size)),
}


def trained(recipe: Recipe, sample: Dataset, world: World = ALONE, *, disturbed: bool = False) -> tensors.Arrays:
    """The weights after two epochs of `recipe`, which begin one float away from where they should if `disturbed`."""
    with deterministic(1):
        model = small_nets.fresh(sample, architecture=recipe.architecture)
        if disturbed:
            _disturb(model)
        steps = EPOCHS * -(-PICTURES // BATCH_SIZE)
        learner = Learner(recipe, model, steps=steps, precision="float32", world=world)
        for epoch in range(1, EPOCHS + 1):
            seed_epoch(0, epoch)
            lessons = small_nets.lessons(sample, PICTURES)
            train_epoch(learner, compose(recipe.augment), lessons, epoch=epoch, step_done=lambda *_: None)
    return weights_of(learner.result)


def _disturb(model: torch.nn.Module) -> None:
    directions = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.nextafter(weight, torch.randn(weight.shape, generator=directions) * 9))


def validation(sample: Dataset, world: World = ALONE) -> list[float]:
    """Loss and accuracy of a fresh network on an odd number of pictures."""
    lessons = small_nets.lessons(sample, 301)
    with deterministic(1):
        return list(evaluate(small_nets.fresh(sample), lessons.images, lessons.labels, world=world))


def refusal(call: Callable[[], object]) -> str:
    """What a call is refused with."""
    try:
        call()
    except EdgefashionError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def agree(world: World) -> None:
    """Fail in the second process only."""
    with world.agreed():
        if world.rank == 1:
            raise BadInput("only here")


def fit_with_a_fault(sample: Dataset, folder: Path) -> None:
    """A training whose gradients are not added, so that every process goes its own way."""
    few = np.arange(PICTURES)
    small = dataclasses.replace(sample, train=sample.train.take(few), validation=sample.validation.take(few))
    with FAULTS["gradients not added"]():
        train.fit(SGD, small, out=folder / "faulty", device="cpu", threads=1)


def threads() -> list[str]:
    """Names of this process's threads, those of other languages too."""
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]


def main(folder: Path) -> None:
    """Leave what this process has seen in `folder`, under its rank."""
    world, sample = find_world(), data.load_sample()
    with joined(world):
        seen: dict[str, object] = {
            "validation": validation(sample, world),
            "told": world.told(f"by {world.rank}"),
            "in turn": world.in_turn(lambda: sorted(path.name for path in folder.glob("*"))),
            "agreed": refusal(lambda: agree(world)),
            "same": refusal(lambda: world.check_same("nothing", b"same")),
            "not same": refusal(lambda: world.check_same("their ranks", bytes(world.rank))),
            "fit with a fault": refusal(lambda: fit_with_a_fault(sample, folder)),
        }
        for name, recipe in TRIED.items():
            np.savez(folder / f"{name} {world.rank}.npz", **trained(recipe, sample, world))
        for name, fault in FAULTS.items():
            with fault():
                np.savez(folder / f"{name} {world.rank}.npz", **trained(SGD, sample, world))
        if world.rank == 1:
            (folder / "1.json").write_text(json.dumps(seen))
            os._exit(9)  # as if killed: the other one is left alone
        seen["lost"] = refusal(lambda: world.total(1))
    seen["threads"] = threads()
    (folder / "0.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
