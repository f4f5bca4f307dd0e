"""Runtimes: one file each, one line in the registry.

A runtime's module offers

    PROVIDERS: Mapping[str, str]                       short name → the runtime's own name of a provider
    PACKAGE: str                                       the distribution that provides it
    FORMATS: tuple[str, ...]                           artifact formats it opens
    available() -> Availability                        what is here, and why the rest is not
    open_session(artifact, spec) -> Session            checked: the provider exists and got every node
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.environment import installed
from edgefashion.errors import NotAvailable, UsageError
from edgefashion.records import Placement, SessionSpec
from edgefashion.registry import Registry, unknown

RUNTIMES = Registry(
    kind="runtime",
    group="edgefashion.runtimes",
    built_in={"onnxruntime": "edgefashion.runtimes.ort", "pytorch": "edgefashion.runtimes.pytorch"},
)

Logits = NDArray[np.float32]
Pixels = NDArray[np.uint8]


class Session(Protocol):
    """An artifact loaded by a runtime, ready to run."""

    @property
    def spec(self) -> SessionSpec:
        """How it was asked to run."""

    @property
    def placement(self) -> Placement:
        """Which provider each node was really given."""

    def run(self, images: Pixels) -> Logits:
        """Logits float32[N, classes] of `images` uint8[N, H, W]."""

    def bind(self, images: Pixels) -> Callable[[], Any]:
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


def open_session(artifact: Artifact, spec: SessionSpec) -> Session:
    """Open `artifact` as `spec` says, or say why not; never something else in its place.

    Raises:
        UsageError: No runtime has that name, or it does not open this format.
        NotAvailable: The runtime or the provider is not here, or the provider did not get every node.
        BadInput: The runtime refuses the model.
    """
    module = RUNTIMES.load(spec.runtime)
    if artifact.manifest.format not in module.FORMATS:
        raise UsageError(f"{spec.runtime} opens {' and '.join(module.FORMATS)}: {artifact.path} is neither")
    session: Session = module.open_session(artifact, spec)
    return session


def runtimes_for(artifact: Artifact) -> list[str]:
    """Every registered runtime that opens the artifact's format, the built-in ones first; none is imported."""
    return [name for name in RUNTIMES.names() if artifact.manifest.format in RUNTIMES.load(name).FORMATS]


def default_runtime(artifact: Artifact) -> str:
    """The first runtime that opens the artifact's format."""
    return runtimes_for(artifact)[0]


def is_installed(runtime: str) -> bool:
    """Whether the runtime's package is installed; imports nothing but the runtime's file here."""
    return installed(RUNTIMES.load(runtime).PACKAGE) is not None


def default_spec(artifact: Artifact, *, threads: int = 1) -> SessionSpec:
    """The first runtime that opens the artifact's format, on the CPU."""
    runtime = default_runtime(artifact)
    return SessionSpec(runtime=runtime, provider=resolve_provider(runtime, "cpu"), threads=threads)


def resolve_provider(runtime: str, name: str) -> str:
    """The runtime's own name of the provider that a person calls `name`.

    Raises:
        NotAvailable: The runtime knows no such provider; the message suggests the nearest.
    """
    known: Mapping[str, str] = RUNTIMES.load(runtime).PROVIDERS
    if name in known.values():
        return name
    if name.lower() in known:
        return known[name.lower()]
    raise NotAvailable(unknown(f"execution provider of {runtime}", name, tuple(known)))


def in_words(spec: SessionSpec) -> str:
    """The runtime and its installed version."""
    return f"{spec.runtime} {installed(RUNTIMES.load(spec.runtime).PACKAGE) or ''}".strip()


def require_provider(availability: Availability, provider: str) -> None:
    """Refuse a provider that does not work here.

    Raises:
        NotAvailable: With the reason, and what would work instead.
    """
    if availability.version is None:
        raise NotAvailable(f"{availability.runtime} is not installed: {availability.remedy}")
    reason = availability.providers.get(provider, "this runtime does not know it")
    if reason:
        raise NotAvailable(
            f"{provider} is not usable in {availability.runtime} {availability.version}: {reason}; "
            f"usable here: {', '.join(availability.usable)}"
        )


def run_all(session: Session, images: Pixels, *, batch: int = 1) -> Logits:
    """Logits float32[N, classes] of any number of pictures.

    One picture a call by default, as on a device: the answers of a dynamically quantized model depend on the
    other pictures in its batch, because they share one range.
    """
    parts = [session.run(images[start : start + batch]) for start in range(0, len(images), batch)]
    return np.concatenate(parts)
