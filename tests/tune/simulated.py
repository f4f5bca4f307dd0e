"""A search without torch: costs and accuracies follow from the recipe, and everything that is asked for is noted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import optuna

from edgefashion.data import Dataset
from edgefashion.recipes import RECIPES
from edgefashion.records import EpochMetrics, Interval, NoiseLevel, Recipe
from edgefashion.records.tuning import CostLimits, Costs, TuningPlan, Worth
from edgefashion.train.progress import Progress as TrainProgress
from edgefashion.tune.objective import Objective
from edgefashion.tune.study import begin

EPOCHS = 4
IMAGES = 1000


@dataclass
class Simulated:
    """Tools that take no time.

    Attributes:
        timed: Whether networks have a latency.
        noise: Of the machine that it is measured on.
        size: Of every network in bytes; by its products where it is None.
        costed: The recipes whose costs were asked for.
        trained: Those that were trained.
        before: Is called with each recipe before it is trained: to interrupt, to fail.
        curve: Validation accuracies of a recipe, one an epoch.
    """

    timed: bool = False
    noise: NoiseLevel = "quiet"
    size: int | None = None
    costed: list[Recipe] = field(default_factory=list)
    trained: list[Recipe] = field(default_factory=list)
    before: Callable[[Recipe], Any] = lambda _: None
    curve: Callable[[Recipe], list[float]] | None = None

    def costs(self, recipe: Recipe, limits: CostLimits) -> Costs:
        """Bytes by the number of products, seconds by their square root."""
        self.costed.append(recipe)
        size = self.size or size_of(recipe)
        if not self.timed or size > (limits.size_bytes or size):
            return Costs(size_bytes=size)
        latency_s = size**0.5 * 1e-7
        return Costs(size_bytes=size, latency=Interval(latency_s, 0.9 * latency_s, 1.1 * latency_s), noise=self.noise)

    def worth(self, recipe: Recipe, progress: TrainProgress) -> Worth:
        """Train, telling `progress` each step and epoch."""
        self.trained.append(recipe)
        self.before(recipe)
        for number, accuracy in enumerate(self.curve(recipe) if self.curve else curve_of(recipe), start=1):
            progress.step(256, 0.5)
            progress.epoch(EpochMetrics(number, 0.5, accuracy, 0.5, accuracy, 1000.0, 0.1))
        return Worth(right=round(accuracy * IMAGES), images=IMAGES, size_bytes=self.size or size_of(recipe))


def size_of(recipe: Recipe) -> int:
    """More for wider and deeper networks."""
    widths, depths = recipe.architecture.settings["widths"], recipe.architecture.settings["depths"]
    assert isinstance(widths, list)
    assert isinstance(depths, list)
    return 10_000 + sum(9 * width * width * depth for width, depth in zip(widths, depths, strict=True))


def curve_of(recipe: Recipe) -> list[float]:
    """Larger networks and a learning rate near .06 end better; half of the way is made in the first epoch."""
    end = 0.95 - 1000 / size_of(recipe) - abs(recipe.learning_rate - 0.06)
    return [end * share for share in (0.5, 0.8, 0.9, 1.0)]


class Listener:
    """A progress that writes down what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def begun(self, number: int, recipe: Recipe) -> None:
        self.said.append(f"begun {number}: {recipe.name}")

    def epoch(self, number: int, metrics: EpochMetrics) -> None:
        self.said.append(f"epoch {number}: {metrics.epoch}")

    def ended(self, number: int, words: str) -> None:
        self.said.append(f"ended {number}: {words}")

    def note(self, text: str) -> None:
        self.said.append(text)


def plan_for(data: Dataset, *, seed: int = 0, **changes: Any) -> TuningPlan:
    """A plan without latency, unless `changes` say otherwise."""
    recipe = msgspec.structs.replace(RECIPES["edge"], epochs=EPOCHS)
    plan = TuningPlan(recipe=recipe, seed=seed, data=data.for_choosing().identity, machine=None)
    return msgspec.structs.replace(plan, **changes)


def objective_on(
    storage: optuna.storages.BaseStorage,
    plan: TuningPlan,
    tools: Simulated,
    *,
    limits: CostLimits | None = None,
    name: str = "simulated",
) -> Objective:
    """What a worker that has just begun searches with."""
    return Objective(begin(storage, name, plan), plan, limits or CostLimits(), tools, Listener())


def settings_of(study: optuna.Study) -> list[dict[str, Any]]:
    """What each trial that was not cut short tried, in order."""
    return [each.params for each in study.get_trials() if each.state != optuna.trial.TrialState.FAIL]
