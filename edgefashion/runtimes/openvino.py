"""OpenVINO itself, reading ONNX models unchanged, float32 and int8 in QDQ form: measured only if asked for by name.

OpenVINO would compute in bfloat16 where the processor has it; here it is held to float32 unless an option says
otherwise. Its kernels are made for fixed shapes, so a model is compiled for each shape that it meets: for one picture
when it is opened, for another batch size by the first call with it, .1 to .3 s each.
"""

import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact, Model
from edgefashion.environment import installed
from edgefashion.errors import BadInput, EdgefashionError, UsageError
from edgefashion.records import Placement, SessionSpec, TensorSpec
from edgefashion.registry import unknown
from edgefashion.runtimes import Availability, require_provider

PACKAGE = "openvino"
FORMATS = ("onnx",)
OPT_IN = True
START_S = 1.0
PROVIDERS = {"cpu": "cpu", "gpu": "gpu", "npu": "npu"}

REMEDY = "pip install 'edgefashion[openvino]'"

_TELEMETRY = "openvino_telemetry"
_PRECISION = "INFERENCE_PRECISION_HINT"
_THREADS = "INFERENCE_NUM_THREADS"
_SUMMARY, _POINT = "Summary:", "-- "
# What these say is said by the session's threads, and by the cores that the process may use.
_DECIDED = (_THREADS, "NUM_STREAMS", "ENABLE_CPU_PINNING")
# Entries of an execution graph that compute nothing.
_NO_LAYERS = ("Const", "Input", "Output")


def available(provider: str | None = None) -> Availability:
    """Which devices OpenVINO finds here, and which of them compute in float32."""
    return availability("openvino", provider, precision="f32")


def open_session(model: Model, spec: SessionSpec) -> "OpenVinoSession":
    """The model compiled for the device that was asked for.

    Options: OpenVINO's properties of the device, by their own names, as PERFORMANCE_HINT=THROUGHPUT.

    Raises:
        UsageError: The device has no such property or refuses its value, or does not take so many threads.
        NotAvailable: OpenVINO or the device is not here.
        BadInput: OpenVINO refuses the model, or it has several inputs.
    """
    require_provider(available, spec.provider)
    return OpenVinoSession(model, spec, {_PRECISION: "f32", **spec.options})


def availability(runtime: str, provider: str | None, *, precision: Literal["f32", "bf16"]) -> Availability:
    """Which devices compute in `precision`, or whether the one that is asked about does; why the rest does not."""
    asked = [name for name in PROVIDERS.values() if provider in (None, name)]
    version = installed(PACKAGE)
    if version is None:
        return Availability(runtime, None, dict.fromkeys(asked, "openvino is not installed"), REMEDY)
    core = load().Core()
    return Availability(runtime, version, {name: _why_not(core, name, precision) for name in asked})


def load() -> Any:
    """OpenVINO's module, imported without its telemetry.

    The first import of openvino sends an event to Google Analytics and leaves an identifier in the home folder, unless
    the package that does it cannot be imported: then OpenVINO puts a stub of its own in its place.
    """
    loaded = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment] # how Python is told that a module cannot be imported
    try:
        import openvino
    finally:
        del sys.modules[_TELEMETRY]
        if loaded is not None:
            sys.modules[_TELEMETRY] = loaded
    return openvino


def _why_not(core: Any, provider: str, precision: str) -> str:
    device = provider.upper()
    # Asking for the list looks for drivers of every device; the processor is always on it.
    if device != "CPU" and device not in {name.split(".")[0] for name in core.available_devices}:
        return f"OpenVINO finds no {device}"
    name = {"f32": "FP32", "bf16": "BF16"}[precision]
    known = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    return "" if name in known else f"this {device} does not compute in {name}, but in {', '.join(known)}"


