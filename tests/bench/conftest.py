"""Plans, launches and models made by hand, so that statistics are tested on samples whose truth is known."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
import pytest

from edgefashion.artifact import Artifact, open_artifact
from edgefashion.bench import analyse
from edgefashion.bench.process.worker import Job
from edgefashion.data import Dataset
from edgefashion.environment import usable_cpus
from edgefashion.records import (
    ArtifactInfo,
    Cell,
    CellResult,
    ColdStart,
    Comparison,
    Interval,
    Launch,
    Manifest,
    Memory,
    Placement,
    Plan,
    SessionSpec,
)
from edgefashion.runtimes import default_spec, open_session
from edgefashion.subjects import open_model

LaunchMaker = Callable[..., Launch]


def make_cell(label: str, *, reference: str = "ref", batch: int = 1, **changes: object) -> Cell:
    info = ArtifactInfo(
        name="run", variant=label, file=f"{label}.onnx", sha256="0" * 64, size_bytes=1, precision="float32", scheme=None
    )
    cell = Cell(
        label=label,
        artifact=info,
        session=SessionSpec("onnxruntime", "CPUExecutionProvider"),
        batch=batch,
        reference=reference,
    )
    return msgspec.structs.replace(cell, **changes)


def make_plan(labels: Sequence[str], *, budget_s: float = 1.0, rounds: int = 2, min_generations: int = 2) -> Plan:
    """The first label is the reference, the last one its duplicate."""
    cells = [make_cell(label, reference=labels[0]) for label in labels]
    cells[-1] = msgspec.structs.replace(cells[-1], role="duplicate")
    return Plan(
        cells=cells,
        reference=labels[0],
        duplicate=labels[-1],
        budget_s=budget_s,
        min_generations=min_generations,
        max_generations=5,
        rounds=rounds,
        block_s=0.001,
        precision=0.01,
        warmup_cap_s=0.1,
        seed=0,
    )


def make_launch(cell: str, generation: int, blocks_ns: Sequence[Sequence[int]], **changes: object) -> Launch:
    launch = Launch(
        cell=cell,
        generation=generation,
        started_s=float(generation),
        cpus=[0],
        threads_seen=1,
        cold=ColdStart(spawn_s=0.01, import_s=0.1, session_s=0.01, first_run_s=0.001, second_run_s=0.0001),
        memory=Memory(
            imported_bytes=5000,
            model_bytes=10,
            session_peak_bytes=5100,
            run_peak_bytes=1000 + generation,
            phases_apart=True,
        ),
        steady=True,
        warmup_calls=100,
        warmup_ns=[1000] * 40,
        calls_per_sample=1,
        blocks_ns=[list(block) for block in blocks_ns],
        switches=[0] * len(blocks_ns),
    )
    return msgspec.structs.replace(launch, **changes)


def make_comparison(value: float, low: float, high: float) -> Comparison:
    return Comparison(ratio=Interval(value, low, high), hodges_lehmann=value, wilcoxon_p=0.5)


def make_result(cell: str, launches: Sequence[Launch], **changes: object) -> CellResult:
    result = CellResult(
        cell=cell,
        launches=len(launches),
        calls=analyse.count_calls(launches),
        blocks=sum(len(launch.blocks_ns) for launch in launches),
        disturbed_blocks=0,
        latency=analyse.latency(launches),
        throughput_per_s=analyse.throughput_per_s(launches, batch=1),
        comparison=None,
        rank="reference",
        labels=[],
        quality=None,
        decisions=b"",
        placement=Placement(nodes={"CPUExecutionProvider": 24}, source="by hand"),
        startup=analyse.startup(launches),
        model_bytes=10,
        peak_bytes=5100,
        energy=None,
    )
    return msgspec.structs.replace(result, **changes)


@pytest.fixture(scope="session")
def plan_of() -> Callable[..., Plan]:
    """Make a plan of labels: the first is the reference, the last its duplicate."""
    return make_plan


@pytest.fixture(scope="session")
def launch_of() -> LaunchMaker:
    """Make a launch of raw samples."""
    return make_launch


@pytest.fixture(scope="session")
def cell_of() -> Callable[..., Cell]:
    """Make a cell."""
    return make_cell


@pytest.fixture(scope="session")
def comparison_of() -> Callable[..., Comparison]:
    """Make a comparison from the value, the lower and the upper end of its ratio."""
    return make_comparison


@pytest.fixture(scope="session")
def result_of() -> Callable[..., CellResult]:
    """Make the result of a cell from its launches."""
    return make_result


@pytest.fixture(scope="session")
def onnx() -> ModuleType:
    """The library that makes foreign models."""
    found: ModuleType = pytest.importorskip("onnx")
    return found


@pytest.fixture
def foreign(onnx: ModuleType, tmp_path: Path) -> Callable[..., Path]:
    """Write an ONNX model that knows nothing of edgefashion: it hands each of its inputs through.

    Inputs are given as (type, shape) pairs, the type by its name in `onnx.TensorProto`.
    """

    def write(name: str, *inputs: tuple[str, Sequence[int | str]], operator: str = "Identity") -> Path:
        helper = onnx.helper
        given, made, nodes = [], [], []
        for number, (kind, shape) in enumerate(inputs):
            element = getattr(onnx.TensorProto, kind)
            given.append(helper.make_tensor_value_info(f"x{number}", element, shape))
            made.append(helper.make_tensor_value_info(f"y{number}", element, shape))
            nodes.append(helper.make_node(operator, [f"x{number}"], [f"y{number}"]))
        graph = helper.make_graph(nodes, "foreign", given, made)
        path = tmp_path / name
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
        return path

    return write


@pytest.fixture(scope="session")
def committed() -> Artifact:
    """The float32 model of the run that is part of the repository: it needs no torch and no training."""
    return open_artifact(Path(__file__).parents[2] / "exported" / "seed-reference" / "fp32.onnx")


@pytest.fixture
def job(committed: Artifact, sample: Dataset, tmp_path: Path) -> Job:
    """A sound worker's job, for a model whose answers are known."""
    inputs = sample.test.pixels[:16].reshape(16, 1, 28, 28)
    with open_session(committed, default_spec(committed)) as session:
        outputs = np.stack([session.run(batch) for batch in inputs])
    np.save(tmp_path / "inputs.npy", inputs)
    np.save(tmp_path / "outputs.npy", outputs)
    return Job(
        artifact=str(committed.path),
        sha256=committed.sha256,
        session=default_spec(committed),
        naive=False,
        cpus=usable_cpus()[-1:],
        inputs=str(tmp_path / "inputs.npy"),
        outputs=str(tmp_path / "outputs.npy"),
        batch=1,
        seed=0,
        block_s=0.005,
        paced_s=None,
        warmup_cap_s=0.3,
        memory_limit_bytes=None,
        spawned_ns=0,
    )


@pytest.fixture
def foreign_job(job: Job, tmp_path: Path) -> Callable[[Path], Job]:
    """A job for a model of which nothing is known: its inputs are made, and its first answers are kept."""
    (tmp_path / "foreign").mkdir()

    def make(path: Path) -> Job:
        return msgspec.structs.replace(
            job,
            artifact=str(path),
            sha256=open_model(path).sha256,
            inputs=None,
            outputs=str(tmp_path / "foreign" / "outputs.npy"),
        )

    return make


@pytest.fixture(scope="session")
def artifact(manifest: Manifest) -> Callable[..., Artifact]:
    """Make an artifact of a variant; of which only its manifest and its digest may be looked at."""

    def make(variant: str, content: bytes = b"", **changes: object) -> Artifact:
        kind = "safetensors" if variant == "pytorch" else "onnx"
        suffix = ".safetensors" if variant == "pytorch" else ".onnx"
        own = msgspec.structs.replace(manifest, variant=variant, format=kind, **changes)
        return Artifact(Path(variant + suffix), own, content or variant.encode())

    return make
