"""What the tests of runtimes share."""

from typing import Any

import pytest


@pytest.fixture
def bindings(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every binding that is made, in order."""
    import onnxruntime

    made: list[Any] = []
    io_binding = onnxruntime.InferenceSession.io_binding
    monkeypatch.setattr(
        onnxruntime.InferenceSession, "io_binding", lambda session: made.append(io_binding(session)) or made[-1]
    )
    return made
