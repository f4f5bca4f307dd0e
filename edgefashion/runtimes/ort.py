"""ONNX Runtime and its execution providers."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np

from edgefashion.artifact import Artifact
from edgefashion.environment import installed
from edgefashion.errors import BadInput, NotAvailable
from edgefashion.records import Placement, SessionSpec
from edgefashion.runtimes import Availability, Logits, Pixels, require_provider

PACKAGE = "onnxruntime"
FORMATS = ("onnx",)

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
}

_ON_CUDA = {"CUDAExecutionProvider", "TensorrtExecutionProvider"}
# TensorRT leaves to CUDA what it does not take; that is still the device that was asked for.
_COMPANIONS = {"TensorrtExecutionProvider": ["CUDAExecutionProvider"]}

_FATAL_ONLY = 4


def available() -> Availability:
    """Which of the known providers this build of onnxruntime offers."""
    import onnxruntime

    offered = set(onnxruntime.get_available_providers())
    return Availability(
        runtime="onnxruntime",
        version=installed(PACKAGE) or onnxruntime.__version__,
        providers={
            name: "" if name in offered else "this build of onnxruntime does not contain it"
            for name in PROVIDERS.values()
        },
    )


def open_session(artifact: Artifact, spec: SessionSpec) -> "OrtSession":
    """A session whose every node runs on the provider that was asked for.

    Raises:
        NotAvailable: The provider is absent, or nodes landed elsewhere.
        BadInput: onnxruntime refuses the model.
    """
    require_provider(available(), spec.provider)
    session = OrtSession(artifact, spec)
    wanted = {spec.provider, *_COMPANIONS.get(spec.provider, ())}
    if not wanted.issuperset(session.placement.nodes):
        raise NotAvailable(
            f"{spec.provider} did not take all of {artifact.manifest.variant}: {session.placement.text}; "
            "a model that runs in part on another device is not measured under this one's name"
        )
    return session


class OrtSession:
    """An ONNX model in ONNX Runtime."""

    def __init__(self, artifact: Artifact, spec: SessionSpec) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # An explicit count keeps pool threads inside the process's affinity mask; zero does not.
        options.intra_op_num_threads = spec.threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spec.spinning)))
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        # What is fatal is raised as an exception; the copies on stderr would tear the progress display.
        options.log_severity_level = _FATAL_ONLY
        try:
            self._session = onnxruntime.InferenceSession(
                artifact.content,
                options,
                providers=[spec.provider, *_COMPANIONS.get(spec.provider, ())],
            )
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            raise BadInput(f"onnxruntime refuses {artifact.path}: {_first_line(error)}") from error
        self._ort = onnxruntime
        self._device = "cuda" if spec.provider in _ON_CUDA else "cpu"
        self._input = artifact.manifest.input.name
        self._output = artifact.manifest.output.name
        self._classes = len(artifact.manifest.labels)
        self.spec = spec
        self.placement = _placement(self._session)

    def run(self, images: Pixels) -> Logits:
        """Logits float32[N, classes] of `images` uint8[N, H, W]."""
        (logits,) = self._session.run([self._output], {self._input: images})
        result: Logits = logits
        return result

    def bind(self, images: Pixels) -> Callable[[], Any]:
        """A call on inputs and outputs that lie on the device already; it returns when the outputs are there."""
        value = self._ort.OrtValue
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input, value.ortvalue_from_numpy(images, self._device, 0))
        binding.bind_ortvalue_output(
            self._output,
            value.ortvalue_from_shape_and_type([len(images), self._classes], np.float32, self._device, 0),
        )
        run = self._session.run_with_iobinding
        if self._device == "cpu":
            return lambda: run(binding)

        def run_and_wait() -> None:
            run(binding)
            binding.synchronize_outputs()

        return run_and_wait

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the session, which frees its memory."""
        del self._session


def _placement(session: Any) -> Placement:
    counts: dict[str, int] = {}
    for subgraph in session.get_provider_graph_assignment_info():
        counts[subgraph.ep_name] = counts.get(subgraph.ep_name, 0) + len(subgraph.get_nodes())
    return Placement(nodes=counts, source="recorded by onnxruntime while it assigned the graph")


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
