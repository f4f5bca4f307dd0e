"""The search: how many trials, what is pruned and why, and what becomes of trials that are cut short."""

from collections.abc import Callable
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")
pytest.importorskip("torch")

from optuna.trial import TrialState  # noqa: E402 - after the skip
from simulated import IMAGES, Listener, Simulated, curve_of, objective_on, plan_for, size_of  # noqa: E402

from edgefashion import environment  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import CheckFailed  # noqa: E402
from edgefashion.records import NoiseLevel, Recipe  # noqa: E402
from edgefashion.records.tuning import CostLimits, TuneReport  # noqa: E402
from edgefashion.tune.objective import Objective  # noqa: E402
from edgefashion.tune.results import report_of  # noqa: E402
from edgefashion.tune.search import search  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

Begin = Callable[..., Objective]


@pytest.fixture
def worker(sample: Dataset) -> Begin:
    """Begins a worker of one study, each time a new one."""
    storage = optuna.storages.InMemoryStorage()

    def begin(tools: Simulated, limits: CostLimits | None = None) -> Objective:
        return objective_on(storage, plan_for(sample), tools, limits=limits)

    return begin


def reported(objective: Objective, limits: CostLimits | None = None) -> TuneReport:
    """What came of a study."""
    return report_of(objective.study, objective.plan, limits or CostLimits(), storage="memory")


def said(objective: Objective) -> list[str]:
    """What whoever watches was told."""
    assert isinstance(objective.progress, Listener)
    return objective.progress.said


def test_as_many_trials_as_asked_for(worker: Begin) -> None:
    """The number counts those of earlier calls; each trial has its recipe, accuracies, costs and worth."""
    tools = Simulated()
    search(worker(tools), trials=2)
    objective = worker(tools)
    assert not search(objective, trials=3)
    assert not search(objective, trials=3)
    assert len(tools.trained) == 3
    report = reported(objective)
    assert [each.state for each in report.trials] == ["complete"] * 3
    assert tools.trained == [each.recipe for each in report.trials]
    last = report.trials[2]
    assert last.recipe is not None
    assert last.worth is not None
    assert last.costs is not None
    assert last.accuracy is not None
    assert curve_of(last.recipe) == last.validation_accuracies
    assert size_of(last.recipe) == last.worth.size_bytes == last.costs.size_bytes
    assert last.worth.right / IMAGES == last.accuracy.value
    assert ["begun 2: simulated-2", *(f"epoch 2: {epoch}" for epoch in range(1, 5))] == said(objective)[:-1]


def test_no_trial_begins_after_the_budget(worker: Begin) -> None:
    """The trial that runs when the time is up is finished, and no other one begins."""
    now_s = 100.0
    tools = Simulated()

    def takes_three_seconds(_: Recipe) -> None:
        nonlocal now_s
        now_s += 3.0

    tools.before = takes_three_seconds
    objective = worker(tools)
    assert not search(objective, trials=50, budget_s=7.0, clock=lambda: now_s)
    assert [each.state for each in reported(objective).trials] == ["complete"] * 3


def test_networks_beyond_a_limit_are_not_trained(worker: Begin) -> None:
    """They are pruned with the reason, their violation is known to the sampler, and none of them is picked."""
    tools, limits = Simulated(), CostLimits(size_bytes=60_000)
    objective = worker(tools, limits)
    search(objective, trials=8)
    report = reported(objective, limits)
    pruned = [each for each in report.trials if each.state == "pruned"]
    assert 0 < len(pruned) < 8
    assert 8 - len(pruned) == len(tools.trained)
    assert all(size_of(each) <= 60_301 for each in tools.trained)
    for each in pruned:
        assert each.costs is not None
        assert f"its int8 file has {each.costs.size_bytes:,} bytes, more than 60,000" == each.why
        constraint = objective.study.get_trials()[each.number].constraints["size"]
        assert pytest.approx(0.995 * each.costs.size_bytes / 60_000 - 1) == constraint
    assert report.picked is not None
    assert report.trial(report.picked).state == "complete"


