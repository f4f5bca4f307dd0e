"""What is measured when, and for how long: on simulated workers."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as configure
from hypothesis import strategies as st
from simulation import (
    MEASURED,
    STILL,
    Machine,
    SimulatedWorker,
    Simulation,
    Work,
    generations,
    measured,
    plan_for,
    simulation_of,
)

from edgefashion.bench.analyse import standings
from edgefashion.bench.schedule import Raw, choose, run_schedule

FOUR = ("reference", "one", "two", "copy")
GOOD = plan_for(FOUR)


# Order


def test_every_round_has_every_cell_in_an_order_of_its_own() -> None:
    """Six rounds a generation, each a permutation, not all the same; no cell is always early or late."""
    order = measured(GOOD, simulation_of(GOOD, STILL)).order
    rounds = [order[start : start + 4] for start in range(0, len(order), 4)]
    assert len(rounds) == 6 * 10
    assert all(set(FOUR) == set(each) for each in rounds)
    assert all(len({tuple(each) for each in rounds[start : start + 6]}) > 1 for start in range(0, 60, 6))
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


@pytest.mark.parametrize(
    ("launches", "scatter", "expected"),
    [((5, 5, 3, 5), (0.1, 0.1, 0.1, 0.1), "two"), ((5, 5, 5, 5), (0.1, 0.3, 0.1, 0.2), "one")],
    ids=["fewest launches", "widest interval"],
)
def test_what_fits_is_the_least_known(launches: tuple[int, ...], scatter: tuple[float, ...], expected: str) -> None:
    """With time for the reference and one more, that is the cell with the fewest launches, or the least precise."""
    known = zip(FOUR, launches, scatter, strict=True)
    medians = {label: {number: 1 + wide * (number % 2) for number in range(count)} for label, count, wide in known}
    raw = Raw(medians=medians, costs_s={label: [1.0] for label in FOUR})
    assert {"reference", expected} == set(choose(GOOD, raw, generation=5, left_s=2.5, free_bytes=float("inf")))


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


def test_what_is_reserved_is_left() -> None:
    """Twenty of sixty seconds are for what comes after, and no generation begins that would take of them."""
    simulation = simulation_of(GOOD, Machine(luck=0.1, drift=0.0))
    run_schedule(GOOD, simulation.tools(GOOD), lambda *_: None, started_s=0.0, reserve_s=20.0)
    assert 35 < simulation.clock.seconds() <= GOOD.budget_s - 20


def test_two_generations_run_whatever_the_budget() -> None:
    """Fewer would give no interval."""
    plan = msgspec.structs.replace(GOOD, budget_s=0.001)
    assert [set(FOUR)] * 2 == generations(measured(plan, simulation_of(plan, STILL)))


def test_workers_that_do_not_fit_into_memory_take_turns() -> None:
    """Once their sizes are known, at most three of four run together, always with the reference, until all have ten."""
    plan = msgspec.structs.replace(GOOD, budget_s=1e6)
    work = {label: Work(peak_bytes=100) for label in FOUR}
    raw = measured(plan, simulation_of(plan, STILL, work=work), free_bytes=lambda: 350 / 0.7)
    found = generations(raw)
    assert all(len(each) <= 3 and "reference" in each for each in found[1:])
    assert all(len(medians) >= 10 for medians in raw.medians.values())
