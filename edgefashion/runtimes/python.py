"""Python itself: a function of yours makes the call that is timed."""

import platform
import runpy
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Model
from edgefashion.errors import BadInput
from edgefashion.records import Placement, SessionSpec, TensorSpec
from edgefashion.runtimes import Availability, require_provider
from edgefashion.subjects import PythonCall

PACKAGE = "numpy"  # what it answers is compared as an array
FORMATS = ("python",)
PROVIDERS = {"cpu": "cpu"}


def available(provider: str | None = None) -> Availability:  # noqa: ARG001 - there is only one
    """A function is always here."""
    return Availability(runtime="python", version=platform.python_version(), providers={"cpu": ""})


def version() -> str:
    """Python's."""
    return platform.python_version()


def open_session(model: Model, spec: SessionSpec) -> "CallSession":
    """Run the file and let its function make the call.

    Raises:
        BadInput: The file has no such function, or what it returns cannot be called.
    """
    require_provider(available, spec.provider)
    if not isinstance(model, PythonCall):
        raise BadInput(f"{model.path} is no Python call: expected FILE.py:FUNCTION")
    sys.path.insert(0, str(model.file.parent))
    make = runpy.run_path(str(model.file), run_name=model.file.stem).get(model.function)
    call = make() if callable(make) else None
    if not callable(call):
        raise BadInput(f"{model.path}: expected a function at the top level that returns a call without arguments")
    return CallSession(call, spec)


class CallSession:
    """A call without arguments; what it returns is held to be the same in every launch, where it is numbers."""

    def __init__(self, call: Callable[[], Any], spec: SessionSpec) -> None:
        self._call = call
        self.spec = spec
        self.inputs: tuple[TensorSpec, ...] = ()
        self.placement = Placement(nodes={"cpu": 1}, source="it runs wherever its author wrote it to")

    def run(self, images: NDArray[Any]) -> NDArray[Any]:  # noqa: ARG002 - the call has its input already
        """What the call returns as an array of numbers; one zero if it is anything else."""
        answer = self._call()
        try:
            result = np.asarray(answer)
        except Exception:  # noqa: BLE001 - any library's object may refuse to become an array
            return np.zeros(1)
        return result if result.dtype.kind in "biuf" else np.zeros(1)

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:  # noqa: ARG002 - the call has its input already
        """The call itself."""
        return self._call

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to free."""
