"""ONNX Runtime and its execution providers."""

import json
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Model
from edgefashion.environment import installed
from edgefashion.errors import BadInput, CheckFailed, EdgefashionError, NotAvailable, UsageError
from edgefashion.records import Placement, SessionSpec, TensorSpec
from edgefashion.runtimes import Availability, require_provider
from edgefashion.runtimes.placement import check_placement, time_share
from edgefashion.runtimes.plug_ins import choose_device, devices_of, why_absent, words_of
from edgefashion.runtimes.providers import BUILDS, BY_OWN_NAME, CPU, TABLE

PACKAGE = next(filter(installed, BUILDS), BUILDS[0])
FORMATS = ("onnx",)
START_S = 0.4
PROVIDERS = {provider.name: provider.own_name for provider in TABLE}

_FATAL_ONLY = 4
_PROFILED_CALLS = 20
_RELATIVE_TOLERANCE = 1e-3  # of the largest output: some devices add in another order each time
# onnxruntime's names of element types where they differ from numpy's.
_ELEMENTS = {"float": "float32", "double": "float64"}


def available(provider: str | None = None) -> Availability:
    """Which of the known providers work here; installed plug-ins are loaded to find out.

    Args:
        provider: Own name of the only one that is asked about; all by default. Who measures asks about one: every
            plug-in that is loaded costs memory and threads.
    """
    import onnxruntime

    return Availability(
        runtime="onnxruntime",
        version=installed(PACKAGE) or onnxruntime.__version__,
        providers={each.own_name: why_absent(each) for each in TABLE if provider in (None, each.own_name)},
    )


def open_session(model: Model, spec: SessionSpec) -> "OrtSession":
    """A session whose every node runs on the provider that was asked for, or some of them where that is allowed.

    Raises:
        UsageError: The provider does not take these options.
        NotAvailable: The provider is absent, cannot open this model, or nodes landed elsewhere.
        BadInput: onnxruntime refuses the model.
    """
    require_provider(available, spec.provider)
    if spec.provider == CPU and spec.options:
        # onnxruntime accepts anything here, and ignores it.
        raise UsageError(f"{CPU} takes no options: got {', '.join(spec.options)}")
    session = OrtSession(model, spec)
    check_placement(session.nodes, BY_OWN_NAME[spec.provider], model=model.path.name, allow_partial=spec.allow_partial)
    return session


