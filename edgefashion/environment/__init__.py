"""What machine this is, and what is installed on it."""

import os
import platform
from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from edgefashion.environment import cgroup, processor, system
from edgefashion.environment.fingerprint import differences, fingerprint
from edgefashion.environment.processor import usable_cpus
from edgefashion.environment.reading import field, read
from edgefashion.errors import NotAvailable
from edgefashion.records import Environment

__all__ = [
    "EXTRAS",
    "RELEVANT",
    "describe",
    "differences",
    "disk_bytes",
    "fingerprint",
    "installed",
    "require",
    "usable_cpus",
    "versions",
]

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
EXTRAS = {
    "train": ("torch", "torchvision", "onnx", "onnxscript"),
    "tune": ("optuna",),
    "mlperf": ("mlcommons_loadgen",),
    "openvino": ("openvino",),
    "litert": ("ai_edge_litert",),
    "litert-export": ("torch", "litert_torch", "ai_edge_quantizer", "ai_edge_litert"),
    "tflite-micro": ("tflite_micro",),
    "executorch": ("torch", "executorch"),
    "ncnn": ("ncnn",),
    "ncnn-export": ("torch", "pnnx", "ncnn"),
    "c": ("onnx", "emx_onnx_cgen"),
    "web": ("playwright",),
}


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


def disk_bytes(packages: Iterable[str]) -> int | None:
    """Bytes of all files of the installed distributions `packages`; None where one of them does not list its files.

    Compiled Python files, which the interpreter makes and may leave out, are not counted.
    """
    total = 0
    for package in packages:
        try:
            files = metadata.files(package)
        except metadata.PackageNotFoundError:
            return None
        if files is None:
            return None
        places = {Path(str(file.locate())) for file in files if file.suffix != ".pyc"}
        total += sum(place.stat().st_size for place in places if place.is_file())
    return total


def versions() -> dict[str, str]:
    """Versions of the packages that decide a result; other builds of ONNX Runtime and its plug-ins are among them."""
    names = {distribution.name or "" for distribution in metadata.distributions()}
    builds = sorted(name for name in names if name.startswith("onnxruntime-"))
    return versions_of(*RELEVANT, *builds)


def versions_of(*packages: str) -> dict[str, str]:
    """Versions of those of these packages that are installed."""
    found = {package: installed(package) for package in packages}
    return {package: version for package, version in found.items() if version is not None}


def describe(*, root: Path = Path("/"), folder: Path = Path()) -> Environment:
    """This machine, as far as it can be read without privileges; what cannot be read is None, and never an error.

    Args:
        root: Where /proc and /sys are found.
        folder: Sources whose git commit is recorded.
    """
    import psutil

    cpu_info = read(root / "proc/cpuinfo") or ""
    group = cgroup.cpu_group(root)
    cpus = usable_cpus()
    virtual, hypervisor_name = system.hypervisor(root, cpu_info)
    commit, dirty = system.git_state(folder)
    return Environment(
        cpu=processor.model(cpu_info),
        cores=os.cpu_count() or 1,
        usable_cores=len(cpus),
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions=versions(),
        container=system.container(root),
        hypervisor=virtual,
        governor=processor.governor(root),
        accelerators=system.accelerators(root),
        hypervisor_name=hypervisor_name,
        board=system.board(root),
        cpu_flags=processor.flags(cpu_info),
        microcode=field(cpu_info, "microcode"),
        usable_cpus=cpus,
        boost=processor.boost(root),
        smt=processor.smt(root),
        cgroup=group.version if group else None,
        cpu_quota=cgroup.quota(group) if group else None,
        huge_pages=system.huge_pages(root),
        clock_source=system.clock_source(root),
        nvidia_driver=system.nvidia_driver(root),
        git_commit=commit,
        git_dirty=dirty,
    )
