"""Latency in the loop: measured by the bench, one worker at a time."""

import threading
import time
from pathlib import Path

import pytest

optuna = pytest.importorskip("optuna")
pytest.importorskip("torch")

from simulated import Listener, Simulated, objective_on, plan_for  # noqa: E402 - after the skip

from edgefashion.artifact import open_artifact  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.tune import turns  # noqa: E402
from edgefashion.tune.evaluate import measure_latency  # noqa: E402
from edgefashion.tune.search import search  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

MODEL = Path(__file__).parents[2] / "exported" / "seed-reference" / "fp32.onnx"


def test_latency_is_measured_by_the_bench(small: Dataset) -> None:
    """The median call of a real model in ONNX Runtime has an interval, and the machine a level of noise."""
    latency, noise = measure_latency(open_artifact(MODEL), small, budget_s=0.1)
    assert 0 < latency.low <= latency.value <= latency.high
    assert noise in {"quiet", "usable", "noisy", "invalid"}


def test_trainings_stand_still_while_another_worker_measures() -> None:
    """Whoever measures waits for work that cannot stand still; all that could disturb waits until it is done."""
    order: list[str] = []

    def measure() -> None:
        with turns.measuring():
            order.append("measuring")
            time.sleep(0.05)
            order.append("measured")

    other = threading.Thread(target=measure)
    with turns.working():
        other.start()
        time.sleep(0.05)
        order.append("worked")
    while "measuring" not in order:
        time.sleep(0.001)
    turns.give_way()
    order.append("trained on")
    other.join()
    assert order == ["worked", "measuring", "measured", "trained on"]


def test_steps_of_a_search_wait_for_a_measurement(sample: Dataset) -> None:
    """A training goes no further than its next step while somebody measures, and goes on afterwards."""
    tools = Simulated()
    objective = objective_on(optuna.storages.InMemoryStorage(), plan_for(sample), tools)
    worker = threading.Thread(target=search, args=[objective], kwargs={"trials": 1})
    listener = objective.progress
    assert isinstance(listener, Listener)
    with turns.measuring():
        worker.start()
        while not tools.trained:
            time.sleep(0.001)
        time.sleep(0.05)
        meanwhile = [*listener.said]
    worker.join()
    assert meanwhile == ["begun 0: simulated-0"]
    assert listener.said[1] == "epoch 0: 1"


def test_nobody_waits_for_nobody() -> None:
    """Giving way leaves no lock and no file descriptor behind, and two may work at once."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with turns.working(), turns.working():
        pass
    turns.give_way()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
