"""LiteRT's interpreter on XNNPACK's kernels, for one picture a call."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.errors import BadInput, NotAvailable


def version() -> str:
    """Its installed version.

    Raises:
        NotAvailable: It cannot be imported.
    """
    from importlib import metadata

    try:
        import ai_edge_litert.interpreter  # noqa: F401 - what takes the time is imported here

        return metadata.version("ai-edge-litert")
    except ImportError as error:
        raise NotAvailable(f"ai-edge-litert cannot be imported ({error}): pip install ai-edge-litert") from None


class Model:
    """A .tflite model in an interpreter of its own.

    Raises:
        BadInput: LiteRT refuses the model.
    """

    def __init__(self, content: bytes, *, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            made: Any = Interpreter(model_content=content, num_threads=threads)
            (taken,), (given,) = made.get_input_details(), made.get_output_details()
            self._input, self._output = taken["index"], given["index"]
            # Sizes are fixed when tensors are allocated: one picture, as on a device.
            made.resize_tensor_input(self._input, [1, *taken["shape"][1:].tolist()], strict=True)
            made.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BadInput(f"LiteRT {version()} refuses the model: {error}") from error
        self._interpreter = made

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits float32[1, classes] of `images` uint8[1, H, W]."""
        self.bind(images)()
        logits: NDArray[np.float32] = self._interpreter.get_tensor(self._output)
        return logits

    def bind(self, images: NDArray[np.uint8]) -> Callable[[], object]:
        """A call that copies `images` in and leaves the logits in their place, as edgefashion's own bench times it."""
        put, invoke, place = self._interpreter.set_tensor, self._interpreter.invoke, self._input

        def call() -> None:
            put(place, images)
            invoke()

        return call
