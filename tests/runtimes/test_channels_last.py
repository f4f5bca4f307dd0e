"""PyTorch with channels last in memory: the same model, in another layout all the way."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgefashion.artifact import Artifact  # noqa: E402 - after the skip
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import NotAvailable, UsageError  # noqa: E402
from edgefashion.records import SessionSpec  # noqa: E402
from edgefashion.runtimes import open_session, pytorch, pytorch_channels_last  # noqa: E402

CHANNELS_LAST = SessionSpec("pytorch-channels-last", "cpu")


def channels_last_outputs(artifact: Artifact, spec: SessionSpec, images: np.ndarray) -> list[bool]:
    """Of each convolution and pooling, in order: whether its answer lies with channels last, and not otherwise."""
    found: list[bool] = []

    def look(_module: object, _given: object, got: "torch.Tensor") -> None:
        found.append(got.is_contiguous(memory_format=torch.channels_last) and not got.is_contiguous())

    with open_session(artifact, spec) as session:
        for module in session._model.modules():  # type: ignore[attr-defined]
            if isinstance(module, torch.nn.Conv2d | torch.nn.MaxPool2d):
                module.register_forward_hook(look)
        session.run(images)
    return found


def test_layout_is_that_of_every_layer(checkpoint: Artifact, sample: Dataset) -> None:
    """Every convolution and pooling answers with channels last, which it does not do in plain PyTorch."""
    pixels = sample.test.pixels[:2]
    assert channels_last_outputs(checkpoint, CHANNELS_LAST, pixels) == [True] * 6
    assert channels_last_outputs(checkpoint, SessionSpec("pytorch", "cpu"), pixels) == [False] * 6


def test_same_model(checkpoint: Artifact, sample: Dataset) -> None:
    """Logits are PyTorch's up to the order of sums."""
    pixels = sample.test.pixels[:20]
    with open_session(checkpoint, SessionSpec("pytorch", "cpu")) as session:
        expected = session.run(pixels)
    with open_session(checkpoint, CHANNELS_LAST) as session:
        np.testing.assert_allclose(expected, session.run(pixels), atol=1e-4)


def test_only_if_asked_for() -> None:
    """It takes no part in a measurement that does not name it."""
    assert pytorch_channels_last.OPT_IN


def test_options(checkpoint: Artifact) -> None:
    """It takes no options."""
    with pytest.raises(UsageError, match="pytorch-channels-last takes no options: got mode"):
        open_session(checkpoint, SessionSpec("pytorch-channels-last", "cpu", options={"mode": "default"}))


def test_absent_torch(checkpoint: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch it says so under its own name, and what installs it."""
    monkeypatch.setattr(pytorch, "installed", lambda _: None)
    words = r"^pytorch-channels-last is not installed: pip install 'edgefashion\[train\]'"
    with pytest.raises(NotAvailable, match=words):
        open_session(checkpoint, CHANNELS_LAST)
