"""TFLite Micro's interpreter, as it runs on microcontrollers: for its answers and for the memory it needs.

It allocates nothing while it runs: every tensor lies in one arena of fixed size, which is the RAM that a model needs
there. The kernels here are the portable ones, much slower than those made for a processor; its latency on this machine
says nothing about any other.
"""

import re
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import Placement, SessionSpec
from edgefashion.registry import unknown
from edgefashion.runtimes import Availability, Logits, on_the_cpu_alone, require_provider
from edgefashion.runtimes.native_stderr import native_stderr

PACKAGE = "tflite_micro"
FORMATS = ("tflite",)
MAX_THREADS = 1
OPT_IN = True
START_S = 0.5
PROVIDERS = {"cpu": "cpu"}

REMEDY = "pip install 'edgefashion[tflite-micro]'"

# More than any model here needs. The system gives memory for what is touched, so what is left over costs nothing.
_AMPLE_BYTES = 2**26
_ALIGNMENT_BYTES = 16
_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


def available(provider: str | None = None) -> Availability:
    """Whether TFLite Micro is installed; it computes on the CPU."""
    return on_the_cpu_alone("tflite-micro", package=PACKAGE, remedy=REMEDY, module="tflite_micro", provider=provider)


def open_session(model: Artifact, spec: SessionSpec) -> "TfliteMicroSession":
    """The model in an interpreter, after a first call on a black picture.

    Options: `arena=BYTES`; by default more than enough. `arena_bytes` tells what is enough.

    Raises:
        UsageError: There is no such option, the arena is too small, or more than one thread was asked for.
        NotAvailable: TFLite Micro is not here.
        BadInput: TFLite Micro lacks an operator of the model, or one of its types.
    """
    require_provider(available, spec.provider)
    if spec.threads != 1:
        raise UsageError(f"tflite-micro computes in one thread: {spec.threads} were asked for")
    return TfliteMicroSession(model, spec)


def arena_bytes(model: Artifact) -> int:
    """The smallest arena that the model runs in, to 16 bytes.

    The interpreter adds up what it keeps. What it needs besides while it is made is found by trying: from that sum
    upwards, because in an arena of a few hundred bytes it crashes. Some of the arena is pointers: a processor of 32
    bits needs a little less than this machine.

    Raises:
        NotAvailable: TFLite Micro is not here.
        BadInput: It cannot run the model.
    """
    require_provider(available, PROVIDERS["cpu"])
    interpreter = _opened(model, _AMPLE_BYTES)
    with native_stderr() as said:
        interpreter.print_allocations()
    kept = next(int(found[1]) for found in map(_TOTAL.search, said) if found)
    return next(size for size in count(kept, _ALIGNMENT_BYTES) if _fits(model, size))


class TfliteMicroSession:
    """A .tflite model in TFLite Micro.

    Its tensors have the sizes in the file, one picture's: a batch is computed one picture after the other.

    Attributes:
        spec: How it was asked to run.
        inputs: What its manifest says about its input.
        placement: Every operator on the CPU.
    """

    def __init__(self, model: Artifact, spec: SessionSpec) -> None:
        self._interpreter = _opened(model, _arena(model, spec))
        self._path = model.path
        self.spec = spec
        self.inputs = [model.manifest.input]
        self.placement = Placement(
            nodes={spec.provider: _count_operators(model.content)},
            source="tflite-micro knows nothing but the processor",
        )

    def run(self, images: NDArray[Any]) -> Logits:
        """Logits float32[N, classes] of `images` uint8[N, H, W], computed one picture at a time.

        Raises:
            BadInput: The model takes other arrays.
        """
        rows = []
        for picture in self._pictures(images):
            self._interpreter.set_input(picture, 0)
            self._interpreter.invoke()
            rows.append(self._interpreter.get_output(0))
        return np.concatenate(rows)

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:
        """A call that runs one picture after the other; each is copied in first, as on a device.

        Raises:
            BadInput: The model takes other arrays.
        """
        pictures = self._pictures(images)
        put, invoke = self._interpreter.set_input, self._interpreter.invoke

        def call() -> None:
            for picture in pictures:
                put(picture, 0)
                invoke()

        return call

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the interpreter, which frees its arena."""
        del self._interpreter

    def _pictures(self, images: NDArray[Any]) -> list[NDArray[Any]]:
        """Each picture as a batch of one."""
        (taken,) = self.inputs
        if (images.dtype.name, list(images.shape[1:])) != (taken.dtype, taken.shape[1:]):
            raise BadInput(
                f"tflite-micro cannot run {self._path} on {images.dtype.name}{list(images.shape)}: "
                f"it takes {taken.dtype}{taken.shape}"
            )
        return [images[index : index + 1] for index in range(len(images))]


def _arena(model: Artifact, spec: SessionSpec) -> int:
    """The arena that was asked for, if it is enough."""
    for key in spec.options:
        if key != "arena":
            raise UsageError(unknown("option of tflite-micro", key, ("arena",)))
    given = spec.options.get("arena")
    if given is None:
        return _AMPLE_BYTES
    if not (given.isascii() and given.isdigit() and 0 < int(given) <= _AMPLE_BYTES):
        raise UsageError(f"the option arena of tflite-micro is a number of bytes up to {_AMPLE_BYTES}, not {given!r}")
    needed = arena_bytes(model)
    if int(given) < needed:
        raise UsageError(f"arena={given} is too small: {model.path} needs {needed:,} bytes")
    return int(given)


def _opened(model: Artifact, arena: int) -> Any:
    """An interpreter that has answered once: some kernels look at types no sooner than when they run."""
    from tflite_micro import runtime

    said: list[str] = []
    try:
        with native_stderr() as said:
            interpreter = runtime.Interpreter.from_bytes(model.content, arena_size=arena)
            taken = interpreter.get_input_details(0)
            interpreter.set_input(np.zeros(taken["shape"], taken["dtype"]), 0)
            interpreter.invoke()
    except Exception as error:  # a damaged file fails in struct, in flatbuffers or in TFLite Micro itself
        raise BadInput(f"tflite-micro refuses {model.path}: {'; '.join([str(error), *said])}") from error
    return interpreter


def _fits(model: Artifact, arena: int) -> bool:
    try:
        _opened(model, arena)
    except BadInput:
        return False
    return True


def _count_operators(content: bytes) -> int:
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated

    count: int = schema_py_generated.Model.GetRootAsModel(content, 0).Subgraphs(0).OperatorsLength()
    return count
