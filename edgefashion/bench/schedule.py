"""The order of things: generations of launches, blocks interleaved at random, until every cell is precise.

A generation is one launch of each chosen cell. All cells are chosen until they have had the least number of
generations; then only those whose intervals are still too wide, with what they are compared to. When the time left,
or the memory, does not hold all of them, those with the fewest launches come first, then the least precise.
"""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import mean

from edgefashion.bench.analyse import Medians, Standing, launch_medians, standings
from edgefashion.bench.process.launch import Launched, WorkerFailed
from edgefashion.bench.process.worker import Block
from edgefashion.records import Canary, Failure, Launch, Placement, Plan

# Fewer give no interval, so they run even if they exceed the budget.
_LEAST_GENERATIONS = 2
# What a launch costs when it comes again, over its mean so far.
_RESERVE = 1.1
_MEMORY_SHARE = 0.7

Shuffle = Callable[[Sequence[str]], list[str]]
Start = Callable[[str], Launched]


@dataclass(frozen=True)
class Tools:
    """What the schedule runs with; tests replace each of them by a simulated one.

    Attributes:
        start: Starts the worker of a cell.
        canary: Times a fixed amount of work, in nanoseconds.
        clock: Seconds, monotonic.
        free_bytes: Memory that workers may use now.
        shuffle: Draws an order; by default at random from the plan's seed.
    """

    start: Start
    canary: Callable[[], int]
    clock: Callable[[], float] = time.monotonic
    free_bytes: Callable[[], float] = lambda: float("inf")
    shuffle: Shuffle | None = None


@dataclass
class Raw:
    """What the schedule collects: raw samples, their order, and the cells that failed."""

    launches: list[Launch] = field(default_factory=list)
    canaries: list[Canary] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    placements: dict[str, Placement] = field(default_factory=dict)
    medians: dict[str, dict[int, float]] = field(default_factory=dict)
    costs_s: dict[str, list[float]] = field(default_factory=dict)
    peaks_bytes: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def failed(self) -> set[str]:
        """Labels of the cells that failed."""
        return {failure.cell for failure in self.failures}


GenerationDone = Callable[[int, float, Medians], None]


def run_schedule(
    plan: Plan,
    tools: Tools,
    done: GenerationDone,
    *,
    started_s: float,
    reserve_s: float = 0.0,
    failures: Sequence[Failure] = (),
) -> Raw:
    """Run generations until every cell is precise or the budget is spent; two at least.

    Args:
        plan: What to measure.
        tools: What to measure it with.
        done: Is told after each generation: its number, the seconds spent, and the medians so far.
        started_s: When the budget began, by the clock of `tools`.
        reserve_s: Seconds at the end of the budget that are for what comes after.
        failures: Cells that are known to fail, and are not started.

    Returns:
        Everything that was measured; a cell whose worker failed is left out of the following generations. Ctrl-C
        ends measuring after the last whole generation; before the first it is raised.
    """
    shuffle = tools.shuffle or _random_order(plan.seed)
    raw = Raw(failures=list(failures))
    try:
        for generation in range(plan.max_generations):
            left_s = plan.budget_s - reserve_s - (tools.clock() - started_s)
            labels = choose(plan, raw, generation=generation, left_s=left_s, free_bytes=tools.free_bytes())
            if not labels:
                break
            _run_generation(plan, tools, shuffle(labels), generation, raw, started_s=started_s, shuffle=shuffle)
            done(generation + 1, tools.clock() - started_s, raw.medians)
    except KeyboardInterrupt:
        if not raw.launches:
            raise
        raw.interrupted = True
    return raw