def test_training_that_cannot_win_is_stopped(worker: Begin) -> None:
    """Its rest is not computed; the epochs that it had and the reason are kept, and the search learns on."""
    tools = Simulated(size=1)
    # The sixth is far behind from its first epoch on.
    tools.curve = lambda _: [0.1, 0.2, 0.3, 0.4] if len(tools.trained) == 6 else [0.5, 0.8, 0.9, 0.91]
    objective = worker(tools)
    search(objective, trials=12)  # ten are random, then the sampler looks at all of them
    states = [each.state for each in reported(objective).trials]
    assert [*["complete"] * 5, "pruned", *["complete"] * 6] == states
    stopped = reported(objective).trials[5]
    assert stopped.validation_accuracies == [0.1]
    assert "10.00% after epoch 1" in stopped.why
    assert f"ended 5: pruned: {stopped.why}" in said(objective)


def test_diverged_training_is_pruned(worker: Begin) -> None:
    """A loss that is no longer finite prunes its trial, and the search goes on."""
    tools = Simulated()

    def diverge(_: Recipe) -> None:
        if len(tools.trained) == 1:
            raise CheckFailed("the training loss became nan: lower the learning rate")

    tools.before = diverge
    objective = worker(tools)
    search(objective, trials=2)
    trials = reported(objective).trials
    assert [each.state for each in trials] == ["pruned", "complete"]
    assert trials[0].why == "the training loss became nan: lower the learning rate"


@pytest.mark.filterwarnings("error::UserWarning")  # Optuna's, of what is told it twice
def test_ctrl_c_keeps_what_is_done(worker: Begin) -> None:
    """The interrupted trial's settings are the first that the next call tries; nothing is tried twice that was done."""
    tools = Simulated()

    def interrupt(_: Recipe) -> None:
        if len(tools.trained) == 2:
            raise KeyboardInterrupt

    tools.before = interrupt
    limits = CostLimits(size_bytes=10**9)
    assert search(worker(tools, limits), trials=3)
    objective = worker(tools, limits)
    assert not search(objective, trials=3)
    trials = reported(objective).trials
    assert [each.state for each in trials] == ["complete", "failed", "complete", "complete"]
    assert trials[2].repeats == [1]
    interrupted, repeated = (trials[number].recipe for number in (1, 2))
    assert interrupted is not None
    assert repeated is not None
    assert interrupted.architecture == repeated.architecture
    assert interrupted.learning_rate == repeated.learning_rate


def test_what_breaks_its_worker_is_not_tried_for_ever(worker: Begin) -> None:
    """An error leaves the search as it is; the same settings are tried three times more and then no longer."""
    tools = Simulated()

    def break_down(_: Recipe) -> None:
        raise ZeroDivisionError

    tools.before = break_down
    for _ in range(4):
        with pytest.raises(ZeroDivisionError):
            search(worker(tools), trials=1)
    objective = worker(tools)
    assert [each.state for each in reported(objective).trials] == ["failed"] * 4
    assert len({each.learning_rate for each in tools.trained}) == 1


@pytest.mark.parametrize(("noise", "measured"), [("noisy", 1), ("invalid", 2)])
def test_network_is_measured_once(worker: Begin, noise: NoiseLevel, measured: int) -> None:
    """Another recipe for the same network takes its costs over, unless they were measured on a hopeless machine."""
    tools = Simulated(timed=True, noise=noise)
    objective = worker(tools)
    search(objective, trials=1)
    objective.study.enqueue_trial(objective.study.trials[0].params | {"learning_rate": 0.05})
    search(objective, trials=2)
    first, second = tools.trained
    assert first.architecture == second.architecture
    assert first.learning_rate != second.learning_rate
    assert len(tools.costed) == measured
    assert reported(objective).trials[0].costs == reported(objective).trials[1].costs


