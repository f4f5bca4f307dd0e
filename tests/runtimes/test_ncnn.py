"""ncnn as a runtime, on networks written by hand: answers, options, and what is refused."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgefashion.artifact import Artifact, from_files
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import Manifest, Precision, SessionSpec, TensorSpec
from edgefashion.runtimes import Session, default_spec, ncnn, open_session, require_provider

needs_ncnn = pytest.mark.skipif(find_spec("ncnn") is None, reason=f"needs ncnn: {ncnn.REMEDY}")

HEIGHT, WIDTH, CLASSES = 3, 5, 10

# Rows become columns, then one fully connected layer without bias: a picture of swapped sides gives other answers.
LAYERS = f"""7767517
4 4
Input            pixels   0 1 pixels
Permute          turn     1 1 pixels turned 0=1
Flatten          flatten  1 1 turned flat
InnerProduct     classify 1 1 flat logits 0={CLASSES} 1=0 2={CLASSES * HEIGHT * WIDTH}
"""
FLOAT32 = bytes(4)  # how ncnn marks weights that are stored so


@pytest.fixture
def weights() -> NDArray[np.float32]:
    """Of the fully connected layer, float32[classes, pixels]."""
    return np.random.default_rng(1).standard_normal((CLASSES, HEIGHT * WIDTH)).astype(np.float32)


@pytest.fixture
def images() -> NDArray[np.uint8]:
    """Four pictures that are wider than high."""
    return np.random.default_rng(2).integers(256, size=(4, HEIGHT, WIDTH), dtype=np.uint8)


def network(
    manifest: Manifest, weights: NDArray[np.float32], *, layers: str = LAYERS, precision: Precision = "float32"
) -> Artifact:
    """The network as an artifact."""
    own = msgspec.structs.replace(
        manifest,
        format="ncnn",
        precision=precision,
        input=TensorSpec(name="images", dtype="uint8", shape=["batch", HEIGHT, WIDTH]),
    )
    files = {"net.param": layers.encode(), "net.bin": FLOAT32 + weights.tobytes()}
    return from_files(Path("net.param"), files, own)


def spec(*, threads: int = 1, **options: str) -> SessionSpec:
    """A session of ncnn."""
    return SessionSpec("ncnn", "cpu", threads=threads, options=options)


def options_of(session: Session) -> Any:
    """What ncnn was told, as ncnn's `Option`."""
    return session._net.opt  # type: ignore[attr-defined]