class OrtSession:
    """An ONNX model in ONNX Runtime.

    Attributes:
        spec: How it was asked to run.
        inputs: Name, numpy's name of the element type, and shape of each input, as onnxruntime tells them.
        nodes: How many nodes each provider was given, by its own name.
    """

    def __init__(self, model: Model, spec: SessionSpec) -> None:
        import onnxruntime

        try:
            self._session = _create(model, spec)
        except EdgefashionError:
            raise
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            raise _explained(error, model, spec) from error
        self._value = onnxruntime.OrtValue
        self._model = model
        self._memory = BY_OWN_NAME[spec.provider].memory
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.spec = spec
        self.inputs = [_tensor(argument) for argument in self._session.get_inputs()]
        self.nodes = _count_nodes(self._session)

    @cached_property
    def placement(self) -> Placement:
        """Which provider each node was given; the first look profiles a second session if there are several."""
        return Placement(
            nodes=self.nodes,
            source="recorded by onnxruntime while it assigned the graph",
            time_share=_time_share(self._model, self.spec, self.inputs) if len(self.nodes) > 1 else {},
        )

    def run(self, images: NDArray[Any]) -> NDArray[Any]:
        """The first output for `images`: logits float32[N, classes] of uint8[N, H, W] for a model of edgefashion's.

        Raises:
            BadInput: The model does not run on this input.
        """
        result: NDArray[Any] = self._run(images)[0]
        return result

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:
        """A call on inputs and outputs that lie where they are computed; it returns when the outputs are there.

        A plug-in's inputs and outputs lie in the processor's memory: with outputs on a device, `synchronize_outputs`
        of onnxruntime 1.32 does not wait for a plug-in, and the call would seem to take no time.

        Raises:
            BadInput: The model does not run on this input.
            CheckFailed: The bound call does not leave the answers that the plain one gives.
        """
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self.inputs[0].name, self._value.ortvalue_from_numpy(images, self._memory, 0))
        plain = self._run(images)
        for name, output in zip(self._outputs, plain, strict=True):
            place = self._value.ortvalue_from_shape_and_type(output.shape, output.dtype, self._memory, 0)
            binding.bind_ortvalue_output(name, place)
        run = self._session.run_with_iobinding

        def run_and_wait() -> None:
            run(binding)
            binding.synchronize_outputs()

        call = (lambda: run(binding)) if self._memory == "cpu" else run_and_wait
        call()
        # What is timed must be what was checked: a bound call that does not wait, or does nothing, would be fast.
        if not _alike(binding.copy_outputs_to_cpu()[0], plain[0]):
            raise CheckFailed(f"{self._model.path} answers wrongly through bound inputs and outputs")
        return call

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the session, which frees its memory."""
        del self._session

    def _run(self, images: NDArray[Any]) -> list[NDArray[Any]]:
        try:
            results: list[NDArray[Any]] = self._session.run(self._outputs, {self.inputs[0].name: images})
        except Exception as error:  # onnxruntime's exceptions share no base class but this
            shape = f"{images.dtype}{list(images.shape)}"
            raise BadInput(f"onnxruntime cannot run {self._model.path} on {shape}: {words_of(error)}") from error
        return results


def _alike(bound: NDArray[Any], plain: NDArray[Any]) -> bool:
    if plain.dtype.kind not in "biuf":
        return True  # what is no number is refused where outputs are held against those expected
    largest = float(np.abs(plain[np.isfinite(plain)].astype(np.float64)).max(initial=0))
    return bool(np.allclose(bound, plain, rtol=0, atol=_RELATIVE_TOLERANCE * largest, equal_nan=True))


def _create(model: Model, spec: SessionSpec, *, profile: Path | None = None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # An explicit count keeps pool threads inside the process's affinity mask; zero does not.
    options.intra_op_num_threads = spec.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spec.spinning)))
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    # What is fatal is raised as an exception; the copies on stderr would tear the progress display.
    options.log_severity_level = _FATAL_ONLY
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    provider = BY_OWN_NAME[spec.provider]
    devices = devices_of(provider)
    if devices:
        device, own_options = choose_device(provider, devices, spec.options)
        options.add_provider_for_devices([device], own_options)
        providers = None
    else:
        providers = [(spec.provider, spec.options), *provider.companions]
    # Its fallback would put another provider in this one's place after a failure, with no more than a line on stdout.
    return onnxruntime.InferenceSession(model.content, options, providers=providers, enable_fallback=0)


def _explained(error: Exception, model: Model, spec: SessionSpec) -> EdgefashionError:
    """Whose fault it is that no session was made, found by leaving out one thing after the other."""
    if spec.options and _opens(model, msgspec.structs.replace(spec, options={})):
        given = ", ".join(f"{key}={value}" for key, value in spec.options.items())
        return UsageError(f"{spec.provider} refuses the options {given}: {words_of(error)}")
    if spec.provider != CPU and _opens(model, SessionSpec(spec.runtime, CPU)):
        return NotAvailable(f"{spec.provider} cannot open {model.path}: {words_of(error)}")
    return BadInput(f"onnxruntime refuses {model.path}: {words_of(error)}")


def _opens(model: Model, spec: SessionSpec) -> bool:
    try:
        _create(model, spec)
    except Exception:  # noqa: BLE001 - onnxruntime's exceptions share no base class but this
        return False
    return True


def _tensor(argument: Any) -> TensorSpec:
    element = argument.type.removeprefix("tensor(").removesuffix(")")
    shape = [size if isinstance(size, int) else size or "open" for size in argument.shape]
    return TensorSpec(name=argument.name, dtype=_ELEMENTS.get(element, element), shape=shape)


def _count_nodes(session: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for subgraph in session.get_provider_graph_assignment_info():
        counts[subgraph.ep_name] = counts.get(subgraph.ep_name, 0) + len(subgraph.get_nodes())
    return counts


def _time_share(model: Model, spec: SessionSpec, inputs: list[TensorSpec]) -> dict[str, float]:
    """Each provider's share of a call on zeros, batch 1, in a session of its own: profiling slows every call."""
    zeros = {
        each.name: np.zeros([size if isinstance(size, int) else 1 for size in each.shape], each.dtype)
        for each in inputs
    }
    with tempfile.TemporaryDirectory(prefix="edgefashion-profile-") as folder:
        session = _create(model, spec, profile=Path(folder) / "calls")
        for _ in range(_PROFILED_CALLS):
            session.run(None, zeros)
        return time_share(json.loads(Path(session.end_profiling()).read_text()))
