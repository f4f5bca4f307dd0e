"""What is measured when, for how long, and what becomes of it when something goes wrong: on simulated workers."""

from collections import Counter
from collections.abc import Callable
from typing import Self

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as configure
from hypothesis import strategies as st
from simulation import MEASURED, Machine, SimulatedWorker, Simulation, Work, plan_for

from edgefashion.bench.analyse import standings
from edgefashion.bench.launch import WorkerFailed
from edgefashion.bench.schedule import Raw, run_schedule
from edgefashion.records import Failure, Plan

FOUR = ("reference", "one", "two", "copy")
GOOD = plan_for(FOUR)
# Nothing scatters, so everything is known precisely as soon as that may be said.
STILL = Machine(luck=0.0, drift=0.0, noise=0.0)


def simulation_of(plan: Plan, machine: Machine, **work: Work) -> Simulation:
    return Simulation(machine, {cell.label: work.get(cell.label, Work()) for cell in plan.cells}, seed=1)


def measured(plan: Plan, simulation: Simulation, **tools: object) -> Raw:
    return run_schedule(plan, simulation.tools(plan, **tools), lambda *_: None, started_s=0.0)


def generations(raw: Raw) -> list[set[str]]:
    """The cells of each generation."""
    last = max(launch.generation for launch in raw.launches)
    return [{each.cell for each in raw.launches if each.generation == number} for number in range(last + 1)]


# Order


def test_every_round_has_every_cell_in_an_order_of_its_own() -> None:
    """Six rounds a generation, each a permutation; over ten generations no cell is always early or late."""
    order = measured(GOOD, simulation_of(GOOD, STILL)).order
    rounds = [order[start : start + 4] for start in range(0, len(order), 4)]
    assert len(rounds) == 6 * 10
    assert all(set(FOUR) == set(each) for each in rounds)
    for label in FOUR:
        assert {0, 1, 2, 3} == {each.index(label) for each in rounds}


def test_workers_start_in_an_order_of_their_own() -> None:
    """Each generation draws the order of its launches anew."""
    raw = measured(GOOD, simulation_of(GOOD, STILL))
    starts = [sorted(FOUR, key=lambda label: _started_s(raw, label, number)) for number in range(10)]
    assert len({tuple(each) for each in starts}) > 5


def _started_s(raw: Raw, label: str, generation: int) -> float:
    return next(each.started_s for each in raw.launches if (each.cell, each.generation) == (label, generation))


def test_the_seed_decides_the_order() -> None:
    """The same seed gives the same order, another one another."""
    same, again, other = (
        measured(plan, simulation_of(plan, STILL)).order
        for plan in (GOOD, GOOD, msgspec.structs.replace(GOOD, seed=GOOD.seed + 1))
    )
    assert same == again
    assert same != other


def test_the_canary_sings_in_every_round() -> None:
    """Six spins a generation, and what it hears is the machine's speed."""
    canaries = measured(GOOD, simulation_of(GOOD, STILL)).canaries
    assert list(range(10)) == [canary.generation for canary in canaries]
    assert all(canary.spins_ns == [1_000_000] * 6 for canary in canaries)


# When it is enough


def test_precise_cells_stop_after_ten_generations() -> None:
    """Where nothing scatters, nothing is measured an eleventh time, however large the budget."""
    plan = msgspec.structs.replace(GOOD, budget_s=1e6)
    assert Counter(dict.fromkeys(FOUR, 10)) == Counter(
        each.cell for each in measured(plan, simulation_of(plan, STILL)).launches
    )


def test_only_imprecise_cells_go_on_and_with_them_their_reference() -> None:
    """One cell that scatters gets the rest of the budget, always beside the reference; the others are done."""
    simulation = simulation_of(GOOD, STILL)

    def start(label: str) -> SimulatedWorker:
        simulation.machine = Machine(luck=0.05, drift=0.0) if label == "one" else STILL
        return simulation.start(label, block_s=GOOD.block_s)

    found = generations(measured(GOOD, simulation, start=start))
    assert [set(FOUR)] * 10 == found[:10]
    assert len(found) > 15
    assert all({"reference", "one"} == each for each in found[10:])