def choose(plan: Plan, raw: Raw, *, generation: int, left_s: float, free_bytes: float) -> list[str]:
    """The cells of the next generation; none when all are precise or the time left holds no comparison."""
    failed = raw.failed
    alive = [cell for cell in plan.cells if cell.label not in failed]
    known = {standing.label: standing for standing in standings(plan, raw.medians)}
    wanted = [cell for cell in alive if not _is_enough(plan, known[cell.label])]
    must_run = generation < _LEAST_GENERATIONS
    chosen: list[str] = []
    for cell in sorted(wanted, key=lambda cell: (known[cell.label].launches, -known[cell.label].half_width)):
        together = [label for label in (cell.reference, cell.label) if label not in failed]
        larger = list(dict.fromkeys((*chosen, *together)))
        fits_time = must_run or sum(_cost_s(raw, label) for label in larger) <= left_s
        fits_memory = not chosen or sum(raw.peaks_bytes.get(label, 0) for label in larger) <= _MEMORY_SHARE * free_bytes
        if fits_time and fits_memory:
            chosen = larger
    return chosen


def _is_enough(plan: Plan, standing: Standing) -> bool:
    return standing.launches >= plan.min_generations and standing.half_width <= plan.precision


def _cost_s(raw: Raw, label: str) -> float:
    known = raw.costs_s.get(label)
    return _RESERVE * mean(known) if known else 0.0


def _random_order(seed: int) -> Shuffle:
    draw = random.Random(seed)  # noqa: S311 - a reproducible order, not a secret
    return lambda labels: draw.sample(labels, len(labels))


def _run_generation(
    plan: Plan, tools: Tools, labels: list[str], generation: int, raw: Raw, *, started_s: float, shuffle: Shuffle
) -> None:
    begun_s = {}
    spent_s = dict.fromkeys(labels, 0.0)
    free_bytes = tools.free_bytes()
    with ExitStack() as stack:
        workers: dict[str, Launched] = {}
        for label in labels:
            if workers and label not in raw.peaks_bytes and tools.free_bytes() < (1 - _MEMORY_SHARE) * free_bytes:
                continue  # nobody knows yet how much it takes: it comes first in the next generation
            begun_s[label] = tools.clock()
            try:
                workers[label] = stack.enter_context(tools.start(label))
            except WorkerFailed as error:
                raw.failures.append(Failure(cell=label, reason=str(error)))
            spent_s[label] = tools.clock() - begun_s[label]
        blocks: dict[str, list[Block]] = {label: [] for label in workers}
        spins_ns: list[int] = []
        canary_s = tools.clock() - started_s
        for _ in range(plan.rounds):
            spins_ns.append(tools.canary())
            for label in shuffle(list(blocks)):
                before_s = tools.clock()
                try:
                    blocks[label].append(workers[label].block())
                except WorkerFailed as error:
                    raw.failures.append(Failure(cell=label, reason=str(error)))
                    del blocks[label]
                    continue
                spent_s[label] += tools.clock() - before_s
                raw.order.append(label)
        launches = [
            _launch(label, generation, workers[label], blocks[label], started_s=begun_s[label] - started_s)
            for label in blocks
        ]
        for label in blocks:
            raw.placements[label] = workers[label].ready.placement or raw.placements[label]
    raw.canaries.append(Canary(generation=generation, started_s=canary_s, spins_ns=spins_ns))
    raw.launches += launches
    for launch in launches:
        raw.costs_s.setdefault(launch.cell, []).append(spent_s[launch.cell])
        peak_bytes = max(launch.memory.session_peak_bytes, launch.memory.run_peak_bytes)
        raw.peaks_bytes[launch.cell] = max(raw.peaks_bytes.get(launch.cell, 0), peak_bytes)
    for label, medians in launch_medians(plan, launches).items():
        raw.medians.setdefault(label, {}).update(medians)


def _launch(label: str, generation: int, worker: Launched, blocks: list[Block], *, started_s: float) -> Launch:
    ready = worker.ready
    return Launch(
        cell=label,
        generation=generation,
        started_s=started_s,
        cpus=worker.cpus,
        threads_seen=ready.threads_seen,
        cold=ready.cold,
        memory=ready.memory,
        steady=ready.steady,
        warmup_calls=ready.warmup_calls,
        warmup_ns=ready.warmup_ns,
        calls_per_sample=ready.calls_per_sample,
        blocks_ns=[block.samples_ns for block in blocks],
        switches=[block.switches for block in blocks],
    )
