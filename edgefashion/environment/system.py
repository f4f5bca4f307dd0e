"""What the processes run in: container, virtual machine, kernel settings, drivers, and the state of the sources."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from edgefashion.environment.reading import field, read

_CLOCKS = "sys/devices/system/clocksource/clocksource0"
_FIRMWARE = "sys/class/dmi/id"

# File, a word in it, and the hypervisor that this word gives away; the first that fits is taken.
_HYPERVISORS = (
    ("sys/hypervisor/type", "xen", "Xen"),
    (f"{_FIRMWARE}/product_name", "VirtualBox", "VirtualBox"),
    (f"{_FIRMWARE}/product_name", "Virtual Machine", "Hyper-V"),
    (f"{_FIRMWARE}/sys_vendor", "VMware", "VMware"),
    (f"{_CLOCKS}/available_clocksource", "kvm-clock", "KVM"),
    (f"{_CLOCKS}/available_clocksource", "hyperv_clocksource", "Hyper-V"),
    ("proc/device-tree/hypervisor/compatible", "kvm", "KVM"),
    (f"{_FIRMWARE}/sys_vendor", "QEMU", "QEMU"),
)

_GIT_PATIENCE_S = 5.0


def container(root: Path) -> str | None:
    """The container's kind, or None where none is seen."""
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    return read(root / "run/systemd/container") or os.environ.get("container")  # noqa: SIM112 - systemd's own spelling


def hypervisor(root: Path, cpu_info: str) -> tuple[bool, str | None]:
    """Whether this is a virtual machine, and below which hypervisor, where that can be told."""
    name = next((name for file, word, name in _HYPERVISORS if word in (read(root / file) or "")), None)
    return name is not None or "hypervisor" in (field(cpu_info, "flags") or "").split(), name


def board(root: Path) -> str | None:
    """The machine's own name: that of its device tree, or maker and product of its firmware."""
    tree = read(root / "proc/device-tree/model")
    maker, product = read(root / _FIRMWARE / "sys_vendor"), read(root / _FIRMWARE / "product_name")
    return tree or " ".join(filter(None, (maker, product))) or None


def huge_pages(root: Path) -> str | None:
    """When the kernel backs memory with huge pages by itself: always, madvise or never."""
    chosen = re.search(r"\[(\w+)\]", read(root / "sys/kernel/mm/transparent_hugepage/enabled") or "")
    return chosen[1] if chosen else None


def clock_source(root: Path) -> str | None:
    """What the kernel reads the time from."""
    return read(root / _CLOCKS / "current_clocksource")


def nvidia_driver(root: Path) -> str | None:
    """Version of the NVIDIA kernel driver, or None where there is none."""
    told = re.search(r"\s(\d+\.\d[\d.]*)\s", read(root / "proc/driver/nvidia/version") or "")
    return told[1] if told else None


def accelerators(root: Path) -> list[str]:
    """Names of the GPUs."""
    listed = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    names = [name for place in listed if (name := field(read(place) or "", "Model"))]
    if names:
        return names
    # Asking torch costs its import; it is asked only where it is loaded already.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ["NVIDIA GPU (driver present)"] if nvidia_driver(root) else []


def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """Commit of the sources in `folder`, and whether tracked files differ from it; None where git does not tell."""
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return None, None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return commit, None if changes is None else changes != ""


def _git(folder: Path, *arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    try:
        done = subprocess.run(
            [git, "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_GIT_PATIENCE_S,
            # To look must not write: by itself, `git status` refreshes the index.
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
