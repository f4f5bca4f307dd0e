"""ONNX Runtime's CPU provider, by what every release of it since 1.8 offers."""

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgefashion.errors import BadInput, CheckFailed, NotAvailable

_CPU = "CPUExecutionProvider"
_FATAL_ONLY = 4
_RELATIVE_TOLERANCE = 1e-3  # of the largest output

_CODE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")
_PLACE = re.compile(r"/\S+\.(cc|h):\d+ .*\) (?=[A-Z])")  # file, line and function


def version() -> str:
    """Its installed version.

    Raises:
        NotAvailable: It cannot be imported.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise NotAvailable(f"onnxruntime cannot be imported ({error}): pip install onnxruntime") from None
    return str(onnxruntime.__version__)


class Model:
    """An ONNX model in a session of its own.

    Raises:
        BadInput: onnxruntime refuses the model.
    """

    def __init__(self, content: bytes, *, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # An explicit count keeps pool threads inside the process's affinity mask; zero does not.
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = _FATAL_ONLY
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=[_CPU])
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            raise BadInput(f"onnxruntime {onnxruntime.__version__} refuses the model: {_words(error)}") from error
        self._value = onnxruntime.OrtValue
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits float32[N, classes] of `images` uint8[N, H, W].

        Raises:
            BadInput: The model does not run on them.
        """
        try:
            logits: NDArray[np.float32] = self._session.run([self._output], {self._input: images})[0]
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            raise BadInput(f"onnxruntime cannot run the model: {_words(error)}") from error
        return logits

    def bind(self, images: NDArray[np.uint8]) -> Callable[[], object]:
        """A call on input and output that lie in their places already, as edgefashion's own bench times it.

        Raises:
            CheckFailed: It does not leave the answers that `run` gives.
        """
        plain = self.run(images)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input, self._value.ortvalue_from_numpy(images, "cpu", 0))
        place = self._value.ortvalue_from_shape_and_type(list(plain.shape), plain.dtype, "cpu", 0)
        binding.bind_ortvalue_output(self._output, place)
        run = self._session.run_with_iobinding

        def call() -> None:
            run(binding)

        call()
        tolerance = _RELATIVE_TOLERANCE * float(np.abs(plain).max())
        if not np.allclose(binding.copy_outputs_to_cpu()[0], plain, rtol=0, atol=tolerance):
            raise CheckFailed("the model answers otherwise through bound input and output")
        return call


def _words(error: Exception) -> str:
    """The first line of what it says, without codes and places in onnxruntime's sources."""
    said = _PLACE.sub("", _CODE.sub("", str(error).strip())).splitlines()
    return said[0] if said else type(error).__name__
