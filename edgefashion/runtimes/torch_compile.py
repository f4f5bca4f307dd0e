"""PyTorch with its compiler, `torch.compile` and inductor: measured only if asked for by name.

The first call with each batch size compiles: 20 to 40 s on one core the first time, about 6 s from inductor's cache on
disk in later processes. What is compiled is the call, so the time is part of the first run, not of making the session.
"""

import os
import shutil
import sys
from importlib.util import find_spec
from types import TracebackType
from typing import Any

from edgefashion.artifact import Artifact
from edgefashion.environment import installed
from edgefashion.errors import UsageError
from edgefashion.records import SessionSpec
from edgefashion.registry import unknown
from edgefashion.runtimes import Availability, require_provider
from edgefashion.runtimes.pytorch import REMEDY, TorchSession, why_no_cuda

PACKAGE = "torch"
FORMATS = ("safetensors",)
OPT_IN = True
START_S = 10.0
PROVIDERS = {"cpu": "cpu", "cuda": "cuda"}

_OPTIONS = ("mode", "freezing")


def available(provider: str | None = None) -> Availability:
    """Where torch can compile, and what it lacks elsewhere."""
    asked = [name for name in PROVIDERS.values() if provider in (None, name)]
    version = installed(PACKAGE)
    if version is None:
        return Availability("torch-compile", None, dict.fromkeys(asked, "torch is not installed"), REMEDY)
    no_compiler = why_no_compiler()
    no_triton = "" if find_spec("triton") else "compiling for CUDA needs triton, which is not installed"
    reasons = {"cpu": no_compiler, "cuda": why_no_cuda() or no_triton or no_compiler}
    return Availability("torch-compile", version, {name: reasons[name] for name in asked})


def open_session(model: Artifact, spec: SessionSpec) -> "CompiledSession":
    """The checkpoint's model, compiled by the first call with each batch size.

    Options: `mode` as in torch.compile; "reduce-overhead" is CUDA graphs, on CUDA only. `freezing=1` builds the
    weights into the code: on a CPU faster for large batches, sometimes slower for single pictures.

    Raises:
        UsageError: There is no such option, or it makes no sense on this device.
        NotAvailable: torch, its compiler or the device is not here.
    """
    require_provider(available, spec.provider)
    return CompiledSession(model, spec)


class CompiledSession(TorchSession):
    """A checkpoint compiled by inductor for the shapes that it is called with."""

    def __init__(self, model: Artifact, spec: SessionSpec) -> None:
        settings = _settings(spec)
        super().__init__(model, spec, prepare=lambda module: _compiled(module, settings))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the model and all compiled code: torch keeps only so much of one model's, and then compiles no more."""
        super().__exit__(kind, error, trace)
        self._torch.compiler.reset()


def _compiled(module: Any, settings: dict[str, Any]) -> Any:
    import torch

    # The whole graph or an error: torch would run in eager mode what it cannot compile.
    return torch.compile(module, fullgraph=True, dynamic=False, options=settings)


def _settings(spec: SessionSpec) -> dict[str, Any]:
    """Inductor's settings for the session's options."""
    from torch._inductor import list_mode_options

    for key in spec.options:
        if key not in _OPTIONS:
            raise UsageError(unknown("option of torch-compile", key, _OPTIONS))
    mode, freezing = spec.options.get("mode", "default"), spec.options.get("freezing", "0")
    modes = list_mode_options()
    if mode not in modes:
        raise UsageError(unknown("mode of torch-compile", mode, tuple(modes)))
    if freezing not in ("0", "1"):
        raise UsageError(f"the option freezing of torch-compile is 0 or 1, not {freezing!r}")
    if modes[mode].get("triton.cudagraphs") and spec.provider != "cuda":
        raise UsageError(f"mode={mode} of torch-compile captures CUDA graphs, which {spec.provider} does not have")
    return {**modes[mode], "freezing": freezing == "1"}


def cpp_compiler() -> str:
    """The C++ compiler that torch calls."""
    return os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")


def why_no_compiler() -> str:
    """Why torch cannot compile for a CPU here; empty if it can."""
    compiler = cpp_compiler()
    return "" if shutil.which(compiler) else f"torch.compile needs a C++ compiler and finds no {compiler}: set CXX"
