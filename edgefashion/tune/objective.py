"""One trial: settings chosen, costs looked at, trained, judged; and what is noted of it in the storage."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec
from optuna.exceptions import TrialPruned, UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from edgefashion.errors import CheckFailed
from edgefashion.records import EpochMetrics, Recipe
from edgefashion.records.tuning import CostLimits, Costs, TuningPlan, Worth
from edgefashion.train.progress import Progress as TrainProgress
from edgefashion.train.progress import Silent as SilentTraining
from edgefashion.tune.pruning import Finished, beyond, hopeless, violations
from edgefashion.tune.space import recipe_of, suggest
from edgefashion.tune.turns import give_way

# What is noted of a trial, by name.
COSTS, ACCURACIES, WORTH, WHY = "costs", "validation_accuracies", "worth", "why"


class Tools(Protocol):
    """What measures and trains: `evaluate.Workbench`, or what a test puts in its place."""

    def costs(self, recipe: Recipe, limits: CostLimits) -> Costs:
        """What the network of a recipe costs in int8, before it is trained; no latency if it is too large."""

    def worth(self, recipe: Recipe, progress: TrainProgress) -> Worth:
        """Train a recipe, and judge its int8 model."""


class Progress(Protocol):
    """What a search tells whoever watches."""

    def begun(self, number: int, recipe: Recipe) -> None:
        """A trial begins."""

    def epoch(self, number: int, metrics: EpochMetrics) -> None:
        """One epoch of its training is done."""

    def ended(self, number: int, words: str) -> None:
        """This came of it."""

    def note(self, text: str) -> None:
        """Something worth a line."""


@dataclass
class Objective:
    """What Optuna calls with each trial.

    Attributes:
        study: Its name is that of the recipes, and its other trials are what this one is compared with.
        plan: What all trials have in common.
        limits: Networks beyond them are not trained.
        tools: What measures and trains.
        progress: Is told what happens.
        number: Of the trial that runs, or ran last.
        is_lost: Whether that trial was given up by another worker before it ended.
    """

    study: Study
    plan: TuningPlan
    limits: CostLimits
    tools: Tools
    progress: Progress
    number: int | None = None
    is_lost: bool = False

    def __call__(self, trial: Trial) -> tuple[float, ...]:
        """Validation accuracy and bytes of the int8 model, and its latency if that is an objective.

        Raises:
            TrialPruned: It was not worth its training, or the rest of it.
        """
        self.number, self.is_lost = trial.number, False
        try:
            return self._tried(trial)
        except UpdateFinishedTrialError:
            self.is_lost = True
            raise

    def _tried(self, trial: Trial) -> tuple[float, ...]:
        suggest(trial, self.plan.recipe)
        recipe = recipe_of(trial.params, self.plan.recipe, study=self.study.study_name, number=trial.number)
        if recipe is None:
            raise RuntimeError(f"trial {trial.number} was not given every setting")
        self.progress.begun(trial.number, recipe)
        try:
            costs = self._affordable(trial, recipe)
            worth = self._trained(trial, recipe, costs)
        except (CheckFailed, _NotWorthIt) as reason:
            trial.set_user_attr(WHY, str(reason))
            self.progress.ended(trial.number, f"pruned: {reason}")
            raise TrialPruned(str(reason)) from None
        accuracy = worth.right / worth.images
        latency = f", {1e6 * costs.latency_s:.1f} µs" if costs.latency else ""
        self.progress.ended(trial.number, f"{accuracy:.2%}, {worth.size_bytes:,} bytes{latency}")
        values = (accuracy, float(worth.size_bytes))
        return (*values, costs.latency_s) if self.plan.machine else values

    def _affordable(self, trial: Trial, recipe: Recipe) -> Costs:
        costs = self._costs(recipe)
        trial.set_user_attr(COSTS, msgspec.to_builtins(costs))
        for limit, violation in violations(costs, self.limits).items():
            if limit not in trial.constraints:  # a trial that is tried again has them already
                trial.set_constraint(limit, violation)
        reason = beyond(costs, self.limits)
        if reason:
            raise _NotWorthIt(reason)
        return costs

    def _trained(self, trial: Trial, recipe: Recipe, costs: Costs) -> Worth:
        watch = _Watch(trial.number, costs, list(finished_trials(self.study)), self.progress)
        try:
            worth = self.tools.worth(recipe, watch)
        finally:
            trial.set_user_attr(ACCURACIES, watch.accuracies)
        trial.set_user_attr(WORTH, msgspec.to_builtins(worth))
        return worth

    def _costs(self, recipe: Recipe) -> Costs:
        """What is known of the network from another trial, or else what measuring says."""
        for each in self.study.get_trials(deepcopy=False):
            other = recipe_of(each.params, self.plan.recipe, study=self.study.study_name, number=each.number)
            costs = costs_of(each)
            if other and costs and other.architecture == recipe.architecture and self._is_enough(costs):
                return costs
        return self.tools.costs(recipe, self.limits)

    def _is_enough(self, costs: Costs) -> bool:
        """Whether nothing is left to measure."""
        is_measured = costs.latency is not None or self.plan.machine is None
        return costs.noise != "invalid" and (is_measured or bool(beyond(costs, self.limits)))


def costs_of(trial: FrozenTrial) -> Costs | None:
    """What was noted of a trial's network."""
    noted = trial.user_attrs.get(COSTS)
    return None if noted is None else msgspec.convert(noted, Costs)


def worth_of(trial: FrozenTrial) -> Worth | None:
    """What was noted of a trial's int8 model."""
    noted = trial.user_attrs.get(WORTH)
    return None if noted is None else msgspec.convert(noted, Worth)


def finished_trials(study: Study) -> Iterator[Finished]:
    """The trainings that came to their end."""
    for each in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        costs, accuracies = costs_of(each), each.user_attrs.get(ACCURACIES)
        if costs and accuracies:
            yield Finished(each.number, costs, accuracies)


class _NotWorthIt(Exception):  # noqa: N818 - no error: a network too costly, or a training that cannot win
    """Ends a trial; says why."""


class _Watch(SilentTraining):
    """Follows a training, ends it when it is hopeless, and lets it stand still while another worker measures."""

    def __init__(self, number: int, costs: Costs, finished: list[Finished], progress: Progress) -> None:
        self.accuracies: list[float] = []
        self._number, self._costs, self._finished, self._progress = number, costs, finished, progress

    def step(self, images_done: int, loss: float) -> None:  # noqa: ARG002 - the signature of train.Progress
        """One batch is done."""
        give_way()

    def epoch(self, metrics: EpochMetrics) -> None:
        """One epoch is done."""
        self.accuracies.append(metrics.validation_accuracy)
        self._progress.epoch(self._number, metrics)
        reason = hopeless(self.accuracies, self._costs, self._finished)
        if reason:
            raise _NotWorthIt(reason)