def test_every_cell_is_precise_or_the_budget_is_spent() -> None:
    """A run that ends before its budget knows each interval to the precision asked for."""
    plan = msgspec.structs.replace(GOOD, budget_s=1e6)
    raw = measured(plan, simulation_of(plan, MEASURED))
    assert all(each.half_width <= plan.precision for each in standings(plan, raw.medians))


cells = st.lists(st.floats(0.05, 3.0), min_size=2, max_size=8)


@given(starts_s=cells, budget_s=st.floats(0.1, 100.0), scatter=st.sampled_from([0.0, 0.1]))
@configure(max_examples=40)
def test_the_budget_is_kept(starts_s: list[float], budget_s: float, scatter: float) -> None:
    """Beyond two generations no launch begins that does not fit, and what is left would hold no comparison."""
    plan = plan_for([f"cell {number}" for number in range(len(starts_s))], budget_s=budget_s)
    work = {cell.label: Work(start_s=start_s) for cell, start_s in zip(plan.cells, starts_s, strict=True)}
    simulation = Simulation(Machine(luck=scatter, drift=0.0), work)
    raw = measured(plan, simulation)
    found = generations(raw)
    canaries_s = 0.006 * len(found)
    if len(found) > 2:
        assert simulation.clock.seconds() <= budget_s + canaries_s
    if any(each.half_width > plan.precision for each in standings(plan, raw.medians)):
        costs_s = {label: work[label].start_s + 6 * plan.block_s for label in work}
        reference_s = costs_s.pop(plan.reference)
        left_s = budget_s - simulation.clock.seconds()
        assert left_s <= 1.1 * (reference_s + max(costs_s.values())) + canaries_s


def test_the_last_generation_holds_what_fits() -> None:
    """With time for two cells and not for four, the reference and one more are measured once again."""
    plan = msgspec.structs.replace(GOOD, budget_s=4 * 0.686 * 5 + 2.0)
    found = generations(measured(plan, simulation_of(plan, Machine(luck=0.1, drift=0.0))))
    assert [len(each) for each in found] == [4, 4, 4, 4, 4, 2]
    assert "reference" in found[-1]


def test_launches_that_become_slower_cost_one_error_of_the_estimate() -> None:
    """Launches twice as long as before overrun the budget by no more than one generation was underestimated."""
    plan = msgspec.structs.replace(GOOD, budget_s=20.0)
    simulation = simulation_of(plan, Machine(luck=0.1, drift=0.0))

    def start(label: str) -> SimulatedWorker:
        if simulation.clock.seconds() > 15:
            simulation.rest(0.7)
        return simulation.start(label, block_s=plan.block_s)

    measured(plan, simulation, start=start)
    assert simulation.clock.seconds() <= plan.budget_s + 4 * 0.7


def test_two_generations_run_whatever_the_budget() -> None:
    """Fewer would give no interval."""
    plan = msgspec.structs.replace(GOOD, budget_s=0.001)
    assert [set(FOUR)] * 2 == generations(measured(plan, simulation_of(plan, STILL)))


def test_workers_that_do_not_fit_into_memory_take_turns() -> None:
    """Once their sizes are known, at most three of four run together, each time with the reference, until all have ten."""
    plan = msgspec.structs.replace(GOOD, budget_s=1e6)
    work = {label: Work(peak_bytes=100) for label in FOUR}
    raw = measured(plan, simulation_of(plan, STILL, **work), free_bytes=lambda: 350 / 0.7)
    found = generations(raw)
    assert all(len(each) <= 3 and "reference" in each for each in found[1:])
    assert all(len(medians) >= 10 for medians in raw.medians.values())


# When something goes wrong


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
