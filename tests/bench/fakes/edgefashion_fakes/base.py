"""What every fake runtime shares: it opens any ONNX file, and answers with zeros."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import Placement, SessionSpec, TensorSpec
from edgefashion.runtimes import Availability

PACKAGE = "edgefashion-fakes"
FORMATS = ("onnx",)
PROVIDERS = {"cpu": "cpu"}
OPT_IN = True
START_S = 0.2


def available(provider: str | None = None) -> Availability:  # noqa: ARG001 - there is only one
    """Always here."""
    return Availability(runtime="fake", version="0", providers={"cpu": ""})


def zeros(images: NDArray[Any]) -> NDArray[np.float32]:
    """float32[N, 10] for N pictures."""
    return np.zeros((len(images), 10), np.float32)


class FakeSession:
    """Its timed call is `call`, and its answers are those of `answer`."""

    def __init__(
        self,
        spec: SessionSpec,
        call: Callable[[], object],
        answer: Callable[[NDArray[Any]], NDArray[np.float32]] = zeros,
    ) -> None:
        self.spec = spec
        self.inputs = (TensorSpec(name="images", dtype="uint8", shape=["batch", 28, 28]),)
        self.placement = Placement(nodes={"cpu": 1}, source="made up")
        self._call = call
        self._answer = answer

    def run(self, images: NDArray[Any]) -> NDArray[Any]:
        """The answer to `images`."""
        return self._answer(images)

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:  # noqa: ARG002 - no call looks at its input
        """The timed call."""
        return self._call

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to free."""
