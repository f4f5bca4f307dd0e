"""Runtimes: one file each, one line in the registry.

A runtime's module offers

    PROVIDERS: Mapping[str, str]                       short name → the runtime's own name of a provider
    PACKAGE: str                                       the distribution that provides it
    FORMATS: tuple[str, ...]                           formats of models that it opens
    available(provider=None) -> Availability           what is here, and why the rest is not; or of one provider alone
    open_session(model, spec) -> Session               checked: the provider exists and got the nodes

and may offer

    OPT_IN: bool                                       whether it is measured only if asked for by name; default False
    START_S: float                                     seconds until it has made a session, for estimates; default 1
    DISTRIBUTIONS: tuple[str, ...]                     what must be on a device's disk to run it; default (PACKAGE,)
    version() -> str                                   of what runs models, where that is not PACKAGE
    MAX_THREADS: int                                   where it cannot use more: no cell is planned with more

A session whose calls are made elsewhere, as in a browser, may bring the clock that they are timed with:

    clock() -> int                                     nanoseconds; stands still while a request is on its way
    shortest_sample_ns: int                            what that clock can time to within a per cent

Once its clock has been read, such a session may put bound calls off until the clock is read again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import Any, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Model
from edgefashion.environment import installed
from edgefashion.errors import NotAvailable, UsageError
from edgefashion.records import Placement, SessionSpec, TensorSpec
from edgefashion.registry import Registry, unknown

RUNTIMES = Registry(
    kind="runtime",
    group="edgefashion.runtimes",
    built_in={
        "onnxruntime": "edgefashion.runtimes.ort",
        "openvino": "edgefashion.runtimes.openvino",
        "openvino-bf16": "edgefashion.runtimes.openvino_bf16",
        "litert": "edgefashion.runtimes.litert",
        "tflite-micro": "edgefashion.runtimes.tflite_micro",
        "executorch": "edgefashion.runtimes.executorch",
        "ncnn": "edgefashion.runtimes.ncnn",
        "pytorch": "edgefashion.runtimes.pytorch",
        "pytorch-channels-last": "edgefashion.runtimes.pytorch_channels_last",
        "torch-compile": "edgefashion.runtimes.torch_compile",
        "aotinductor": "edgefashion.runtimes.aotinductor",
        "web": "edgefashion.runtimes.web",
        "c": "edgefashion.runtimes.c",
        "python": "edgefashion.runtimes.python",
    },
)

Logits = NDArray[np.float32]
Pixels = NDArray[np.uint8]


class Session(Protocol):
    """A model loaded by a runtime, ready to run."""

    @property
    def spec(self) -> SessionSpec:
        """How it was asked to run."""

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What it takes; element types by numpy's names."""

    @property
    def placement(self) -> Placement:
        """Which provider each node was really given."""

    def run(self, images: NDArray[Any]) -> NDArray[Any]:
        """Logits float32[N, classes] of `images` uint8[N, H, W]; of a foreign model its first output."""

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:
        """A call that runs exactly `images` each time, with nothing left to prepare: for timing."""

    def __enter__(self) -> Self:
        """The session itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free what the session holds."""


@dataclass(frozen=True)
class Availability:
    """What a runtime can do on this machine.

    Attributes:
        runtime: Its name in the registry.
        version: Installed version; None where it is not installed.
        providers: Own name of each provider to "" where it works, or the reason why it does not.
        remedy: What would make an absent runtime present; empty if it is.
    """

    runtime: str
    version: str | None
    providers: Mapping[str, str]
    remedy: str = ""

    @property
    def usable(self) -> tuple[str, ...]:
        """Own names of the providers that work here."""
        return tuple(name for name, reason in self.providers.items() if not reason)


def on_the_cpu_alone(
    runtime: str, *, package: str, remedy: str, module: str, provider: str | None = None
) -> Availability:
    """What a runtime that has no provider but the CPU can do here: everything, if its package is installed.

    Its module is imported. Whoever asks is about to open a session, and the import is no part of that one's time.

    Args:
        runtime: Its name in the registry.
        package: The distribution that brings it.
        remedy: What would install that.
        module: What a session imports.
        provider: The one that is asked about.
    """
    asked = ["cpu"] if provider in {None, "cpu"} else []
    version = installed(package)
    if version is None:
        return Availability(runtime, None, dict.fromkeys(asked, f"{package} is not installed"), remedy)
    import_module(module)
    return Availability(runtime, version, dict.fromkeys(asked, ""))


class Runtime(Protocol):
    """A runtime's module; the docstring of this package says what each attribute means."""

    PROVIDERS: Mapping[str, str]
    PACKAGE: str
    FORMATS: tuple[str, ...]

    def available(self, provider: str | None = None) -> Availability:
        """What is here, and why the rest is not."""

    def open_session(self, model: Model, spec: SessionSpec) -> Session:
        """A session that runs where it was asked to."""


_REQUIRED = ("PROVIDERS", "PACKAGE", "FORMATS", "available", "open_session")


