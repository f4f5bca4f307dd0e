"""A worker in a process of its own: real trainings on a corner of the bundled sample, a line for all that happens.

python worker.py URL TRIALS EPOCHS [hang]
"""

import dataclasses
import sys
import time

import msgspec
import numpy as np

from edgefashion.data import Dataset, load_sample
from edgefashion.recipes import RECIPES
from edgefashion.records import EpochMetrics, Recipe
from edgefashion.records.tuning import CostLimits, Costs, TuningPlan
from edgefashion.tune.evaluate import Workbench
from edgefashion.tune.objective import Objective
from edgefashion.tune.search import search
from edgefashion.tune.storage import opened, read_url
from edgefashion.tune.study import begin

STUDY = "shared"
HEARTBEAT_S, GRACE_S = 1, 2


def corner() -> Dataset:
    """A corner of the bundled sample; what is chosen by is as many pictures as no other part has."""
    sample = load_sample()
    return dataclasses.replace(
        sample,
        train=sample.train.take(np.arange(256)),
        validation=sample.validation.take(np.arange(120)),
        test=sample.test.take(np.arange(100)),
    )


def plan_of(epochs: int) -> TuningPlan:
    """What all workers of a test have in common: small batches, so that the corner gives some steps."""
    recipe = msgspec.structs.replace(RECIPES["edge"], epochs=epochs, batch_size=64, precision="float32")
    return TuningPlan(recipe=recipe, seed=0, data=corner().for_choosing().identity, machine=None)


class Hurried(Workbench):
    """Trains, but does not export to find costs: those that it names are too bad to be taken over by another worker."""

    def costs(self, recipe: Recipe, limits: CostLimits) -> Costs:  # noqa: ARG002 - the signature of Workbench
        return Costs(size_bytes=1, noise="invalid")


class Teller:
    """Prints what happens; with `hang` it never comes back from the first epoch."""

    def __init__(self, *, hang: bool) -> None:
        self._hang = hang

    def begun(self, number: int, recipe: Recipe) -> None:
        self.note(f"begun {number} {recipe.learning_rate}")

    def epoch(self, number: int, metrics: EpochMetrics) -> None:
        self.note(f"epoch {number} {metrics.epoch}")
        if self._hang:
            time.sleep(600)

    def ended(self, number: int, words: str) -> None:
        self.note(f"ended {number} {words}")

    def note(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def work(url: str, *, trials: int, epochs: int, hang: bool = False) -> None:
    """Search beside all other workers of that storage."""
    plan = plan_of(epochs)
    tools = (Hurried if hang else Workbench)(corner().for_choosing(), seed=plan.seed, threads=1, measure_s=0.0)
    with opened(read_url(url), heartbeat_s=HEARTBEAT_S, grace_s=GRACE_S) as storage:
        objective = Objective(begin(storage, STUDY, plan), plan, CostLimits(), tools, Teller(hang=hang))
        search(objective, trials=trials, grace_s=GRACE_S)


if __name__ == "__main__":
    work(sys.argv[1], trials=int(sys.argv[2]), epochs=int(sys.argv[3]), hang=sys.argv[4:] == ["hang"])
