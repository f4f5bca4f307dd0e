"""ExecuTorch as a runtime: answers, memory that it does not copy, its one pool of threads, and what it refuses."""

import dataclasses
import subprocess
import sys
import types
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from edgefashion import models  # noqa: E402 - after the skip
from edgefashion.artifact import Artifact, from_content, open_artifact, stamp_checkpoint  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, NotAvailable, UsageError  # noqa: E402
from edgefashion.export import convert  # noqa: E402
from edgefashion.export.executorch import MAX_BATCH  # noqa: E402
from edgefashion.models.checkpoint import weights_of  # noqa: E402
from edgefashion.records import Architecture, Manifest, SessionSpec  # noqa: E402
from edgefashion.runtimes import executorch as runtime  # noqa: E402
from edgefashion.runtimes import open_session  # noqa: E402
from edgefashion.runtimes.executorch import ExecutorchSession  # noqa: E402
from edgefashion.runtimes.pte import Operators, count_operators  # noqa: E402

needs_executorch = pytest.mark.skipif(find_spec("executorch") is None, reason=f"needs executorch: {runtime.REMEDY}")
CPU = SessionSpec("executorch", "cpu")


@pytest.fixture(scope="module")
def delegated() -> list[int]:
    """Operators of each graph that XNNPACK was given while the program was made, as its exporter counts them."""
    return []