class OpenVinoSession:
    """An ONNX model in OpenVINO.

    Attributes:
        spec: How it was asked to run.
        inputs: What its manifest says about its input; of a foreign model what OpenVINO tells.
    """

    def __init__(self, model: Model, spec: SessionSpec, properties: dict[str, str]) -> None:
        """Read the model and compile it for one picture.

        Args:
            model: Its bytes are read.
            spec: Decides device and threads.
            properties: OpenVINO's, options of the session among them.
        """
        self._openvino = load()
        self._core = self._openvino.Core()
        self._device = spec.provider.upper()
        self._path = model.path
        self.spec = spec
        self._properties = self._checked(properties)
        try:
            self._graph = self._core.read_model(model.content)
        except RuntimeError as error:
            raise BadInput(f"openvino refuses {model.path}: {_words_of(error)}") from error
        if len(self._graph.inputs) != 1:
            raise BadInput(f"{model.path} has {len(self._graph.inputs)} inputs: expected one")
        self.inputs = [model.manifest.input if isinstance(model, Artifact) else _tensor(self._graph.inputs[0])]
        self._compiled: dict[tuple[int, ...], Any] = {}
        self._first = self._compiled_at_first()

    @property
    def placement(self) -> Placement:
        """Every layer on the one device, and in which precision, as the graph says that OpenVINO executes."""
        layers = [node.get_rt_info() for node in self._first.get_runtime_model().get_ordered_ops()]
        computed = [layer for layer in layers if layer["layerType"].value not in _NO_LAYERS]
        precisions = Counter(layer["runtimePrecision"].value for layer in computed).most_common()
        words = ", ".join(f"{count} in {precision}" for precision, count in precisions)
        return Placement(
            nodes={self.spec.provider: len(computed)}, source=f"OpenVINO's execution graph, after fusion: {words}"
        )

    def run(self, images: NDArray[Any]) -> NDArray[Any]:
        """The first output for `images`: logits float32[N, classes] of uint8[N, H, W] for a model of edgefashion's.

        Raises:
            BadInput: The model does not run on this input.
        """
        # A copy: the tensor belongs to the request.
        return np.array(self._run(images).get_output_tensor(0).data)

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:
        """A call on an input that lies in a tensor of OpenVINO's; outputs stay in the request's own tensors.

        Raises:
            BadInput: The model does not run on this input.
        """
        # Shared outputs are not copied; shared inputs would be wrapped again in each call, which takes longer.
        return partial(self._run(images).infer, share_outputs=True)

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was compiled, which frees its memory."""
        self._compiled.clear()
        del self._first, self._graph

    def _run(self, images: NDArray[Any]) -> Any:
        """A request that has answered to `images`."""
        try:
            request = self._compiled_for(images.shape).create_infer_request()
            request.set_input_tensor(self._openvino.Tensor(images))
            request.infer(share_outputs=True)
        except RuntimeError as error:
            shape = f"{images.dtype}{list(images.shape)}"
            raise BadInput(f"openvino cannot run {self._path} on {shape}: {_words_of(error)}") from error
        return request

    def _compiled_at_first(self) -> Any:
        """The model for one picture; as it is, where its pictures have no fixed size."""
        shape = self.inputs[0].shape
        if not all(isinstance(size, int) for size in shape[1:]):
            return self._compile(self._graph)
        return self._compiled_for(tuple(size if isinstance(size, int) else 1 for size in shape))

    def _compiled_for(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._compiled:
            asked = self._openvino.PartialShape(list(shape))
            if not self._graph.inputs[0].partial_shape.compatible(asked):
                raise BadInput(f"openvino cannot run {self._path} on {list(shape)}: it takes {self.inputs[0].shape}")
            graph = self._graph.clone()
            graph.reshape(asked)
            self._compiled[shape] = self._compile(graph)
        return self._compiled[shape]

    def _compile(self, graph: Any) -> Any:
        try:
            compiled = self._core.compile_model(graph, self._device, self._properties)
        except RuntimeError as error:
            raise self._explained(graph, error) from error
        # OpenVINO changes without a word what it cannot do.
        precision = compiled.get_property(_PRECISION).get_type_name()
        if precision != self._properties[_PRECISION]:
            raise UsageError(f"openvino would compute in {precision} here, not in {self._properties[_PRECISION]}")
        threads = compiled.get_property(_THREADS) if self._device == "CPU" else self.spec.threads
        if threads != self.spec.threads:
            raise UsageError(f"openvino would take {threads} threads here, not {self.spec.threads}")
        return compiled

    def _explained(self, graph: Any, error: RuntimeError) -> EdgefashionError:
        """Whose fault it is that the model was not compiled, found by leaving out the options."""
        given = ", ".join(f"{key}={value}" for key, value in self.spec.options.items())
        try:
            self._core.compile_model(graph, self._device, {})
        except RuntimeError:
            return BadInput(f"openvino cannot compile {self._path}: {_words_of(error)}")
        return UsageError(f"openvino refuses the options {given}: {_words_of(error)}")

    def _checked(self, properties: dict[str, str]) -> dict[str, str]:
        """`properties`, all of which the device has, with those that the session decides."""
        access = self._core.get_property(self._device, "SUPPORTED_PROPERTIES")
        known = tuple(name for name in access if access[name] == "RW")
        for name in properties:
            if name in _DECIDED:
                raise UsageError(f"{name} is no option: threads, and the cores of the process, decide it")
            if name not in known:
                raise UsageError(unknown(f"property of openvino's {self._device}", name, known))
        # The process's affinity mask decides where threads run: pinned ones would leave it.
        threads = {_THREADS: str(self.spec.threads), "ENABLE_CPU_PINNING": "NO"}
        return {**properties, "NUM_STREAMS": "1", **(threads if self._device == "CPU" else {})}


def _tensor(port: Any) -> TensorSpec:
    shape = port.partial_shape
    sizes = [] if shape.rank.is_dynamic else ["open" if size.is_dynamic else size.get_length() for size in shape]
    return TensorSpec(name=port.any_name, dtype=np.dtype(port.element_type.to_dtype()).name, shape=sizes)


def _words_of(error: RuntimeError) -> str:
    """What OpenVINO says, in one line and without the places in its sources."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Exception from")]
    if _SUMMARY in lines:
        # A log of several pages ends in what it comes to, and in advice for those who write operators.
        points = [line for line in lines[lines.index(_SUMMARY) + 1 :] if line.startswith(_POINT)]
        if points:
            return "; ".join(point.removeprefix(_POINT) for point in points)
    return lines[-1] if lines else type(error).__name__
