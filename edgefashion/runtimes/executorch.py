"""ExecuTorch: programs in the format .pte, most of whose operators XNNPACK computes.

Only its C++ part is loaded, and torch, whose tensors it takes. Its public Python module would import the exporter as
well, nearly 2,000 more modules, for the sake of a class of warnings.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.environment import installed
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import Placement, SessionSpec
from edgefashion.runtimes import Availability, Logits, require_provider
from edgefashion.runtimes.native_stderr import native_stderr
from edgefashion.runtimes.pte import count_operators

PACKAGE = "executorch"
DISTRIBUTIONS = ("executorch", "torch")
FORMATS = ("executorch",)
START_S = 3.0
PROVIDERS = {"cpu": "cpu"}

REMEDY = "pip install 'edgefashion[executorch]'"

_METHOD = "forward"
_DELEGATE = "XnnpackBackend"


def available(provider: str | None = None) -> Availability:
    """Whether ExecuTorch is here and has XNNPACK in it."""
    asked = [name for name in PROVIDERS.values() if provider in (None, name)]
    version = installed(PACKAGE)
    if version is None:
        return Availability("executorch", None, dict.fromkeys(asked, "executorch is not installed"), REMEDY)
    return Availability("executorch", version, dict.fromkeys(asked, _why_unusable()))


def open_session(model: Artifact, spec: SessionSpec) -> "ExecutorchSession":
    """The program, loaded from the bytes that were checked.

    Raises:
        UsageError: Options were given; or a session with another number of threads is open in this process.
        NotAvailable: executorch or torch is not here, or they do not fit together.
        BadInput: ExecuTorch refuses the program.
    """
    require_provider(available, spec.provider)
    if spec.options:
        raise UsageError(f"executorch takes no options: got {', '.join(spec.options)}")
    return ExecutorchSession(model, spec)


class ExecutorchSession:
    """A program in ExecuTorch.

    Attributes:
        spec: How it was asked to run.
        inputs: What its manifest says about its input.
        placement: Everything on the processor, and how much of it in XNNPACK.
    """

    def __init__(self, model: Artifact, spec: SessionSpec) -> None:
        native = _native()
        self._path = model.path
        # ExecuTorch does not copy these bytes: weights are read from them for as long as the program runs.
        self._content = model.content
        self._method = _load(native, model, spec.threads)
        self._capacity: int = self._method.method_meta().input_tensor_meta(0).sizes()[0]
        self._tensor: Any = None
        self.spec = spec
        self.inputs = [model.manifest.input]
        self.placement = _placement(model)
        _OPEN.add(self)

    def run(self, images: NDArray[Any]) -> Logits:
        """Logits float32[N, classes] of `images` uint8[N, H, W].

        Raises:
            BadInput: The model does not run on this input.
        """
        return np.concatenate([self._answer(part) for part in self._parts(images)])

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:
        """A call that copies `images` into the program's input and runs it.

        The input is one for all calls that are bound: telling ExecuTorch of another takes 10 µs, copying a picture .5.
        """
        parts = self._parts(images)

        def run() -> None:
            for part in parts:
                self._execute(part)

        return run

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the program, which frees its memory."""
        _OPEN.discard(self)
        del self._method, self._content

    def _parts(self, images: NDArray[Any]) -> list[NDArray[Any]]:
        """`images` in as many calls as the program needs: the memory it has planned holds only so many pictures."""
        (wanted,) = self.inputs
        if images.dtype != wanted.dtype or list(images.shape[1:]) != wanted.shape[1:] or not len(images):
            raise BadInput(f"executorch cannot run {self._path} on {images.dtype}{list(images.shape)}")
        return [images[start : start + self._capacity] for start in range(0, len(images), self._capacity)]

    def _answer(self, part: NDArray[Any]) -> Logits:
        self._execute(part)
        logits: Logits = self._method.get_outputs()[0].numpy()
        return logits

    def _execute(self, part: NDArray[Any]) -> None:
        if self._tensor is None or self._tensor.shape != part.shape:
            self._take_input_of(part.shape)
        np.copyto(self._view, part)
        self._method.execute()

    def _take_input_of(self, shape: tuple[int, ...]) -> None:
        """Give the program an input of this shape; it reads from there until it is given another."""
        import torch

        self._tensor = torch.empty(shape, dtype=torch.uint8)
        self._view = self._tensor.numpy()
        self._method.set_inputs([self._tensor])


# Sessions whose memory belongs to the one pool of threads that there is.
_OPEN: WeakSet[ExecutorchSession] = WeakSet()


def _native() -> Any:
    """ExecuTorch's C++ part; it finds torch's libraries only if torch has been imported."""
    import torch  # noqa: F401 - see above
    from executorch.extension.pybindings import _C

    return _C


def _why_unusable() -> str:
    try:
        native = _native()
    except ImportError as error:
        return f"its libraries cannot be loaded beside torch {installed('torch')}: {error}"
    return "" if native._is_available(_DELEGATE) else "it was built without XNNPACK"  # noqa: SLF001 - its only names


def _load(native: Any, model: Artifact, threads: int) -> Any:
    try:
        with native_stderr() as said:
            _use_threads(native, threads)
            return native._load_program_from_buffer(model.content).load_method(_METHOD)  # noqa: SLF001 - its only names
    except RuntimeError as error:
        raise BadInput(f"executorch refuses {model.path}: {said[-1] if said else error}") from error


def _use_threads(native: Any, threads: int) -> None:
    """Make the process's one pool as large as asked for; programs that are open would keep pointers to the old one."""
    if native._threadpool_get_thread_count() == threads:  # noqa: SLF001 - its only names
        return
    if _OPEN:
        others = next(iter(_OPEN)).spec.threads
        raise UsageError(
            f"executorch has one pool of threads a process, now of {others}: close that session before one of {threads}"
        )
    native._unsafe_reset_threadpool(threads)  # noqa: SLF001 - its only names


def _placement(model: Artifact) -> Placement:
    found = count_operators(model.content)
    total = found.delegated + found.own
    return Placement(
        nodes={"cpu": total},
        source=f"counted in the program: {found.delegated} of {total} operators in XNNPACK, {found.own} in ExecuTorch",
    )