@pytest.fixture(scope="module")
def checkpoint(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """An untrained network with one layer of each kind: most of the time that a conversion takes is by the layer."""
    small = Architecture("seed", {"widths": [4], "hidden": 8})
    torch.manual_seed(0)
    model = models.build(
        small, image_shape=(28, 28), classes=len(manifest.labels), preprocessing=manifest.preprocessing
    )
    content = stamp_checkpoint(weights_of(model), msgspec.structs.replace(manifest, architecture=small))
    return from_content(content, tmp_path_factory.mktemp("untrained") / "checkpoint.safetensors")


@pytest.fixture(scope="module")
def program(checkpoint: Artifact, sample: Dataset, delegated: list[int]) -> Artifact:
    """The checkpoint as a program of ExecuTorch."""
    pytest.importorskip("executorch", reason=f"needs executorch: {runtime.REMEDY}")
    from executorch.backends.xnnpack import xnnpack_preprocess

    write = xnnpack_preprocess.serialize_xnnpack_binary

    def counted(graph: Any, *arguments: Any) -> Any:
        delegated.append(len(graph.xnodes))
        return write(graph, *arguments)

    few = dataclasses.replace(sample, test=sample.test.take(np.arange(30)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xnnpack_preprocess, "serialize_xnnpack_binary", counted)
        return open_artifact(convert("executorch", checkpoint, few)[0].path)


@pytest.fixture
def session(program: Artifact) -> Iterator[ExecutorchSession]:
    """An open session on one thread."""
    with runtime.open_session(program, CPU) as opened:
        yield opened


def last_answer(session: ExecutorchSession) -> np.ndarray:
    """What the program's output holds."""
    return np.asarray(session._method.get_outputs()[0].numpy())


def test_answers_like_pytorch(session: ExecutorchSession, checkpoint: Artifact, sample: Dataset) -> None:
    """Logits are PyTorch's up to the order of sums, also of more pictures than the program's memory is planned for."""
    pixels = sample.test.pixels[: 2 * MAX_BATCH + 5]
    with open_session(checkpoint, SessionSpec("pytorch", "cpu")) as reference:
        expected = reference.run(pixels)
    np.testing.assert_allclose(expected, session.run(pixels), atol=1e-4)
    np.testing.assert_allclose(
        expected, np.concatenate([session.run(pixels[i : i + 1]) for i in range(len(pixels))]), atol=1e-4
    )


def test_whole_batches(session: ExecutorchSession) -> None:
    """The program takes as many pictures a call as the converter says: an example of few would have limited it."""
    assert session._capacity == MAX_BATCH


def test_bound_calls_do_not_disturb_one_another(session: ExecutorchSession, sample: Dataset) -> None:
    """Each bound call computes its own pictures, in any order, and nothing before it is called."""
    inputs = [sample.test.pixels[:1], sample.test.pixels[1:2], sample.test.pixels[2:7]]
    expected = [session.run(pixels) for pixels in inputs]
    calls = [session.bind(pixels) for pixels in inputs]
    np.testing.assert_array_equal(expected[2], last_answer(session))
    for index in (0, 1, 0, 2, 1, 2, 0):
        calls[index]()
        np.testing.assert_array_equal(expected[index], last_answer(session))


def test_bound_call_of_many_pictures(
    session: ExecutorchSession, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound call on more pictures than one call takes runs all of them."""
    pixels = sample.test.pixels[: MAX_BATCH + 3]
    executed: list[Any] = []
    execute = session._execute
    monkeypatch.setattr(session, "_execute", lambda part: executed.append(part) or execute(part))
    session.bind(pixels)()
    np.testing.assert_array_equal(pixels, np.concatenate(executed))
    np.testing.assert_array_equal(session.run(pixels[-3:]), last_answer(session))


def test_answers_stay(session: ExecutorchSession, sample: Dataset) -> None:
    """Logits that were handed out do not change when the program runs again."""
    logits = session.run(sample.test.pixels[:1])
    before = logits.copy()
    session.run(sample.test.pixels[1:2])
    np.testing.assert_array_equal(before, logits)


def test_program_is_kept_as_long_as_the_session(program: Artifact) -> None:
    """ExecuTorch reads the program from the bytes it was given: they live until the session is closed."""
    dropped: list[None] = []

    class Watched(bytes):
        """Bytes that tell when they are freed."""

        def __del__(self) -> None:
            dropped.append(None)

    opened = runtime.open_session(dataclasses.replace(program, content=Watched(program.content)), CPU)
    assert dropped == []
    opened.__exit__(None, None, None)
    assert dropped == [None]


def test_threads(program: Artifact) -> None:
    """A session gets as many threads as it asked for, and never less or more because of an earlier one."""
    native = runtime._native()
    for threads in (2, 1, 2):
        with runtime.open_session(program, SessionSpec("executorch", "cpu", threads=threads)):
            assert threads == native._threadpool_get_thread_count()


def test_one_pool_for_all(program: Artifact, sample: Dataset) -> None:
    """While a session is open, one with another number of threads would take the pool from under it: it is refused."""
    pixels = sample.test.pixels[:2]
    with runtime.open_session(program, CPU) as first, runtime.open_session(program, CPU) as second:
        np.testing.assert_array_equal(first.run(pixels), second.run(pixels))
        with pytest.raises(UsageError, match=r"one pool of threads a process, now of 1: .* before one of 2"):
            runtime.open_session(program, SessionSpec("executorch", "cpu", threads=2))
    with runtime.open_session(program, SessionSpec("executorch", "cpu", threads=2)):
        assert runtime._native()._threadpool_get_thread_count() == 2


def test_forgotten_session_gives_the_pool_back(program: Artifact) -> None:
    """A session that nobody closed or can use any more does not keep the pool."""
    runtime.open_session(program, CPU)
    with runtime.open_session(program, SessionSpec("executorch", "cpu", threads=2)):
        assert runtime._native()._threadpool_get_thread_count() == 2


def test_placement(session: ExecutorchSession, program: Artifact, delegated: list[int]) -> None:
    """Operators are counted in the file as ExecuTorch's own tools count them, in XNNPACK and outside of it."""
    from executorch.exir._serialize._program import deserialize_pte_binary
    from executorch.exir.schema import KernelCall

    (plan,) = deserialize_pte_binary(program.content).program.execution_plan
    steps = [step.instr_args for chain in plan.chains for step in chain.instructions]
    own = sum(isinstance(step, KernelCall) for step in steps)
    assert Operators(delegated=sum(delegated), own=own) == count_operators(program.content)
    total = sum(delegated) + own
    assert {"cpu": total} == session.placement.nodes
    assert f"{sum(delegated)} of {total} operators in XNNPACK, {own} in ExecuTorch" in session.placement.source


def test_every_layer_is_in_xnnpack(program: Artifact) -> None:
    """What ExecuTorch computes itself makes floats of bytes and reshapes: convolutions and products are XNNPACK's."""
    from executorch.exir._serialize._program import deserialize_pte_binary

    (plan,) = deserialize_pte_binary(program.content).program.execution_plan
    allowed = {
        "aten::unsqueeze_copy",
        "dim_order_ops::_to_dim_order_copy",
        "aten::sym_size",
        "executorch_prim::et_view",
    }
    assert {operator.name for operator in plan.operators} <= allowed
    assert {delegate.id for delegate in plan.delegates} == {runtime._DELEGATE}


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 28, 28), np.float32),
        np.zeros((1, 27, 28), np.uint8),
        np.zeros((28, 28), np.uint8),
        np.zeros((0, 28, 28), np.uint8),
    ],
)
def test_other_inputs(images: np.ndarray, session: ExecutorchSession) -> None:
    """Pictures of another type, shape or number are refused, before ExecuTorch reads memory that is not theirs."""
    for use in (session.run, session.bind):
        with pytest.raises(BadInput, match=r"executorch cannot run .*\.pte on "):
            use(images)


