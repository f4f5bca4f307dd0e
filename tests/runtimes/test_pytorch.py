"""PyTorch as a runtime: the reference."""

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgefashion.artifact import Artifact, from_content, stamp_checkpoint  # noqa: E402 - after the skip
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, NotAvailable, UsageError  # noqa: E402
from edgefashion.models.checkpoint import load_model  # noqa: E402
from edgefashion.records import Manifest, SessionSpec  # noqa: E402
from edgefashion.runtimes import open_session, pytorch  # noqa: E402

CPU = SessionSpec("pytorch", "cpu")


def test_logits_are_the_model_s(checkpoint: Artifact, sample: Dataset) -> None:
    """A session gives exactly what the loaded model gives in evaluation mode."""
    pixels = sample.test.pixels[:20]
    with torch.inference_mode():
        expected = load_model(checkpoint).eval()(torch.tensor(pixels)).numpy()
    with open_session(checkpoint, CPU) as session:
        np.testing.assert_array_equal(expected, session.run(pixels))


def test_layers_are_counted_once(checkpoint: Artifact) -> None:
    """The placement counts the network's layers: three of each block, then four."""
    with open_session(checkpoint, CPU) as session:
        assert session.placement.nodes == {"cpu": 3 * 3 + 3}


def test_threads_are_set(checkpoint: Artifact) -> None:
    """The session runs on as many threads as it was asked to."""
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            with open_session(checkpoint, SessionSpec("pytorch", "cpu", threads=threads)):
                assert threads == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def test_bound_call_runs_the_given_pictures(checkpoint: Artifact, sample: Dataset) -> None:
    """The call that is timed runs the model once, on the pictures given, without gradients."""
    seen: list[tuple[np.ndarray, bool]] = []
    with open_session(checkpoint, CPU) as session:
        model = session._model  # type: ignore[attr-defined]
        model.register_forward_hook(lambda _, given, got: seen.append((given[0].numpy(), got.requires_grad)))
        call = session.bind(sample.test.pixels[:3])
        assert seen == []
        call()
    ((pixels, has_gradient),) = seen
    np.testing.assert_array_equal(sample.test.pixels[:3], pixels)
    assert not has_gradient


def test_weights_that_do_not_fit(manifest: Manifest, checkpoint: Artifact) -> None:
    """A checkpoint without its weights is bad input, and changes no setting of the process."""
    empty = from_content(stamp_checkpoint({}, manifest), checkpoint.path)
    threads = torch.get_num_threads()
    with pytest.raises(BadInput, match="its weights do not fit seed"):
        open_session(empty, msgspec.structs.replace(CPU, threads=threads + 1))
    assert threads == torch.get_num_threads()


def test_options(checkpoint: Artifact) -> None:
    """Eager PyTorch takes no options."""
    with pytest.raises(UsageError, match="pytorch takes no options: got mode"):
        open_session(checkpoint, SessionSpec("pytorch", "cpu", options={"mode": "default"}))


def test_absent_torch(checkpoint: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch the runtime says so, and what installs it."""
    monkeypatch.setattr(pytorch, "installed", lambda _: None)
    assert pytorch.available().usable == ()
    with pytest.raises(NotAvailable, match=r"pytorch is not installed: pip install 'edgefashion\[train\]'"):
        open_session(checkpoint, CPU)
