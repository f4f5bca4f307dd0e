"""Which device a training runs on."""

import os

import torch

from edgefashion.errors import NotAvailable, UsageError


def find_device(name: str) -> torch.device:
    """The device that `name` means here; "auto" prefers cuda, then mps, then cpu.

    Raises:
        UsageError: The name is none of auto, cpu, cuda, mps.
        NotAvailable: The device is not on this machine.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, here in present.items() if here)
    if name not in present:
        raise UsageError(f"unknown device {name!r}: known are auto, {', '.join(present)}")
    if not present[name]:
        raise NotAvailable(f"torch {torch.__version__} finds no {name} device here: use --device cpu or auto")
    if name == "cuda":
        # cuBLAS is deterministic only with a fixed workspace, which it reads when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device(name)
