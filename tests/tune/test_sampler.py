"""The sampler: the same seed draws the same, in one go or in several, and no two workers the same."""

from typing import Any

import pytest

optuna = pytest.importorskip("optuna")
pytest.importorskip("torch")

from simulated import Simulated, objective_on, plan_for, settings_of  # noqa: E402 - after the skip

from edgefashion.data import Dataset  # noqa: E402
from edgefashion.records import Recipe  # noqa: E402
from edgefashion.tune.search import search  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

TRIALS = 14  # of which ten are random


def in_memory() -> Any:
    """A storage of its own."""
    return optuna.storages.InMemoryStorage()


@pytest.fixture(scope="module")
def in_one_go(sample: Dataset) -> list[dict[str, Any]]:
    """What is tried when nothing interrupts."""
    objective = objective_on(in_memory(), plan_for(sample), Simulated())
    search(objective, trials=TRIALS)
    return settings_of(objective.study)


def test_same_seed_same_trials(sample: Dataset, in_one_go: list[dict[str, Any]]) -> None:
    """One worker and one seed give the same trials again; another seed gives others."""
    again, other = (objective_on(in_memory(), plan_for(sample, seed=seed), Simulated()) for seed in (0, 1))
    search(again, trials=TRIALS)
    search(other, trials=2)
    assert in_one_go == settings_of(again.study)
    assert in_one_go[:2] != settings_of(other.study)
    assert len({tuple(each.values()) for each in in_one_go}) == TRIALS


def test_interrupted_study_tries_what_it_would_have_tried(sample: Dataset, in_one_go: list[dict[str, Any]]) -> None:
    """Stopped in the middle of trials, random and chosen ones, and taken up by new workers, a study stays the same."""
    storage, tools = in_memory(), Simulated()

    def stop(_: Recipe) -> None:
        if len(tools.trained) in (3, 13):
            raise KeyboardInterrupt

    tools.before = stop
    for _ in range(3):
        objective = objective_on(storage, plan_for(sample), tools)
        interrupted = search(objective, trials=TRIALS)
    assert not interrupted
    assert in_one_go == settings_of(objective.study)
    assert len(objective.study.get_trials()) == TRIALS + 2


def test_workers_do_not_draw_the_same(sample: Dataset) -> None:
    """Two workers that begin at the same moment with the same seed try different things."""
    storage = in_memory()
    one, other = (objective_on(storage, plan_for(sample), Simulated()) for _ in range(2))
    trials = [each.study.ask() for each in (one, other)]
    for objective, trial in zip((one, other), trials, strict=True):
        objective(trial)
    first, second = (each.params for each in trials)
    assert first != second
