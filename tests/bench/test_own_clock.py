"""Sessions that bring the clock that their calls are timed with."""

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefashion.bench.process import worker
from edgefashion.bench.process.sampling import warm_up
from edgefashion.bench.process.worker import Job
from edgefashion.files import sha256
from edgefashion.records import SessionSpec

STEP_NS = 100_000  # of a browser's clock


class CoarseClock:
    """Time that only calls take, read in steps."""

    def __init__(self, call_ns: int) -> None:
        self.call_ns = call_ns
        self.now_ns = 0

    def call(self) -> None:
        """Take time."""
        self.now_ns += self.call_ns

    def read(self) -> int:
        """The time, rounded down to a step."""
        return self.now_ns // STEP_NS * STEP_NS


@pytest.mark.parametrize("call_ns", [5_000, 40_000, 400_000, 30_000_000])
def test_coarse_clock_gets_long_samples(call_ns: int) -> None:
    """However short a call is beside the clock's step, as many are timed together as make the shortest sample."""
    clock = CoarseClock(call_ns)
    warm = warm_up([clock.call], cap_s=20.0, clock=clock.read, shortest_sample_ns=100 * STEP_NS)
    assert warm.steady
    assert warm.calls_per_sample == pytest.approx(max(1, 100 * STEP_NS / call_ns), rel=0.02)


def test_coarse_clock_does_not_ask_for_endless_samples() -> None:
    """Calls that the clock cannot see do not make the first samples longer than a hundred steps' worth of calls."""
    clock = CoarseClock(1_000)
    warm = warm_up([clock.call], cap_s=0.01, clock=clock.read, shortest_sample_ns=100 * STEP_NS)
    assert warm.calls < 100_000


class Elsewhere:
    """A session that makes its calls when its clock is read; each takes a virtual millisecond."""

    shortest_sample_ns = 5_000_000

    def __init__(self) -> None:
        self.inputs: list[Any] = []
        self.due = self.made = 0

    def run(self, images: Any) -> Any:
        """The first pixel of each picture, for every class."""
        return images[:, 0, :10].astype(np.float32)

    def bind(self, images: Any) -> Any:  # noqa: ARG002 - the calls are counted, whatever they are made on
        """A call that is put off."""

        def call() -> None:
            self.due += 1

        return call

    def clock(self) -> int:
        """Make what is due."""
        self.made, self.due = self.made + self.due, 0
        return self.made * 1_000_000

    @property
    def placement(self) -> None:
        """Nobody asks."""


@pytest.mark.skipif(sys.platform != "linux", reason="the other figures of a worker are read from /proc")
def test_worker_times_with_the_session_s_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker warms up and times its blocks with the clock that the session brings, however long that really takes."""
    session = Elsewhere()
    monkeypatch.setattr("edgefashion.runtimes.open_session", lambda *_: session)
    model = Path(__file__).parents[2] / "exported" / "seed-reference" / "fp32.onnx"
    np.save(tmp_path / "inputs.npy", np.zeros((2, 1, 28, 28), np.uint8))
    job = Job(
        artifact=str(model),
        sha256=sha256(model.read_bytes()),
        session=SessionSpec("onnxruntime", "CPUExecutionProvider"),
        naive=False,
        cpus=list(range(1024)),
        inputs=str(tmp_path / "inputs.npy"),
        outputs=str(tmp_path / "outputs.npy"),
        batch=1,
        seed=0,
        block_s=0.1,
        paced_s=None,
        warmup_cap_s=3.0,
        memory_limit_bytes=None,
        spawned_ns=0,
    )
    calls, ready, clock = worker.prepare(job, 0)
    assert ready.steady
    assert ready.calls_per_sample == 5
    before = session.made
    samples = [clock() for _ in itertools.repeat(None, 2)]
    assert samples[0] == samples[1]
    block = worker._block(calls, job, ready.calls_per_sample, clock)
    assert {5_000_000} == set(block.samples_ns)
    assert session.made - before == 20 + 5 * len(block.samples_ns)
    assert len(block.samples_ns) == 20
