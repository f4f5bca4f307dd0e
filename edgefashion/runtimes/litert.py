"""LiteRT, once TensorFlow Lite: its interpreter, with XNNPACK's kernels unless asked for others.

An interpreter's tensors have the sizes that they were allocated for. A session has one interpreter, and makes another
when it meets another batch size. Bound inputs of a size share it, and a bound call copies its pictures in first (under
.5 µs for one): an interpreter each would have its own copy of the weights and its own threads, and would be timed with
colder caches than a device has.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import Placement, SessionSpec, TensorSpec
from edgefashion.registry import unknown
from edgefashion.runtimes import Availability, Logits, on_the_cpu_alone, require_provider
from edgefashion.runtimes.native_stderr import native_stderr

PACKAGE = "ai-edge-litert"
FORMATS = ("tflite",)
START_S = 0.5
PROVIDERS = {"cpu": "cpu"}

REMEDY = "pip install 'edgefashion[litert]'"

# Which kernels compute, by LiteRT's own name of what looks them up.
_KERNELS = {
    "xnnpack": "BUILTIN",
    "built-in": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
_DELEGATE = "DELEGATE"


def available(provider: str | None = None) -> Availability:
    """Whether LiteRT is installed; it computes on the CPU."""
    return on_the_cpu_alone(
        "litert", package=PACKAGE, remedy=REMEDY, module="ai_edge_litert.interpreter", provider=provider
    )


def open_session(model: Artifact, spec: SessionSpec) -> "LiteRtSession":
    """The model in an interpreter of exactly `spec.threads` threads.

    Options: `kernels=xnnpack` by default; `kernels=built-in` are LiteRT's own, and `kernels=reference` those that
    TFLite Micro shares: slow, and what other kernels are held against.

    Raises:
        UsageError: There is no such option, or no such kernels.
        NotAvailable: LiteRT is not here.
        BadInput: LiteRT refuses the model.
    """
    require_provider(available, spec.provider)
    return LiteRtSession(model, spec)


class LiteRtSession:
    """A .tflite model in LiteRT.

    Attributes:
        spec: How it was asked to run.
        inputs: Name, numpy's name of the element type, and shape of its input, as the file tells them.
    """

    def __init__(self, model: Artifact, spec: SessionSpec) -> None:
        self._model = model
        self._kernels = _kernels(spec)
        self.spec = spec
        self._current = self._allocated(None)
        (taken,), (given,) = self._current.get_input_details(), self._current.get_output_details()
        self._shape = tuple(taken["shape"].tolist())
        self._input, self._output = taken["index"], given["index"]
        self.inputs = [_spec_of(taken, self._current.get_signature_list())]
        self._operations = self._current._get_ops_details()  # noqa: SLF001 - there is no public way to see them

    @cached_property
    def placement(self) -> Placement:
        """Every node on the CPU, and how many of them XNNPACK took."""
        total = sum(operation["op_name"] != _DELEGATE for operation in self._operations)
        taken = count_delegated(self._operations)
        return Placement(
            nodes={self.spec.provider: total},
            source=f"XNNPACK computes {taken} of {total}: those between the tensors that its node takes and gives",
        )

    def run(self, images: NDArray[Any]) -> Logits:
        """Logits float32[N, classes] of `images` uint8[N, H, W].

        Raises:
            BadInput: The model takes other arrays.
        """
        interpreter = self._interpreter(images)
        interpreter.set_tensor(self._input, images)
        interpreter.invoke()
        result: Logits = interpreter.get_tensor(self._output)
        return result

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:
        """A call that copies `images` to the interpreter for as many and leaves the logits there.

        Raises:
            BadInput: The model takes other arrays.
        """
        interpreter, place = self._interpreter(images), self._input
        put, invoke = interpreter.set_tensor, interpreter.invoke

        def call() -> None:
            put(place, images)
            invoke()

        return call

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the interpreter, which frees its memory and ends its threads."""
        del self._current

    def _interpreter(self, images: NDArray[Any]) -> Any:
        (taken,) = self.inputs
        if images.dtype.name != taken.dtype:
            raise BadInput(f"LiteRT cannot run {self._model.path} on {images.dtype.name}: it takes {taken.dtype}")
        if images.shape != self._shape:
            self._current, self._shape = self._allocated(images.shape), images.shape
        return self._current

    def _allocated(self, shape: tuple[int, ...] | None) -> Any:
        """A new interpreter; of the shape in the file where none is given."""
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        try:
            with native_stderr():  # XNNPACK says there that it exists
                made = Interpreter(
                    model_content=self._model.content,
                    num_threads=self.spec.threads,
                    experimental_op_resolver_type=OpResolverType[self._kernels],
                )
                if shape is not None:
                    made.resize_tensor_input(self._input, shape, strict=True)
                made.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            what = "refuses" if shape is None else f"cannot run pictures of {list(shape)} through"
            raise BadInput(f"LiteRT {what} {self._model.path}: {error}") from error
        return made


def count_delegated(operations: Sequence[dict[str, Any]]) -> int:
    """How many operations a delegate computes.

    The interpreter adds a node for each delegate and does not say which operations it stands for: they are those that
    its outputs are computed by, back to its inputs.

    Args:
        operations: As the interpreter lists them: `index`, `op_name`, `inputs` and `outputs`, the latter by tensor.
    """
    own = [operation for operation in operations if operation["op_name"] != _DELEGATE]
    makers = {tensor: operation for operation in own for tensor in operation["outputs"]}
    inside: set[int] = set()
    for delegate in operations:
        if delegate["op_name"] != _DELEGATE:
            continue
        wanted, given = list(delegate["outputs"]), set(delegate["inputs"])
        while wanted:
            tensor = wanted.pop()
            maker = makers.get(tensor)
            if maker is None or tensor in given or maker["index"] in inside:
                continue
            inside.add(maker["index"])
            wanted += list(maker["inputs"])
    return len(inside)


def _kernels(spec: SessionSpec) -> str:
    for key in spec.options:
        if key != "kernels":
            raise UsageError(unknown("option of litert", key, ("kernels",)))
    name = spec.options.get("kernels", "xnnpack")
    if name not in _KERNELS:
        raise UsageError(unknown("kernels of litert", name, tuple(_KERNELS)))
    return _KERNELS[name]


def _spec_of(details: dict[str, Any], signatures: dict[str, Any]) -> TensorSpec:
    """An input as its signature names it; LiteRT has no names for open sizes, and ours is the number of pictures."""
    names = [signature["inputs"][0] for signature in signatures.values()]
    return TensorSpec(
        name=names[0] if names else details["name"],
        dtype=details["dtype"].__name__,
        shape=["batch" if size == -1 else size for size in details["shape_signature"].tolist()],
    )