def test_without_ncnn(manifest: Manifest, weights: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package it says so, and what installs it."""
    monkeypatch.setattr("edgefashion.runtimes.installed", lambda _: None)
    with pytest.raises(NotAvailable, match=r"^ncnn is not installed: pip install 'edgefashion\[ncnn\]'$"):
        open_session(network(manifest, weights), spec())


@needs_ncnn
def test_here(manifest: Manifest, weights: NDArray[np.float32]) -> None:
    """It runs on the processor alone, and is what opens a network of ncnn's unless another runtime is asked for."""
    assert ncnn.available().usable == ("cpu",)
    assert ncnn.available("Nonsense").providers == {}
    assert default_spec(network(manifest, weights)) == spec()
    with pytest.raises(NotAvailable, match="gpu is not usable in ncnn"):
        require_provider(ncnn.available, "gpu")


@needs_ncnn
@pytest.mark.parametrize("threads", [1, 2])
def test_answers(threads: int, manifest: Manifest, weights: NDArray[np.float32], images: NDArray[np.uint8]) -> None:
    """Raw bytes go in, row by row and in float32 throughout, and one row of logits comes out for each picture."""
    with open_session(network(manifest, weights), spec(threads=threads)) as session:
        logits = session.run(images)
        assert (np.float32, (len(images), CLASSES)) == (logits.dtype, logits.shape)
        turned = images.transpose(0, 2, 1).reshape(len(images), -1)
        np.testing.assert_allclose(logits, turned @ weights.T, rtol=1e-5, atol=1e-3)
        np.testing.assert_array_equal(logits[1:], session.run(images[1:]))
        np.testing.assert_array_equal(logits[::-1], session.run(images[::-1]))
        assert options_of(session).num_threads == threads


@needs_ncnn
def test_bound_call_takes_every_picture(
    manifest: Manifest, weights: NDArray[np.float32], images: NDArray[np.uint8]
) -> None:
    """What is timed is the whole loop over the batch, from bytes to logits, and gives what a plain run gives."""
    with open_session(network(manifest, weights), spec()) as session:
        expected = session.run(images)
        call = session.bind(images)
        for _ in range(2):
            np.testing.assert_array_equal(expected, np.array([np.array(mat) for mat in call()]))
        images[0] = 0
        assert np.array(call()[0]).max() == 0, "bytes become floats within the call"


@needs_ncnn
def test_placement(manifest: Manifest, weights: NDArray[np.float32]) -> None:
    """Its three layers are on the processor, and that floats are made of bytes before them is said."""
    with open_session(network(manifest, weights), spec()) as session:
        assert session.placement.nodes == {"cpu": 3}
        assert "from_pixels makes floats of bytes" in session.placement.source
        assert [TensorSpec("images", "uint8", ["batch", HEIGHT, WIDTH])] == session.inputs


@needs_ncnn
def test_half_precision(manifest: Manifest, weights: NDArray[np.float32], images: NDArray[np.uint8]) -> None:
    """Only a network that says it is float16 may be rounded to it, or one for which that was asked."""

    def half(precision: Precision, **options: str) -> list[bool]:
        with open_session(network(manifest, weights, precision=precision), spec(**options)) as session:
            names = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic")
            assert np.isfinite(session.run(images)).all()
            return [getattr(options_of(session), name) for name in names]

    assert half("float32") == [False, False, False]
    assert half("float16") == [True, True, False]
    assert half("float32", use_fp16_storage="1") == [False, True, False]
    assert half("float16", use_fp16_arithmetic="0") == [True, True, False]


@needs_ncnn
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"use_paking_layout": "0"}, "unknown switch of ncnn 'use_paking_layout': did you mean 'use_packing_layout'"),
        ({"num_threads": "2"}, "unknown switch of ncnn 'num_threads'"),
        ({"use_packing_layout": "no"}, "the switch use_packing_layout of ncnn is 0 or 1, not 'no'"),
    ],
)
def test_options_that_make_no_sense(
    options: dict[str, str], words: str, manifest: Manifest, weights: NDArray[np.float32]
) -> None:
    """A switch that ncnn does not have is refused, and a value that is neither on nor off."""
    with pytest.raises(UsageError, match=words):
        open_session(network(manifest, weights), spec(**options))


@needs_ncnn
def test_inputs_that_do_not_fit(manifest: Manifest, weights: NDArray[np.float32], images: NDArray[np.uint8]) -> None:
    """Pictures of another size, type or rank, or none, never reach ncnn, which would read beyond them."""
    wrong = (images[:, :, :4], images.transpose(0, 2, 1), images.astype(np.float32), images[0], images[:0])
    with open_session(network(manifest, weights), spec()) as session:
        for each in wrong:
            for act in (session.run, session.bind):
                with pytest.raises(BadInput, match=rf"ncnn cannot run net.param on .*: expected uint8\[N, {HEIGHT}, "):
                    act(each)


@needs_ncnn
def test_networks_that_are_refused(manifest: Manifest, weights: NDArray[np.float32]) -> None:
    """A layer that ncnn does not know, weights that are too few, and a network without weights are bad input."""
    broken = [
        network(manifest, weights, layers=LAYERS.replace("Flatten ", "Flotten ")),
        network(manifest, weights[:, :4]),
    ]
    for artifact in broken:
        with pytest.raises(BadInput, match=r"ncnn refuses net\.param: it does not know a layer, or the weights"):
            open_session(artifact, spec())
    whole = network(manifest, weights)
    alone = Artifact(path=whole.path, manifest=whole.manifest, content=whole.content)
    with pytest.raises(BadInput, match=r"net\.param has 0 \.bin files beside it: expected one"):
        open_session(alone, spec())


@needs_ncnn
def test_nothing_is_left_behind(
    manifest: Manifest,
    weights: NDArray[np.float32],
    images: NDArray[np.uint8],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Weights pass through a temporary file that is gone when the session is open; nothing is printed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = {path.name for path in Path().iterdir()}
    with open_session(network(manifest, weights), spec()) as session:
        assert list(tmp_path.iterdir()) == []
        session.run(images)
    assert before == {path.name for path in Path().iterdir()}
    assert capfd.readouterr() == ("", "")
