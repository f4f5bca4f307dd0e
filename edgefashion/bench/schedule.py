"""The order of things: generations of launches, blocks interleaved at random, until the budget is spent."""

import random
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from edgefashion.bench.launch import Worker, WorkerFailed
from edgefashion.bench.worker import Job
from edgefashion.records import Failure, Launch, Plan

_MIN_GENERATIONS = 2

GenerationDone = Callable[[int, float, list[Launch]], None]


@dataclass
class Raw:
    """What the schedule collects: raw samples, their order, and the cells that failed."""

    launches: list[Launch] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    interrupted: bool = False


def run_schedule(plan: Plan, jobs: Mapping[str, Job], scratch: Path, done: GenerationDone) -> Raw:
    """Run generations until the next one would exceed the budget, two at least.

    Args:
        plan: What to measure.
        jobs: A worker's job for each cell label.
        scratch: A folder for the workers' stderr.
        done: Is told after each generation: its number, the seconds spent, and all launches so far.

    Returns:
        Everything that was measured; a cell whose worker failed is left out of the following generations. Ctrl-C
        ends measuring after the last whole generation; before the first it is raised.
    """
    shuffle = random.Random(plan.seed)  # noqa: S311 - a reproducible order, not a secret
    raw = Raw()
    alive = [cell.label for cell in plan.cells]
    started = time.monotonic()
    longest_s = 0.0
    try:
        for generation in range(plan.max_generations):
            spent_s = time.monotonic() - started
            if not alive or (generation >= _MIN_GENERATIONS and spent_s + longest_s > plan.budget_s):
                break
            with ExitStack() as stack:
                workers = _start(shuffle.sample(alive, len(alive)), jobs, scratch, stack, raw)
                blocks = _interleave(workers, plan.rounds, shuffle, raw)
                raw.launches += [_launch(label, generation, workers[label], blocks[label]) for label in blocks]
            alive = [label for label in alive if label in blocks]
            longest_s = max(longest_s, time.monotonic() - started - spent_s)
            done(generation + 1, time.monotonic() - started, raw.launches)
    except KeyboardInterrupt:
        if not raw.launches:
            raise
        raw.interrupted = True
    return raw


def _start(labels: list[str], jobs: Mapping[str, Job], scratch: Path, stack: ExitStack, raw: Raw) -> dict[str, Worker]:
    """One worker a label, each warmed up while the ones before it wait for commands."""
    workers: dict[str, Worker] = {}
    for number, label in enumerate(labels):
        try:
            workers[label] = stack.enter_context(Worker(jobs[label], scratch / f"worker-{number}.stderr"))
        except WorkerFailed as error:
            raw.failures.append(Failure(cell=label, reason=str(error)))
    return workers


def _interleave(
    workers: Mapping[str, Worker], rounds: int, shuffle: random.Random, raw: Raw
) -> dict[str, list[list[int]]]:
    """Blocks of every worker that answered all rounds; the order is drawn anew for each round."""
    blocks: dict[str, list[list[int]]] = {label: [] for label in workers}
    for _ in range(rounds):
        for label in shuffle.sample(list(blocks), len(blocks)):
            try:
                blocks[label].append(workers[label].block())
            except WorkerFailed as error:
                raw.failures.append(Failure(cell=label, reason=str(error)))
                del blocks[label]
            else:
                raw.order.append(label)
    return blocks


def _launch(label: str, generation: int, worker: Worker, blocks_ns: list[list[int]]) -> Launch:
    ready = worker.ready
    return Launch(
        cell=label,
        generation=generation,
        cpus=worker.cpus,
        threads_seen=ready.threads_seen,
        import_s=ready.import_s,
        session_s=ready.session_s,
        first_run_s=ready.first_run_s,
        steady=ready.steady,
        warmup_calls=ready.warmup_calls,
        peak_rss_bytes=ready.peak_rss_bytes,
        session_rss_bytes=ready.session_rss_bytes,
        blocks_ns=blocks_ns,
    )
