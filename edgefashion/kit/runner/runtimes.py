"""The runtimes that a kit can be for: by the name of the distribution, each with a module of this package."""

import importlib
from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

MODULES = {"onnxruntime": "edgefashion.kit.runner.ort", "ai-edge-litert": "edgefashion.kit.runner.litert"}


class Model(Protocol):
    """A model that is ready to run."""

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits float32[N, classes] of `images` uint8[N, H, W]."""

    def bind(self, images: NDArray[np.uint8]) -> Callable[[], object]:
        """A call that runs exactly `images` each time, with nothing left to prepare: for timing."""


class Runtime(Protocol):
    """What a runtime's module offers."""

    def version(self) -> str:
        """Its installed version; imports it."""

    def Model(self, content: bytes, *, threads: int) -> Model:  # noqa: N802 - the module's class
        """The model in `content`, on so many threads."""


def load_runtime(name: str) -> Runtime:
    """The module for a distribution of that name; the runtime itself is imported when it is asked for its version."""
    return cast("Runtime", importlib.import_module(MODULES[name]))