def test_latency_of_what_is_too_large_is_measured_when_it_may_be_larger(sample: Dataset) -> None:
    """A network beyond the limit on size is not measured; under a wider limit it is, before it is trained."""
    storage, plan = optuna.storages.InMemoryStorage(), plan_for(sample, machine=environment.describe())
    tools = Simulated(timed=True)
    narrow = objective_on(storage, plan, tools, limits=CostLimits(size_bytes=10_000))
    search(narrow, trials=1)
    narrow.study.enqueue_trial(narrow.study.trials[0].params)
    search(narrow, trials=2)
    assert (len(tools.costed), len(tools.trained)) == (1, 0)
    wide = objective_on(storage, plan, tools)
    wide.study.enqueue_trial(narrow.study.trials[0].params)
    search(wide, trials=3)
    assert (len(tools.costed), len(tools.trained)) == (2, 1)
    assert [bool(each.costs and each.costs.latency) for each in reported(wide).trials] == [False, False, True]


def test_latency_is_an_objective_where_it_is_measured(sample: Dataset) -> None:
    """With a machine to measure on there are three values, the last of them the median call in seconds."""
    plan = plan_for(sample, machine=environment.describe())
    objective = objective_on(optuna.storages.InMemoryStorage(), plan, Simulated(timed=True))
    search(objective, trials=2)
    for each in objective.study.trials:
        accuracy, size_bytes, latency_s = each.values
        assert 0 < accuracy < 1
        assert pytest.approx(size_bytes**0.5 * 1e-7) == latency_s


def test_front_is_what_nothing_else_beats(worker: Begin) -> None:
    """Of networks that cost the same only the most accurate is on the front; a smaller one is, however bad."""
    tools = Simulated(size=1000)
    tools.curve = lambda _: [{1: 0.5, 2: 0.9, 3: 0.7, 4: 0.1}[len(tools.trained)]]

    def shrink(_: Recipe) -> None:
        tools.size = 999 if len(tools.trained) == 4 else 1000

    tools.before = shrink
    objective = worker(tools)
    search(objective, trials=4)
    report = reported(objective)
    assert [each.on_front for each in report.trials] == [False, True, False, True]
    assert report.picked == 1


# Other workers


def test_result_of_a_trial_that_was_given_up_is_dropped(worker: Begin) -> None:
    """A worker whose trial another one has taken over says so and goes on with the next."""
    tools = Simulated()
    objective = worker(tools)

    def give_up(_: Recipe) -> None:
        if len(tools.trained) == 1:
            objective.study.tell(0, state=TrialState.FAIL)

    tools.before = give_up
    assert not search(objective, trials=1)
    assert [each.state for each in reported(objective).trials] == ["failed", "complete"]
    assert any(words.startswith("trial 0 showed no sign of life") for words in said(objective))


def test_last_trials_of_others_are_waited_for(worker: Begin) -> None:
    """A worker begins none beyond those asked for, and ends when the one that runs elsewhere is done."""
    tools, elsewhere = Simulated(), worker(Simulated())
    theirs = elsewhere.study.ask()
    objective, polls = worker(tools), []

    def sleep(seconds: float) -> None:
        polls.append(seconds)
        if len(polls) == 3:
            elsewhere.study.tell(theirs, elsewhere(theirs))

    assert not search(objective, trials=2, sleep=sleep)
    assert (len(tools.trained), len(polls)) == (1, 3)
    assert sum("waiting for 1 that other workers began" in words for words in said(objective)) == 1


def test_trial_that_was_hardly_begun_is_given_up(worker: Begin) -> None:
    """A worker that dies before its first heartbeat leaves a trial without settings: another takes its place."""
    tools = Simulated()
    worker(tools).study.ask()
    objective = worker(tools)

    def sleep(_: float) -> None:
        pytest.fail("it is waited for")

    assert not search(objective, trials=1, grace_s=0.0, sleep=sleep)
    assert [each.state for each in reported(objective).trials] == ["failed", "complete"]


def test_no_worker_is_needed_to_see_what_runs(worker: Begin) -> None:
    """A report names trials that run elsewhere or wait, without figures."""
    objective = worker(Simulated())
    objective.study.ask()
    objective.study.enqueue_trial({"width_1": 8})
    trials: list[Any] = reported(objective).trials
    assert [(each.state, each.recipe, each.accuracy) for each in trials] == [
        ("running", None, None),
        ("waiting", None, None),
    ]
    assert reported(objective).picked is None
