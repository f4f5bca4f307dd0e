"""What device this is, in the form of edgefashion's own description of a machine."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgefashion.environment.cgroup import cpu_group, quota
from edgefashion.environment.processor import boost, flags, governor, model, smt, usable_cpus
from edgefashion.environment.reading import field, read
from edgefashion.environment.system import (
    accelerators,
    board,
    clock_source,
    container,
    huge_pages,
    hypervisor,
    nvidia_driver,
)
from edgefashion.kit.runner.runtimes import load_runtime

_ROOT = Path("/")


def describe(kit: Mapping[str, Any], *, root: Path = _ROOT) -> dict[str, Any]:
    """This device, as far as it can be read without privileges; what cannot be read is None.

    Args:
        kit: Its edgefashion is the version of the code that measures, its runtime what that of a call is spent in.
        root: Where /proc and /sys are found.

    Raises:
        NotAvailable: The runtime is not installed.
    """
    import numpy as np

    versions = {"numpy": np.__version__, kit["runtime"]: load_runtime(kit["runtime"]).version()}
    cpu_info = read(root / "proc/cpuinfo") or ""
    group = cpu_group(root)
    cpus = usable_cpus()
    virtual, hypervisor_name = hypervisor(root, cpu_info)
    return {
        "cpu": model(cpu_info),
        "cores": os.cpu_count() or 1,
        "usable_cores": len(cpus),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {"edgefashion": kit["edgefashion"], **versions},
        "container": container(root),
        "hypervisor": virtual,
        "governor": governor(root),
        "accelerators": accelerators(root),
        "hypervisor_name": hypervisor_name,
        "board": board(root),
        "cpu_flags": flags(cpu_info),
        "microcode": field(cpu_info, "microcode"),
        "usable_cpus": cpus,
        "boost": boost(root),
        "smt": smt(root),
        "cgroup": group.version if group else None,
        "cpu_quota": quota(group) if group else None,
        "huge_pages": huge_pages(root),
        "clock_source": clock_source(root),
        "nvidia_driver": nvidia_driver(root),
    }
