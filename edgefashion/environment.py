"""What machine this is, and what is installed on it."""

import os
import platform
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from edgefashion.errors import NotAvailable
from edgefashion.records import Environment

RELEVANT = (
    "edgefashion",
    "numpy",
    "onnxruntime",
    "onnx",
    "onnxscript",
    "torch",
    "torchvision",
    "scikit-learn",
)
EXTRAS = {"train": ("torch", "torchvision", "onnx", "onnxscript")}


def require(extra: str, *, purpose: str) -> None:
    """Refuse early, before any work, when a package of `extra` is missing.

    Raises:
        NotAvailable: Names the packages that are missing and the command that installs them.
    """
    missing = [package for package in EXTRAS[extra] if find_spec(package) is None]
    if missing:
        raise NotAvailable(
            f"{purpose} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed: "
            f"pip install 'edgefashion[{extra}]'"
        )


def installed(package: str) -> str | None:
    """The version of an installed distribution, or None; imports nothing."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Versions of the packages that decide a result."""
    found = {package: installed(package) for package in RELEVANT}
    return {package: version for package, version in found.items() if version is not None}


def usable_cpus() -> list[int]:
    """The processors this process may run on, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def describe() -> Environment:
    """This machine, as far as it can be read without privileges."""
    import psutil

    cpu_info = _read("/proc/cpuinfo") or ""
    return Environment(
        cpu=_field(cpu_info, "model name") or platform.processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        usable_cores=len(usable_cpus()),
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions=versions(),
        container=_container(),
        hypervisor="hypervisor" in (_field(cpu_info, "flags") or "").split(),
        governor=_read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        accelerators=_accelerators(),
    )


def _accelerators() -> list[str]:
    # Asking torch costs its import; it is asked only where it is loaded already.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ["NVIDIA GPU (driver present)"] if Path("/proc/driver/nvidia/version").exists() else []


def _container() -> str | None:
    if Path("/.dockerenv").exists():
        return "docker"
    if Path("/run/.containerenv").exists():
        return "podman"
    return os.environ.get("container")  # noqa: SIM112 - systemd's and podman's own spelling


def _field(text: str, name: str) -> str | None:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
