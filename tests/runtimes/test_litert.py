"""LiteRT as a runtime, on a network written by hand: answers, kernels, threads, and what is refused."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tflite_networks import CLASSES, HEIGHT, WIDTH, artifact, drawn_images, drawn_weights, network

from edgefashion.artifact import Artifact
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import Manifest, SessionSpec
from edgefashion.runtimes import default_runtime, in_words, litert, open_session
from edgefashion.runtimes.litert import count_delegated
from edgefashion.runtimes.native_stderr import native_stderr

needs_litert = pytest.mark.skipif(find_spec("ai_edge_litert") is None, reason=f"needs ai-edge-litert: {litert.REMEDY}")


@pytest.fixture
def weights() -> NDArray[np.float32]:
    """Of the fully connected layer."""
    return drawn_weights()


@pytest.fixture
def images() -> NDArray[np.uint8]:
    """Five pictures."""
    return drawn_images()


@pytest.fixture
def model(manifest: Manifest, weights: NDArray[np.float32]) -> Artifact:
    """The network as an artifact."""
    return artifact(manifest, network(weights))


def spec(*, threads: int = 1, **options: str) -> SessionSpec:
    """A session of LiteRT."""
    return SessionSpec("litert", "cpu", threads=threads, options=options)


def products(images: NDArray[np.uint8], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network computes."""
    return images.reshape(len(images), -1).astype(np.float32) @ weights.T


