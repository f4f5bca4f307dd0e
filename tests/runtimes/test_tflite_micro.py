"""TFLite Micro as a runtime, on a network written by hand: answers, its arena, and what is refused."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tflite_networks import CLASSES, HEIGHT, WIDTH, artifact, drawn_images, drawn_weights, network

from edgefashion.artifact import Artifact
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import Manifest, SessionSpec
from edgefashion.runtimes import open_session, tflite_micro
from edgefashion.runtimes.tflite_micro import arena_bytes

needs_micro = pytest.mark.skipif(
    find_spec("tflite_micro") is None or find_spec("ai_edge_litert") is None,
    reason=f"needs tflite-micro, and ai-edge-litert to write a network: {tflite_micro.REMEDY}",
)


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
    """A session of TFLite Micro."""
    return SessionSpec("tflite-micro", "cpu", threads=threads, options=options)


@needs_micro
@pytest.mark.parametrize("batch", [1, 5])
def test_it_answers(batch: int, model: Artifact, images: NDArray[np.uint8], weights: NDArray[np.float32]) -> None:
    """Each picture's logits in order, one picture computed after the other."""
    with open_session(model, spec()) as session:
        logits = session.run(images[:batch])
    expected = images[:batch].reshape(batch, -1).astype(np.float32) @ weights.T
    assert (logits.dtype, logits.shape) == (np.float32, (batch, CLASSES))
    np.testing.assert_allclose(logits, expected, rtol=1e-4)


@needs_micro
def test_it_gives_the_bits_of_litert_s_reference_kernels(model: Artifact, images: NDArray[np.uint8]) -> None:
    """Both interpreters share these kernels."""
    with open_session(model, SessionSpec("litert", "cpu", options={"kernels": "reference"})) as session:
        expected = session.run(images)
    with open_session(model, spec()) as session:
        np.testing.assert_array_equal(expected, session.run(images))


@needs_micro
def test_a_bound_call_computes_every_picture(model: Artifact, images: NDArray[np.uint8]) -> None:
    """A bound call runs all its pictures in order, however often it is made."""
    with open_session(model, spec()) as session:
        seen: list[Any] = []
        interpreter: Any = session._interpreter  # type: ignore[attr-defined]
        invoke = interpreter.invoke
        interpreter.invoke = lambda: (invoke(), seen.append(interpreter.get_output(0)[0]))
        expected = session.run(images)
        call = session.bind(images)
        del seen[:]
        call()
        call()
    np.testing.assert_array_equal([*expected, *expected], seen)


@needs_micro
def test_the_arena_is_measured(model: Artifact) -> None:
    """A model runs in the arena that it is said to need, and not in a smaller one."""
    needed = arena_bytes(model)
    open_session(model, spec(arena=str(needed)))
    assert tflite_micro._fits(model, needed)
    assert not tflite_micro._fits(model, needed - 16)


@needs_micro
@pytest.mark.parametrize("missing", [1, 16, 1000])
def test_an_arena_that_is_too_small(missing: int, model: Artifact) -> None:
    """It is refused with the size that is needed, also where the library itself would crash."""
    needed = arena_bytes(model)
    words = rf"^arena={needed - missing} is too small: net\.tflite needs {needed:,} bytes$"
    with pytest.raises(UsageError, match=words):
        open_session(model, spec(arena=str(needed - missing)))


@needs_micro
def test_the_arena_holds_the_tensors(model: Artifact) -> None:
    """It has room for two tensors that are needed at once, and is far from the size that is set aside by default."""
    pixels = HEIGHT * WIDTH
    assert 4 * (pixels + CLASSES) < arena_bytes(model) < 10_000


@needs_micro
def test_there_is_no_arena_for_what_cannot_run(
    manifest: Manifest, model: Artifact, weights: NDArray[np.float32]
) -> None:
    """A model that no arena would help is refused, whether an arena is asked about or given."""
    for content in (network(weights, finished=False), model.content[:200]):
        with pytest.raises(BadInput, match="tflite-micro refuses"):
            arena_bytes(artifact(manifest, content))
        with pytest.raises(BadInput, match="tflite-micro refuses"):
            open_session(artifact(manifest, content), spec(arena="4096"))


@needs_micro
@pytest.mark.parametrize("value", ["", "0", "-1", "1e6", "²", str(2**40)])
def test_the_arena_is_a_number_of_bytes(value: str, model: Artifact) -> None:
    """Anything else is refused."""
    with pytest.raises(UsageError, match="the option arena of tflite-micro is a number of bytes up to"):
        open_session(model, spec(arena=value))


@needs_micro
def test_options_and_threads(model: Artifact) -> None:
    """An unknown option is answered with the nearest, and more than one thread is refused."""
    with pytest.raises(UsageError, match="unknown option of tflite-micro 'area': did you mean 'arena'"):
        open_session(model, spec(area="1"))
    with pytest.raises(UsageError, match="tflite-micro computes in one thread: 2 were asked for"):
        open_session(model, spec(threads=2))


@needs_micro
def test_what_it_cannot_compute_is_refused_with_its_words(
    manifest: Manifest, weights: NDArray[np.float32], capfd: pytest.CaptureFixture[str]
) -> None:
    """A type that a kernel lacks is found when the model is opened; what the library prints is in the message alone."""
    with pytest.raises(BadInput, match=r"tflite-micro refuses net\.tflite: .*UINT8"):
        open_session(artifact(manifest, network(weights, finished=False)), spec())
    assert capfd.readouterr() == ("", "")


@needs_micro
def test_damaged_models_are_refused(manifest: Manifest, model: Artifact) -> None:
    """What is no .tflite file, or only its beginning, is bad input."""
    for content in (b"no model", model.content[: len(model.content) // 2]):
        with pytest.raises(BadInput, match=r"tflite-micro refuses net\.tflite"):
            open_session(artifact(manifest, content), spec())


@needs_micro
@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, WIDTH, HEIGHT), "uint8"), ((HEIGHT, WIDTH), "uint8"), ((1, HEIGHT, WIDTH), "float32")]
)
def test_other_arrays_are_refused(shape: tuple[int, ...], dtype: str, model: Artifact) -> None:
    """Pictures of another size or type are refused by run and bind alike."""
    with open_session(model, spec()) as session:
        for ask in (session.run, session.bind):
            with pytest.raises(BadInput, match=r"tflite-micro cannot run .*it takes uint8\['batch', 3, 5\]"):
                ask(np.zeros(shape, dtype))


@needs_micro
def test_placement(model: Artifact) -> None:
    """All three operators are on the processor."""
    with open_session(model, spec()) as session:
        assert session.placement.text == "3 of 3 nodes on cpu"


def test_without_tflite_micro(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed it says what installs it, for a session and for the arena."""
    if find_spec("tflite_micro") is not None:
        monkeypatch.setattr("edgefashion.runtimes.installed", lambda _: None)
    nothing = artifact(manifest, b"no model")
    words = r"^tflite-micro is not installed: pip install 'edgefashion\[tflite-micro\]'$"
    with pytest.raises(NotAvailable, match=words):
        open_session(nothing, spec())
    with pytest.raises(NotAvailable, match=words):
        arena_bytes(nothing)
