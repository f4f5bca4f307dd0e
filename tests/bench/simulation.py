"""A machine that does not exist: its clock, its moods, and the workers that run on it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, sqrt
from types import TracebackType
from typing import Self

import msgspec
import numpy as np

from edgefashion.bench.process.worker import Block, Ready
from edgefashion.bench.schedule import Raw, Tools, run_schedule
from edgefashion.records import ArtifactInfo, Cell, ColdStart, Memory, Placement, Plan, SessionSpec

_CANARY_S = 0.001
_TAIL = 1.5


@dataclass
class Clock:
    """Time that passes only when somebody lets it; called, it tells nanoseconds as `time.perf_counter_ns` does."""

    now_ns: int = 0

    def __call__(self) -> int:
        return self.now_ns

    def seconds(self) -> float:
        return self.now_ns / 1e9

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def call(self, durations_ns: Iterator[float]) -> Callable[[], None]:
        """A call that takes the next of `durations_ns` each time."""

        def call() -> None:
            self.now_ns += round(next(durations_ns))

        return call

    def curve(self, duration_ns: Callable[[float], float]) -> Callable[[], None]:
        """A call whose duration depends on the time, in seconds, at which it begins."""

        def call() -> None:
            self.now_ns += round(duration_ns(self.seconds()))

        return call


@dataclass(frozen=True)
class Machine:
    """How a machine disturbs what runs on it, on the scale of logarithms.

    Attributes:
        luck: Standard deviation between launches of one cell: nobody shares it.
        drift: Standard deviation of the machine's speed: everything that runs at the same time shares it.
        memory_s: Seconds in which the speed forgets 63 % of what it was, as in an AR(1) process.
        heating: By how much everything becomes slower with each second of blocks, until a start lets it cool.
        noise: Of calls within a launch: what they take beyond their shortest has Pareto's tail, without a variance.
        samples: Calls a block.
    """

    luck: float
    drift: float
    memory_s: float = 1.0
    heating: float = 0.0
    noise: float = 0.005
    samples: int = 10


# Launch medians of one cell scattered by 1.3 %, and 0.83 of the variance was shared by the copy beside it.
MEASURED = Machine(luck=0.013 * sqrt(0.17), drift=0.013 * sqrt(0.83))
# As if all of that had been luck, under a drift to match.
WILD = Machine(luck=0.013, drift=0.013 * sqrt(0.83 / 0.17))
# Nothing scatters, so everything is known precisely as soon as that may be said.
STILL = Machine(luck=0.0, drift=0.0, noise=0.0)


@dataclass(frozen=True)
class Work:
    """What a simulated cell does: how long a call takes, a start, and how much memory a worker needs at most."""

    call_ns: float = 1e5
    start_s: float = 0.5
    peak_bytes: int = 0


@dataclass
class Simulation:
    """A machine, the time on it, and its speed now.

    Attributes:
        machine: How it disturbs.
        work: What each cell does.
        seed: Of everything that is drawn.
        before_block: Is told the cell before each block; what it raises, the worker raises.
        clock: The time.
    """

    machine: Machine
    work: Mapping[str, Work]
    seed: int = 0
    before_block: Callable[[str], None] = lambda _: None
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self._drift = self.machine.drift * self.random.normal()
        self._heat = 0.0

    @property
    def slowness(self) -> float:
        """What everything takes longer now, as a factor."""
        return exp(self._drift + self._heat)

    def rest(self, seconds: float) -> None:
        """Let time pass in which little is done."""
        self._pass(seconds)
        self._heat = 0.0

    def toil(self, seconds: float) -> None:
        """Let time pass in a block."""
        self._pass(seconds)
        self._heat += self.machine.heating * seconds

    def start(self, label: str, *, block_s: float) -> "SimulatedWorker":
        self.rest(self.work[label].start_s)
        return SimulatedWorker(self, label, block_s)

    def canary(self) -> int:
        self._pass(_CANARY_S)
        return round(_CANARY_S * 1e9 * self.slowness)

    def _pass(self, seconds: float) -> None:
        kept = exp(-seconds / self.machine.memory_s)
        self._drift = kept * self._drift + sqrt(1 - kept**2) * self.machine.drift * self.random.normal()
        self.clock.sleep(seconds)

    def tools(self, plan: Plan, **changes: object) -> Tools:
        """What the schedule needs to run `plan` here; a run's order is drawn from its own seed."""
        tools = {
            "start": lambda label: self.start(label, block_s=plan.block_s),
            "canary": self.canary,
            "clock": self.clock.seconds,
        }
        return Tools(**tools | changes)  # type: ignore[arg-type]  # the fields are the tests' to replace


class SimulatedWorker:
    """A launch with its own luck."""

    cpus: Sequence[int] = (0,)

    def __init__(self, simulation: Simulation, label: str, block_s: float) -> None:
        self._simulation, self._label, self._block_s = simulation, label, block_s
        work = simulation.work[label]
        self._call_ns = work.call_ns * exp(simulation.machine.luck * simulation.random.normal())
        self.ready = msgspec.structs.replace(READY, memory=Memory(0, 0, work.peak_bytes, work.peak_bytes, True))

    def block(self) -> Block:
        simulation, machine = self._simulation, self._simulation.machine
        simulation.before_block(self._label)
        simulation.toil(self._block_s)
        noise = 1 + machine.noise * simulation.random.pareto(_TAIL, size=machine.samples)
        return Block(samples_ns=(self._call_ns * simulation.slowness * noise).astype(int).tolist(), switches=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to end."""


READY = Ready(
    threads_seen=1,
    cold=ColdStart(0.01, 0.1, 0.01, 0.001, 0.001),
    memory=Memory(0, 0, 0, 0, True),
    steady=True,
    warmup_calls=100,
    warmup_ns=[],
    calls_per_sample=1,
    placement=Placement(nodes={"cpu": 1}, source="simulated"),
)


def plan_for(labels: Sequence[str], **changes: object) -> Plan:
    """The settings of a real plan; the first label is the reference, the last one its duplicate."""
    info = ArtifactInfo("run", "fp32", "fp32.onnx", "0" * 64, 1, "float32", None)
    cells = [Cell(label, info, SessionSpec("simulated", "cpu"), batch=1, reference=labels[0]) for label in labels]
    plan = Plan(
        cells=cells,
        reference=labels[0],
        duplicate=labels[-1],
        budget_s=60.0,
        min_generations=10,
        max_generations=1000,
        rounds=6,
        block_s=0.03,
        precision=0.01,
        warmup_cap_s=1.0,
        seed=0,
    )
    return msgspec.structs.replace(plan, **changes)


def simulation_of(plan: Plan, machine: Machine, *, seed: int = 1, work: Mapping[str, Work] | None = None) -> Simulation:
    """A machine on which every cell of `plan` does the usual work, but for those in `work`."""
    return Simulation(machine, {cell.label: Work() for cell in plan.cells} | dict(work or {}), seed)


def measured(plan: Plan, simulation: Simulation, **tools: object) -> Raw:
    return run_schedule(plan, simulation.tools(plan, **tools), lambda *_: None, started_s=0.0)


def generations(raw: Raw) -> list[set[str]]:
    """The cells of each generation."""
    last = max(launch.generation for launch in raw.launches)
    return [{each.cell for each in raw.launches if each.generation == number} for number in range(last + 1)]
