"""Plans and launches made by hand, so that statistics are tested on samples whose truth is known."""

from collections.abc import Callable, Sequence

import pytest

from edgefashion.records import ArtifactInfo, Cell, Launch, Plan, SessionSpec

LaunchMaker = Callable[..., Launch]


def make_cell(label: str, *, batch: int = 1) -> Cell:
    info = ArtifactInfo(
        name="run", variant=label, file=f"{label}.onnx", sha256="0" * 64, size_bytes=1, precision="float32", scheme=None
    )
    return Cell(label=label, artifact=info, session=SessionSpec("onnxruntime", "CPUExecutionProvider"), batch=batch)


def make_plan(labels: Sequence[str], *, budget_s: float = 1.0, rounds: int = 2) -> Plan:
    """The first label is the reference, the last one its duplicate."""
    return Plan(
        cells=[make_cell(label) for label in labels],
        reference=labels[0],
        duplicate=labels[-1],
        budget_s=budget_s,
        max_generations=5,
        rounds=rounds,
        block_s=0.001,
        seed=0,
    )


def make_launch(cell: str, generation: int, blocks_ns: Sequence[Sequence[int]], *, steady: bool = True) -> Launch:
    return Launch(
        cell=cell,
        generation=generation,
        cpus=[0],
        threads_seen=1,
        import_s=0.1,
        session_s=0.01,
        first_run_s=0.001,
        steady=steady,
        warmup_calls=100,
        peak_rss_bytes=1000 + generation,
        session_rss_bytes=10,
        blocks_ns=[list(block) for block in blocks_ns],
    )


@pytest.fixture
def plan_of() -> Callable[..., Plan]:
    """Make a plan of labels: the first is the reference, the last its duplicate."""
    return make_plan


@pytest.fixture
def launch_of() -> LaunchMaker:
    """Make a launch of raw samples."""
    return make_launch


@pytest.fixture
def cell_of() -> Callable[..., Cell]:
    """Make a cell."""
    return make_cell
