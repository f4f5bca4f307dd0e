"""A study as a document: its trials, the front, and the trial to take."""

from collections.abc import Mapping, Sequence

import msgspec
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from edgefashion.errors import UsageError
from edgefashion.pick import Point, dominators
from edgefashion.records.tuning import CostLimits, TunedTrial, TuneReport, TuningPlan
from edgefashion.records.tuning import TrialState as State
from edgefashion.stats import wilson
from edgefashion.tune.objective import ACCURACIES, WHY, costs_of, worth_of
from edgefashion.tune.space import recipe_of

_STATES: Mapping[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
    TrialState.FAIL: "failed",
}


def report_of(
    study: Study,
    plan: TuningPlan,
    limits: CostLimits,
    *,
    storage: str,
    wanted: int | None = None,
    interrupted: bool = False,
) -> TuneReport:
    """Everything that is known of a study.

    Args:
        study: With its trials so far.
        plan: What they have in common.
        limits: What may be picked.
        storage: Address of the database, without its password.
        wanted: Number of the trial to pick, whatever the limits; None picks the most accurate within them.
        interrupted: Whether more trials were asked for than there are.
    """
    trials = _with_front([_tuned(each, plan, study.study_name) for each in study.get_trials(deepcopy=False)])
    return TuneReport(
        study=study.study_name,
        storage=storage,
        plan=plan,
        limits=limits,
        trials=trials,
        picked=best_within(trials, limits) if wanted is None else wanted,
        interrupted=interrupted,
    )


def check_wanted(study: Study, number: int | None) -> None:
    """Refuse to pick a trial that is not complete.

    Raises:
        UsageError: There is no such trial yet.
    """
    complete = [each.number for each in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
    if number is not None and number not in complete:
        known = f"complete are {', '.join(map(str, complete))}" if complete else "none is complete yet"
        raise UsageError(f"there is no complete trial {number} in the study {study.study_name}: {known}")


def best_within(trials: Sequence[TunedTrial], limits: CostLimits) -> int | None:
    """The most accurate complete trial that certainly keeps the limits, the smallest of several; None if none does."""
    fit = [each for each in trials if each.keeps(limits)]
    return max(fit, key=_merit).number if fit else None


def _merit(trial: TunedTrial) -> tuple[int, int, int]:
    worth = trial.worth
    return (worth.right, -worth.size_bytes, -trial.number) if worth else (0, 0, 0)


def _tuned(trial: FrozenTrial, plan: TuningPlan, study: str) -> TunedTrial:
    state, worth = _STATES[trial.state], worth_of(trial)
    return TunedTrial(
        number=trial.number,
        state=state,
        recipe=recipe_of(trial.params, plan.recipe, study=study, number=trial.number),
        why=trial.user_attrs.get(WHY, "") if state == "pruned" else "",
        costs=costs_of(trial),
        validation_accuracies=trial.user_attrs.get(ACCURACIES, []),
        worth=worth if state == "complete" else None,
        accuracy=wilson(worth.right, worth.images) if worth and state == "complete" else None,
        repeats=RetryHeartbeatStaleTrialCallback.retry_history(trial),
        wall_s=trial.duration.total_seconds() if trial.duration else None,
    )


def _with_front(trials: Sequence[TunedTrial]) -> list[TunedTrial]:
    """The trials, with those marked that no other complete one dominates."""
    points = {
        each.number: Point(each.worth.size_bytes, each.worth.right / each.worth.images, each.costs.latency_s)
        for each in trials
        if each.worth and each.costs
    }
    behind = dict(zip(points, dominators(list(points.values())), strict=True))
    return [
        msgspec.structs.replace(each, on_front=each.number in behind and behind[each.number] is None) for each in trials
    ]
