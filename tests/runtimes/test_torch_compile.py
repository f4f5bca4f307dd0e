"""torch.compile as a runtime: what it refuses, and one model compiled for real."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgefashion.artifact import Artifact  # noqa: E402 - after the skip
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import NotAvailable, UsageError  # noqa: E402
from edgefashion.records import SessionSpec  # noqa: E402
from edgefashion.runtimes import open_session, torch_compile  # noqa: E402


def spec(provider: str = "cpu", **options: str) -> SessionSpec:
    """A session of torch-compile."""
    return SessionSpec("torch-compile", provider, options=options)


def test_only_if_asked_for() -> None:
    """It takes no part in a measurement that does not name it."""
    assert torch_compile.OPT_IN


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mod": "default"}, "unknown option of torch-compile 'mod': did you mean 'mode'"),
        ({"mode": "reduce-overheat"}, "unknown mode of torch-compile .* did you mean 'reduce-overhead'"),
        ({"freezing": "yes"}, "the option freezing of torch-compile is 0 or 1, not 'yes'"),
        ({"mode": "reduce-overhead"}, "mode=reduce-overhead of torch-compile captures CUDA graphs, which cpu does not"),
        ({"mode": "max-autotune"}, "mode=max-autotune of torch-compile captures CUDA graphs, which cpu does not"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, str], words: str, checkpoint: Artifact) -> None:
    """An option that torch.compile does not have, or not on this device, is refused."""
    with pytest.raises(UsageError, match=words):
        open_session(checkpoint, spec(**options))


def test_without_a_compiler(checkpoint: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a C++ compiler it is not available, and says which one it looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(NotAvailable, match=r"cpu is not usable in torch-compile .* finds no \S+: set CXX"):
        open_session(checkpoint, spec())
    monkeypatch.setenv("CXX", "my-own-compiler")
    assert "finds no my-own-compiler" in torch_compile.available().providers["cpu"]


def test_without_torch(checkpoint: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch it says so, and what installs it."""
    monkeypatch.setattr(torch_compile, "installed", lambda _: None)
    with pytest.raises(NotAvailable, match=r"torch-compile is not installed: pip install 'edgefashion\[train\]'"):
        open_session(checkpoint, spec())


def test_nothing_is_compiled_before_the_first_call(checkpoint: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening compiles nothing, and closing drops what was compiled, so that many sessions fit into one process."""
    resets: list[None] = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: resets.append(None))
    with open_session(checkpoint, spec()) as session:
        assert session.placement.nodes == {"cpu": 3 * 3 + 3}
        assert resets == []
    assert resets == [None]


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"freezing": "1"}])
def test_compiled_model_is_the_model(options: dict[str, str], checkpoint: Artifact, sample: Dataset) -> None:
    """The first call compiles the whole network into one graph; its logits are the eager ones, up to rounding."""
    from torch._dynamo.utils import counters

    pixels = sample.test.pixels[:5]
    with open_session(checkpoint, SessionSpec("pytorch", "cpu")) as session:
        expected = session.run(pixels)
    counters.clear()
    with open_session(checkpoint, spec(**options)) as session:
        assert counters["stats"]["unique_graphs"] == 0
        call = session.bind(pixels)
        call()
        assert counters["stats"]["unique_graphs"] == 1
        np.testing.assert_allclose(expected, session.run(pixels), atol=1e-4)
        assert counters["stats"]["unique_graphs"] == 1
