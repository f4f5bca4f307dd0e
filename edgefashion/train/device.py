"""Which device a training runs on, and in which precision."""

import os
from collections.abc import Callable
from typing import Literal

import torch

from edgefashion import environment
from edgefashion.errors import NotAvailable, UsageError
from edgefashion.records import Recipe
from edgefashion.train.world import ALONE, World

Precision = Literal["float32", "bfloat16"]

# As Linux names them: x86's AVX-512 and AMX, and Arm's.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def find_device(name: str, world: World = ALONE) -> torch.device:
    """The device that `name` means in this process; "auto" prefers cuda, then mps, then cpu.

    Raises:
        UsageError: The name is none of auto, cpu, cuda, mps.
        NotAvailable: The device is not on this machine, or cannot be had by as many processes.
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
    return torch.device(name) if world.size == 1 else _device_of_its_own(name, world)


def _device_of_its_own(name: str, world: World) -> torch.device:
    if name == "mps":
        raise NotAvailable(f"{world.size} processes cannot train on mps together: use --device cpu, or one process")
    if name == "cpu":
        return torch.device(name)
    gpus = torch.cuda.device_count()
    if world.local_rank >= gpus:
        raise NotAvailable(
            f"{world.local_size} processes on this machine want a GPU each, and it has {gpus}: "
            f"start torchrun with --nproc-per-node {gpus}, or use --device cpu"
        )
    torch.cuda.set_device(world.local_rank)
    return torch.device(name, world.local_rank)


def find_precision(wanted: str, recipe: Recipe, place: torch.device, *, note: Callable[[str], None]) -> Precision:
    """The precision of products that `wanted` means for this recipe on this device.

    Raises:
        UsageError: It is none of auto, float32, bfloat16.
    """
    if wanted == "float32" or (wanted == "auto" and recipe.precision == "float32"):
        return "float32"
    if wanted == "bfloat16":
        return "bfloat16"
    if wanted != "auto":
        raise UsageError(f"unknown precision {wanted!r}: known are auto, float32, bfloat16")
    if _computes_bfloat16(place):
        return "bfloat16"
    note(f"this {place.type} has no bfloat16 arithmetic: {recipe.name} trains in float32, which takes longer")
    return "float32"


def _computes_bfloat16(place: torch.device) -> bool:
    if place.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return place.type == "cpu" and bool(_BFLOAT16_FLAGS & set(environment.describe().cpu_flags))
