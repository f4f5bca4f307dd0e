"""PyTorch itself, eager: the reference that every artifact is held against."""

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.environment import installed
from edgefashion.errors import UsageError
from edgefashion.records import Placement, SessionSpec
from edgefashion.runtimes import Availability, Logits, require_provider

PACKAGE = "torch"
FORMATS = ("safetensors",)
START_S = 3.0
PROVIDERS = {"cpu": "cpu", "cuda": "cuda", "mps": "mps"}

REMEDY = "pip install 'edgefashion[train]'"


def available(provider: str | None = None) -> Availability:
    """Which devices this torch can use; or whether it can use the one that is asked about."""
    asked = [name for name in PROVIDERS.values() if provider in (None, name)]
    version = installed(PACKAGE)
    if version is None:
        return Availability("pytorch", None, dict.fromkeys(asked, "torch is not installed"), REMEDY)
    reasons = {"cpu": "", "cuda": why_no_cuda(), "mps": _why_no_mps()}
    return Availability("pytorch", version, {name: reasons[name] for name in asked})


def why_no_cuda() -> str:
    """Why torch computes on no NVIDIA GPU here; empty if it does."""
    import torch

    if torch.cuda.is_available():
        return ""
    return "this is a CPU-only build of torch" if torch.version.cuda is None else "torch finds no CUDA device"


def _why_no_mps() -> str:
    import torch

    return "" if torch.backends.mps.is_available() else "torch finds no Apple GPU"


def open_session(model: Artifact, spec: SessionSpec) -> "TorchSession":
    """The checkpoint's model in evaluation mode on the device that was asked for.

    Raises:
        UsageError: Options were given; there are none.
        NotAvailable: torch or the device is not here.
    """
    require_provider(available, spec.provider)
    if spec.options:
        raise UsageError(f"pytorch takes no options: got {', '.join(spec.options)}")
    return TorchSession(model, spec)


class TorchSession:
    """A checkpoint in PyTorch.

    Attributes:
        spec: How it was asked to run.
        inputs: What its manifest says about its input.
        placement: Every layer on the one device.
    """

    def __init__(
        self,
        model: Artifact,
        spec: SessionSpec,
        *,
        prepare: Callable[[Any], Callable[[Any], Any]] = lambda module: module,
    ) -> None:
        """Load the model; what is called is `prepare` of its module, in eager PyTorch the module itself."""
        import torch

        from edgefashion.models.checkpoint import load_model

        self._torch = torch
        self._device = torch.device(spec.provider)
        self._model = load_model(model).to(self._device).eval()
        self._call = prepare(self._model)
        # torch counts threads by process, not by session: the count before is given back at the end.
        self._threads_before = torch.get_num_threads()
        torch.set_num_threads(spec.threads)
        with contextlib.suppress(RuntimeError):  # can be set only once in a process
            torch.set_num_interop_threads(1)
        self.spec = spec
        self.inputs = [model.manifest.input]
        layers = sum(1 for module in self._model.modules() if not list(module.children()))
        self.placement = Placement(nodes={spec.provider: layers}, source="torch runs each layer where its weights are")

    def run(self, images: NDArray[Any]) -> Logits:
        """Logits float32[N, classes] of `images` uint8[N, H, W]."""
        # Made as in `bind`, outside of inference mode: the compiler tells tensors of either kind apart.
        tensor = self._torch.tensor(images, device=self._device)
        with self._torch.inference_mode():
            logits = self._call(tensor)
        result: Logits = logits.cpu().numpy()
        return result

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:
        """A call on a tensor that lies on the device already; it returns when the outputs are there."""
        torch, model = self._torch, self._call
        tensor = torch.tensor(images, device=self._device)
        synchronize = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(self._device.type)

        def run() -> None:
            with torch.inference_mode():
                model(tensor)
            if synchronize is not None:
                synchronize()

        return run

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the model, which frees its memory, and give back the thread count."""
        self._torch.set_num_threads(self._threads_before)
        del self._model, self._call
