"""PyTorch itself, eager: the reference that every artifact is held against."""

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from edgefashion.artifact import Artifact
from edgefashion.environment import installed
from edgefashion.records import Placement, SessionSpec
from edgefashion.runtimes import Availability, Logits, Pixels, require_provider

PACKAGE = "torch"
FORMATS = ("safetensors",)

PROVIDERS = {"cpu": "cpu", "cuda": "cuda", "mps": "mps"}


def available() -> Availability:
    """Which devices this torch can use."""
    version = installed(PACKAGE)
    if version is None:
        reason = "torch is not installed"
        return Availability(
            "pytorch", None, dict.fromkeys(PROVIDERS.values(), reason), "pip install 'edgefashion[train]'"
        )
    import torch

    no_cuda = "this is a CPU-only build of torch" if torch.version.cuda is None else "torch finds no CUDA device"
    return Availability(
        runtime="pytorch",
        version=version,
        providers={
            "cpu": "",
            "cuda": "" if torch.cuda.is_available() else no_cuda,
            "mps": "" if torch.backends.mps.is_available() else "torch finds no Apple GPU",
        },
    )


def open_session(artifact: Artifact, spec: SessionSpec) -> "TorchSession":
    """The checkpoint's model in evaluation mode on the device that was asked for.

    Raises:
        NotAvailable: torch or the device is not here.
    """
    require_provider(available(), spec.provider)
    return TorchSession(artifact, spec)


class TorchSession:
    """A checkpoint in eager PyTorch."""

    def __init__(self, artifact: Artifact, spec: SessionSpec) -> None:
        import torch

        from edgefashion.models.checkpoint import load_model

        # torch counts threads by process, not by session: the count before is given back at the end.
        self._threads_before = torch.get_num_threads()
        torch.set_num_threads(spec.threads)
        with contextlib.suppress(RuntimeError):  # can be set only once in a process
            torch.set_num_interop_threads(1)
        self._torch = torch
        self._device = torch.device(spec.provider)
        self._model = load_model(artifact).to(self._device).eval()
        self.spec = spec
        layers = sum(1 for module in self._model.modules() if not list(module.children()))
        self.placement = Placement(nodes={spec.provider: layers}, source="torch runs each layer where its weights are")

    def run(self, images: Pixels) -> Logits:
        """Logits float32[N, classes] of `images` uint8[N, H, W]."""
        with self._torch.inference_mode():
            logits = self._model(self._torch.tensor(images, device=self._device))
        result: Logits = logits.cpu().numpy()
        return result

    def bind(self, images: Pixels) -> Callable[[], Any]:
        """A call on a tensor that lies on the device already; it returns when the outputs are there."""
        torch, model = self._torch, self._model
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
        del self._model