@needs_executorch
def test_no_program(manifest: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What ExecuTorch refuses is bad input, with the reason that it gave on stderr."""
    nothing = Artifact(tmp_path / "nothing.pte", manifest, b"\0" * 1000)
    with capfd.disabled(), pytest.raises(BadInput, match=r"executorch refuses .*nothing\.pte: .*Program identifier"):
        runtime.open_session(nothing, CPU)


def test_options(manifest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no options."""
    monkeypatch.setattr(runtime, "installed", lambda _: "1.5.1")
    monkeypatch.setattr(runtime, "_why_unusable", lambda: "")
    with pytest.raises(UsageError, match="executorch takes no options: got fast"):
        runtime.open_session(
            Artifact(tmp_path / "a.pte", manifest, b""), SessionSpec("executorch", "cpu", options={"fast": "1"})
        )


def test_without_executorch(manifest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without executorch it says so, and what installs it."""
    if find_spec("executorch") is not None:
        monkeypatch.setattr(runtime, "installed", lambda _: None)
    assert runtime.available().usable == ()
    with pytest.raises(NotAvailable, match=r"executorch is not installed: pip install 'edgefashion\[executorch\]'"):
        runtime.open_session(Artifact(tmp_path / "a.pte", manifest, b""), CPU)


def test_beside_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries that do not fit the installed torch make it unusable, with the linker's reason."""

    def unfit() -> Any:
        raise ImportError("undefined symbol: _ZN3c10")

    monkeypatch.setattr(runtime, "installed", lambda _: "1.2.3")
    monkeypatch.setattr(runtime, "_native", unfit)
    assert runtime.available().providers == {
        "cpu": "its libraries cannot be loaded beside torch 1.2.3: undefined symbol: _ZN3c10"
    }


def test_built_without_xnnpack(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that cannot run what the converter writes is unusable."""
    monkeypatch.setattr(runtime, "installed", lambda _: "1.5.1")
    monkeypatch.setattr(runtime, "_native", lambda: types.SimpleNamespace(_is_available=lambda _: False))
    assert runtime.available().providers == {"cpu": "it was built without XNNPACK"}


@pytest.mark.slow
def test_only_what_a_device_needs_is_loaded(program: Artifact) -> None:
    """A session loads ExecuTorch's libraries and torch: not the exporter, nor what only that needs."""
    code = f"""if True:
        import sys
        from pathlib import Path
        import numpy as np
        from edgefashion.artifact import open_artifact
        from edgefashion.records import SessionSpec
        from edgefashion.runtimes import open_session
        with open_session(open_artifact(Path({str(program.path)!r})), SessionSpec("executorch", "cpu")) as session:
            session.run(np.zeros((1, 28, 28), np.uint8))
        print(*sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    loaded = set(done.stdout.split())
    assert {"torch", "executorch.extension.pybindings._C"} <= loaded
    assert {"executorch.exir", "torchao", "pandas", "sklearn", "flatbuffers"} & loaded == set()
    assert done.stderr == ""


@needs_executorch
@settings(max_examples=50)
@given(data=st.data())
def test_damaged_programs(program: Artifact, data: st.DataObject) -> None:
    """Whatever bytes a program holds or lacks, counting its operators ends, in numbers or in a ValueError."""
    whole = program.content[: 4096 + 512]
    cut = data.draw(st.integers(0, len(whole)))
    damaged = bytearray(whole[:cut])
    for _ in range(min(cut, 3)):
        damaged[data.draw(st.integers(0, cut - 1))] = data.draw(st.integers(0, 255))
    try:
        found = count_operators(bytes(damaged))
    except ValueError:
        return
    assert min(found.delegated, found.own) >= 0


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"PK\3\4" + b"x" * 96])
def test_other_files(content: bytes) -> None:
    """A file of another kind is no program."""
    with pytest.raises(ValueError, match="it is no program of ExecuTorch"):
        count_operators(content)