def computed(session: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the last call on as many pictures left in the interpreter."""
    found: NDArray[np.float32] = session._interpreter(images).get_tensor(session._output)
    return found


@needs_litert
def test_it_answers_batches_of_any_size(
    model: Artifact, images: NDArray[np.uint8], weights: NDArray[np.float32]
) -> None:
    """Each picture's logits, whatever the batch, also after batches of other sizes."""
    with open_session(model, spec()) as session:
        for size in (1, 5, 2, 5, 1):
            logits = session.run(images[:size])
            assert (logits.dtype, logits.shape) == (np.float32, (size, CLASSES))
            np.testing.assert_allclose(logits, products(images[:size], weights), rtol=1e-4)


@needs_litert
def test_a_bound_call_computes_its_own_pictures(
    model: Artifact, images: NDArray[np.uint8], weights: NDArray[np.float32]
) -> None:
    """Bound inputs of one size share an interpreter, and yet each call computes what it was bound to."""
    with open_session(model, spec()) as session:
        first, second = images[:2], images[2:4]
        calls = [(session.bind(part), part) for part in (first, second)]
        for call, part in [*calls, *reversed(calls)]:
            call()
            np.testing.assert_allclose(computed(session, part), products(part, weights), rtol=1e-4)


@needs_litert
def test_a_bound_call_survives_other_batch_sizes(model: Artifact, images: NDArray[np.uint8]) -> None:
    """The session may meet other sizes between two bound calls."""
    with open_session(model, spec()) as session:
        call, interpreter = session.bind(images[:2]), session._interpreter(images[:2])  # type: ignore[attr-defined]
        expected = session.run(images[:2])
        session.run(images)
        call()
        np.testing.assert_array_equal(expected, interpreter.get_tensor(session._output))  # type: ignore[attr-defined]


@needs_litert
def test_it_says_what_it_takes(model: Artifact) -> None:
    """Name, type and shape come from the file, the number of pictures open."""
    with open_session(model, spec()) as session:
        assert list(session.inputs) == [model.manifest.input]


@needs_litert
@pytest.mark.parametrize(("kernels", "taken"), [("xnnpack", 3), ("built-in", 0), ("reference", 0)])
def test_kernels(
    kernels: str, taken: int, model: Artifact, images: NDArray[np.uint8], weights: NDArray[np.float32]
) -> None:
    """Whichever kernels compute, the answers are the same, and the session says how many nodes XNNPACK has."""
    with open_session(model, spec(kernels=kernels)) as session:
        np.testing.assert_allclose(session.run(images), products(images, weights), rtol=1e-4)
        assert session.placement.text == "3 of 3 nodes on cpu"
        assert session.placement.source.startswith(f"XNNPACK computes {taken} of 3:")


@needs_litert
def test_xnnpack_is_the_default(model: Artifact) -> None:
    """Unless told otherwise the fast kernels compute."""
    with open_session(model, spec()) as session:
        assert session.placement.source.startswith("XNNPACK computes 3 of 3:")


@needs_litert
def test_what_xnnpack_lacks_is_not_counted(manifest: Manifest, weights: NDArray[np.float32]) -> None:
    """A cast of pixels stays outside of XNNPACK, and so does what comes before it."""
    with open_session(artifact(manifest, network(weights, finished=False)), spec()) as session:
        assert session.placement.source.startswith("XNNPACK computes 1 of 3:")


def operation(index: int, name: str, inputs: list[int], outputs: list[int]) -> dict[str, Any]:
    """An operation as the interpreter lists it."""
    return {"index": index, "op_name": name, "inputs": inputs, "outputs": outputs}


def test_operations_inside_delegates_are_counted() -> None:
    """Those between the tensors that a delegate takes and gives, each once, also where two paths meet."""
    chain = [
        operation(0, "CAST", [0], [1]),
        operation(1, "CONV_2D", [1, 20], [2]),
        operation(2, "MUL", [2, 21], [3]),
        operation(3, "ADD", [2, 3], [4]),
        operation(4, "CUSTOM", [4], [5]),
        operation(5, "SOFTMAX", [5, -1], [6]),
    ]
    assert count_delegated(chain) == 0
    assert count_delegated([*chain, operation(6, "DELEGATE", [1, 20, 21], [4])]) == 3
    both = [operation(6, "DELEGATE", [1, 20, 21], [4]), operation(7, "DELEGATE", [5], [6])]
    assert count_delegated([*chain, *both]) == 4


def count_threads() -> int:
    """Of this process."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


@needs_litert
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's list of threads")
@pytest.mark.parametrize("threads", [1, 3])
def test_threads(threads: int, model: Artifact, images: NDArray[np.uint8]) -> None:
    """A session has exactly the threads that were asked for, this one included, after any batch size."""
    before = count_threads()
    with open_session(model, spec(threads=threads)) as session:
        for size in (1, 4):
            session.run(images[:size])
            assert count_threads() - before == threads - 1
    assert count_threads() == before


@needs_litert
@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, WIDTH, HEIGHT), "uint8"), ((HEIGHT, WIDTH), "uint8"), ((1, HEIGHT, WIDTH), "float32")]
)
def test_other_arrays_are_refused(shape: tuple[int, ...], dtype: str, model: Artifact) -> None:
    """Pictures of another size or type are refused by run and bind, and the session goes on."""
    wrong, right = np.zeros(shape, dtype), np.zeros((1, HEIGHT, WIDTH), np.uint8)
    with open_session(model, spec()) as session:
        for ask in (session.run, session.bind):
            with pytest.raises(BadInput, match=r"LiteRT cannot run .*net\.tflite"):
                ask(wrong)
        np.testing.assert_array_equal(session.run(right), np.zeros((1, CLASSES), np.float32))


@needs_litert
def test_damaged_models_are_refused(manifest: Manifest, model: Artifact) -> None:
    """What is no .tflite file, or only its beginning, is bad input."""
    for content in (b"no model", model.content[: len(model.content) // 2]):
        with pytest.raises(BadInput, match=r"LiteRT refuses net\.tflite"):
            open_session(artifact(manifest, content), spec())


@needs_litert
def test_options(model: Artifact) -> None:
    """An unknown option and unknown kernels are answered with the nearest."""
    with pytest.raises(UsageError, match="unknown option of litert 'kernel': did you mean 'kernels'"):
        open_session(model, spec(kernel="xnnpack"))
    with pytest.raises(UsageError, match="unknown kernels of litert 'xnpack': did you mean 'xnnpack'"):
        open_session(model, spec(kernels="xnpack"))


@needs_litert
def test_it_opens_tflite_by_default(model: Artifact) -> None:
    """A .tflite model runs in LiteRT unless another runtime is asked for, and results name its version."""
    assert default_runtime(model) == "litert"
    assert in_words(spec()) == f"litert {litert.available().version}"


def test_without_litert(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed it says what installs it, before it looks at the model."""
    if find_spec("ai_edge_litert") is not None:
        monkeypatch.setattr("edgefashion.runtimes.installed", lambda _: None)
    found = litert.available()
    assert (found.version, found.usable) == (None, ())
    with pytest.raises(NotAvailable, match=r"^litert is not installed: pip install 'edgefashion\[litert\]'$"):
        open_session(artifact(manifest, b"no model"), spec())


@needs_litert
def test_it_is_silent(tmp_path: Path, weights: NDArray[np.float32]) -> None:
    """XNNPACK's first words in a process reach no one."""
    (tmp_path / "net.tflite").write_bytes(network(weights))
    code = (
        "from pathlib import Path; from types import SimpleNamespace as Any\n"
        "from edgefashion.records import SessionSpec; from edgefashion.runtimes import litert\n"
        "model = Any(path=Path('net.tflite'), content=Path('net.tflite').read_bytes())\n"
        "print(litert.open_session(model, SessionSpec('litert', 'cpu')).placement.text)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("3 of 3 nodes on cpu\n", "")


def test_native_stderr_is_kept_and_given_back(capfd: pytest.CaptureFixture[str]) -> None:
    """What is written to the descriptor inside the block is in the list, and only there."""
    with native_stderr() as said:
        os.write(2, b"one\ntwo\n")
    os.write(2, b"after\n")
    assert said == ["one", "two"]
    assert capfd.readouterr().err == "after\n"


def test_native_stderr_is_given_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    """An error passes through, and later words reach the terminal."""

    def fail() -> None:
        with native_stderr():
            os.write(2, b"why\n")
            raise BadInput("a reason")

    with pytest.raises(BadInput, match="a reason"):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
