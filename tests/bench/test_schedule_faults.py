"""What becomes of a measurement when something goes wrong: on simulated workers."""

from collections import Counter
from collections.abc import Callable
from typing import Self

import pytest
from simulation import STILL, SimulatedWorker, Simulation, generations, measured, plan_for, simulation_of

from edgefashion.bench.process.launch import WorkerFailed
from edgefashion.bench.schedule import run_schedule
from edgefashion.records import Failure

FOUR = ("reference", "one", "two", "copy")
GOOD = plan_for(FOUR)


def fault(label: str, number: int, error: BaseException) -> Callable[[str], None]:
    """An error in the block of that number, counted from 1 over all launches of the cell."""
    blocks = Counter[str]()

    def before_block(asked: str) -> None:
        blocks[asked] += 1
        if blocks[label] == number and asked == label:
            raise error

    return before_block


def broken(label: str, number: int, error: BaseException) -> Simulation:
    simulation = simulation_of(GOOD, STILL)
    simulation.before_block = fault(label, number, error)
    return simulation


def test_a_worker_that_breaks_becomes_a_failure_and_the_rest_goes_on() -> None:
    """Broken in its third launch it keeps two, is not started again, and all others get their ten."""
    raw = measured(GOOD, broken("one", 2 * 6 + 3, WorkerFailed("it broke")))
    assert [Failure(cell="one", reason="it broke")] == raw.failures
    assert Counter(each.cell for each in raw.launches) == {"reference": 10, "one": 2, "two": 10, "copy": 10}
    assert all(len(launch.blocks_ns) == 6 for launch in raw.launches)


def test_a_worker_that_does_not_start_becomes_a_failure() -> None:
    """At its first launch, so that nothing is known of it but the reason."""
    simulation = simulation_of(GOOD, STILL)

    def start(label: str) -> SimulatedWorker:
        if label == "two":
            raise WorkerFailed("it answers wrongly")
        return simulation.start(label, block_s=GOOD.block_s)

    raw = measured(GOOD, simulation, start=start)
    assert [Failure(cell="two", reason="it answers wrongly")] == raw.failures
    assert Counter(each.cell for each in raw.launches) == {"reference": 10, "one": 10, "copy": 10}


def test_a_cell_that_is_known_to_fail_is_not_started() -> None:
    """Its reason is kept, and the others are measured."""
    known = [Failure(cell="two", reason="it cannot be opened")]
    simulation = simulation_of(GOOD, STILL)
    raw = run_schedule(GOOD, simulation.tools(GOOD), lambda *_: None, started_s=0.0, failures=known)
    assert known == raw.failures
    assert {"reference", "one", "copy"} == {launch.cell for launch in raw.launches}


def test_without_its_reference_a_cell_is_still_measured() -> None:
    """The reference fails first of all: the others have medians, and the run ends with its budget."""
    simulation = broken("reference", 1, WorkerFailed("it broke"))
    raw = measured(GOOD, simulation)
    assert {"one", "two", "copy"} == raw.medians.keys()
    assert simulation.clock.seconds() <= GOOD.budget_s + 1


def test_all_workers_broken_is_the_end() -> None:
    """Nothing is left to measure: no launch, a failure for each, and no endless loop."""
    simulation = simulation_of(GOOD, STILL)

    def start(label: str) -> SimulatedWorker:
        raise WorkerFailed(f"no {label}")

    raw = measured(GOOD, simulation, start=start)
    assert raw.launches == []
    assert {f"no {label}" for label in FOUR} == {failure.reason for failure in raw.failures}


def test_ctrl_c_keeps_whole_generations() -> None:
    """Pressed in the fourth generation, the first three are kept and marked as cut short."""
    raw = measured(GOOD, broken("two", 3 * 6 + 2, KeyboardInterrupt()))
    assert raw.interrupted
    assert [set(FOUR)] * 3 == generations(raw)
    assert len(raw.canaries) == 3
    assert {0, 1, 2} == raw.medians["one"].keys()


def test_ctrl_c_before_anything_is_known_ends_the_program() -> None:
    """In the first generation there is nothing to report."""
    with pytest.raises(KeyboardInterrupt):
        measured(GOOD, broken("two", 2, KeyboardInterrupt()))


def test_every_worker_is_ended() -> None:
    """Each context that was entered is left, in whole generations and broken ones."""
    living: set[SimulatedWorker] = set()

    class Mortal(SimulatedWorker):
        def __enter__(self) -> Self:
            living.add(self)
            return self

        def __exit__(self, *_: object) -> None:
            living.remove(self)

    simulation = broken("two", 3 * 6 + 2, KeyboardInterrupt())
    measured(GOOD, simulation, start=lambda label: Mortal(simulation, label, GOOD.block_s))
    assert set() == living


def test_someone_watching_hears_of_each_generation() -> None:
    """Its number from 1, the time spent, and the medians so far."""
    heard: list[tuple[int, float, int]] = []
    simulation = simulation_of(GOOD, STILL)
    run_schedule(
        GOOD,
        simulation.tools(GOOD),
        lambda number, spent_s, medians: heard.append((number, spent_s, len(medians["one"]))),
        started_s=0.0,
    )
    assert [(number, number) for number in range(1, 11)] == [(number, known) for number, _, known in heard]
    assert simulation.clock.seconds() == pytest.approx(heard[-1][1])