def load_runtime(name: str) -> Runtime:
    """The module of a runtime, with everything that a runtime must offer.

    Raises:
        UsageError: No runtime has that name, or what has it is no runtime.
        NotAvailable: Another package registered it and it cannot be imported.
    """
    try:
        module = RUNTIMES.load(name)
    except ImportError as error:
        if name in RUNTIMES.built_in:
            raise
        raise NotAvailable(f"the runtime {name!r}, which another package adds, cannot be imported: {error}") from error
    missing = [attribute for attribute in _REQUIRED if not hasattr(module, attribute)]
    if missing:
        raise UsageError(
            f"the runtime {name!r} is broken: its module {module.__name__} lacks {', '.join(missing)}; "
            "tell who made it, or uninstall it"
        )
    return cast("Runtime", module)


def open_session(model: Model, spec: SessionSpec) -> Session:
    """Open `model` as `spec` says, or say why not; never something else in its place.

    Raises:
        UsageError: No runtime has that name, it does not open this format, or it does not take these options.
        NotAvailable: The runtime or the provider is not here, or the provider did not get every node.
        BadInput: The runtime refuses the model.
    """
    runtime = load_runtime(spec.runtime)
    if model.format not in runtime.FORMATS:
        raise UsageError(f"{spec.runtime} opens {' and '.join(runtime.FORMATS)}: {model.path} is neither")
    return runtime.open_session(model, spec)


def runtimes_for(model: Model) -> list[str]:
    """Every registered runtime that opens the model's format, the built-in ones first; none is imported."""
    return [name for name in RUNTIMES.names() if model.format in load_runtime(name).FORMATS]


def default_runtime(model: Model) -> str:
    """The first runtime that opens the model's format."""
    return next(name for name in RUNTIMES.names() if model.format in load_runtime(name).FORMATS)


def is_installed(runtime: str) -> bool:
    """Whether the runtime's package is installed; imports nothing but the runtime's file here."""
    return installed(load_runtime(runtime).PACKAGE) is not None


def why_unusable(runtime: str, providers: Sequence[str]) -> str:
    """Why a runtime works with none of the providers, named as a person names them; empty if it works with one."""
    module = load_runtime(runtime)
    if not is_installed(runtime):
        return f"not installed ({module.available().remedy})"
    known = [resolve_provider(runtime, name) for name in providers if knows_provider(runtime, name)]
    if not known:
        return f"it has no provider {' or '.join(providers)}"
    reasons = [module.available(name).providers.get(name, "unknown here") for name in known]
    return "" if "" in reasons else "; ".join(reasons)


def knows_provider(runtime: str, name: str) -> bool:
    """Whether a runtime has a provider that a person, or the runtime itself, calls `name`."""
    known = load_runtime(runtime).PROVIDERS
    return name in known.values() or name.lower() in known


def default_spec(model: Model, *, threads: int = 1) -> SessionSpec:
    """The first runtime that opens the model's format, on the CPU."""
    runtime = default_runtime(model)
    return SessionSpec(runtime=runtime, provider=resolve_provider(runtime, "cpu"), threads=threads)


def resolve_provider(runtime: str, name: str) -> str:
    """The runtime's own name of the provider that a person calls `name`.

    Raises:
        NotAvailable: The runtime knows no such provider; the message suggests the nearest.
    """
    known = load_runtime(runtime).PROVIDERS
    if name in known.values():
        return name
    if name.lower() in known:
        return known[name.lower()]
    raise NotAvailable(unknown(f"execution provider of {runtime}", name, tuple(known)))


def distributions_of(runtime: str) -> tuple[str, ...]:
    """The installed packages that a device needs to run models in a runtime."""
    module = load_runtime(runtime)
    needed: tuple[str, ...] = getattr(module, "DISTRIBUTIONS", (module.PACKAGE,))
    return needed


def in_words(spec: SessionSpec) -> str:
    """The runtime and its installed version."""
    return f"{spec.runtime} {version_of(spec.runtime) or ''}".strip()


def version_of(runtime: str) -> str | None:
    """The version of what runs models; None where the runtime is not installed."""
    module = load_runtime(runtime)
    version = installed(module.PACKAGE)
    tell: Callable[[], str] | None = getattr(module, "version", None)
    return version if version is None or tell is None else tell()


def require_provider(available: Callable[[str | None], Availability], provider: str) -> None:
    """Refuse a provider that does not work here.

    Args:
        available: The runtime's own; it is asked about the others only to say what would work instead.
        provider: Own name of the one that is asked for.

    Raises:
        NotAvailable: With the reason, and what would work instead.
    """
    found = available(provider)
    if found.version is None:
        raise NotAvailable(f"{found.runtime} is not installed: {found.remedy}")
    reason = found.providers.get(provider, "this runtime does not know it")
    if reason:
        raise NotAvailable(
            f"{provider} is not usable in {found.runtime} {found.version}: {reason}; "
            f"usable here: {', '.join(available(None).usable)}"
        )


def run_all(session: Session, images: Pixels, *, batch: int = 1) -> Logits:
    """Logits float32[N, classes] of any number of pictures.

    One picture a call by default, as on a device: the answers of a dynamically quantized model depend on the
    other pictures in its batch, because they share one range.
    """
    parts = [session.run(images[start : start + batch]) for start in range(0, len(images), batch)]
    return np.concatenate(parts)
