"""Trials one after the other, until there are as many as were asked for, the time is up, or somebody stops them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from edgefashion.tune.objective import Objective
from edgefashion.tune.storage import GRACE_S, MOST_REPEATS

_POLL_S = 1.0
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def search(
    objective: Objective,
    *,
    trials: int,
    budget_s: float | None = None,
    grace_s: float = GRACE_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Run trials of `objective.study` in this process, beside other workers of the same study.

    Whatever cuts a trial short, its settings are tried again, up to three times. That of a killed worker is found by
    its missing heartbeat, by any worker that begins a trial or waits; so a worker whose study lacks nothing but trials
    that run elsewhere waits for them.

    Args:
        objective: Is called with each trial.
        trials: How many the study shall have, complete or pruned, those of other workers and earlier calls included.
        budget_s: Seconds after which no trial begins; None for no end.
        grace_s: The storage's: a running trial without a heartbeat is given up after so long.
        clock: Seconds, monotonic.
        sleep: Waits for seconds.

    Returns:
        Whether it was interrupted by Ctrl-C.
    """
    study, started_s = objective.study, clock()
    waited = False
    try:
        while budget_s is None or clock() - started_s < budget_s:
            optuna.storages.fail_stale_trials(study)
            _give_up_unborn(study, grace_s)
            found = study.get_trials(deepcopy=False)
            done, running = _count(found, *_DONE), _count(found, TrialState.RUNNING)
            if done >= trials:
                break
            if done + running < trials:
                _run_one(objective)
                continue
            if not waited:
                objective.progress.note(
                    f"waiting for {running} that other workers began; they are taken over if need be"
                )
                waited = True
            sleep(_POLL_S)
    except KeyboardInterrupt:
        return True
    return False


def _run_one(objective: Objective) -> None:
    study = objective.study
    objective.number = None
    try:
        study.optimize(objective, n_trials=1)
    except BaseException:
        # Not `Exception`: Ctrl-C is the usual way to stop, and what was begun is to be tried again.
        if objective.is_lost:
            objective.progress.note(
                f"trial {objective.number} showed no sign of life for too long and was given up: its result is dropped"
            )
            return
        _try_again(study, objective.number)
        raise


def _try_again(study: Study, number: int | None) -> None:
    if number is None:
        return
    # Optuna leaves a trial running that was ended by a signal other than Ctrl-C's.
    study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
    trial = study.get_trials()[number]
    if trial.state == TrialState.FAIL:
        RetryHeartbeatStaleTrialCallback(max_retry=MOST_REPEATS)(study, trial)


def _give_up_unborn(study: Study, grace_s: float) -> None:
    """Fail trials whose worker died between asking for them and their first heartbeat, which nobody else finds."""
    for each in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        born = each.datetime_start  # without a time zone: local
        if not each.params and born and (datetime.now(UTC) - born.astimezone()).total_seconds() > grace_s:
            study.tell(each.number, state=TrialState.FAIL, skip_if_finished=True)


def _count(trials: list[FrozenTrial], *states: TrialState) -> int:
    return sum(each.state in states for each in trials)
