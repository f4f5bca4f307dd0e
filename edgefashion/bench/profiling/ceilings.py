"""The ceilings of this machine's cores, measured: arithmetic and bandwidth that no program can exceed.

Williams, Waterman and Patterson 2009, "Roofline: An Insightful Visual Performance Model for Multicore
Architectures". The arithmetic is a loop of multiply-adds on registers and not a matrix product, which is itself
a program that may fall short; the bandwidth is a copy as in McCalpin's STREAM, read and written bytes counted.
"""

import subprocess
import tempfile
from pathlib import Path

from edgefashion.bench.process.isolation import pinned
from edgefashion.bench.profiling.native import build
from edgefashion.errors import NotAvailable
from edgefashion.records import Bandwidth, Ceilings

_SECONDS_EACH = 0.2
_TIMEOUT_S = 60.0

# STREAM's rule: four times the caches, or part of the copy never leaves them.
_TIMES_LARGEST_CACHE = 4
_MOST_OF_FREE_MEMORY = 0.25
# A copy within a cache leaves as much of it to whatever else lives there.
_SHARE_OF_CACHE = 0.5

_CACHES = "/sys/devices/system/cpu/cpu{cpu}/cache"
_LEVELS = (2, 3)
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}
# Where the system tells no cache's size: more than the caches of most processors.
_FALLBACK_BYTES = 64 * 1024**2


def measure_ceilings(cpus: list[int]) -> Ceilings:
    """What the cores `cpus` can do together: one process on each, all at once, their rates added up.

    Takes about a second. Where no C compiler is, or its program cannot run, nothing is measured and `source`
    says why.
    """
    levels: dict[str, int | None] = {
        f"L{level}": total for level in _LEVELS if (total := cache_bytes(cpus, level=level))
    } | {"memory": None}
    sizes = [
        _memory_bytes(cpus) if total is None else int(total * _SHARE_OF_CACHE) // len(cpus) for total in levels.values()
    ]
    try:
        with tempfile.TemporaryDirectory(prefix="edgefashion-") as folder:
            program = build("ceilings.c", Path(folder) / "ceilings")
            rates = _run_on_each([str(program), str(_SECONDS_EACH), *map(str, sizes)], cpus)
    except NotAvailable as error:
        return Ceilings(cpus=cpus, float_per_s=None, int8_per_s=None, bandwidths=[], source=str(error))
    floats, int8s, *copies = (sum(column) for column in zip(*rates, strict=True))
    return Ceilings(
        cpus=cpus,
        float_per_s=floats or None,
        int8_per_s=int8s or None,
        bandwidths=[
            Bandwidth(level=level, capacity_bytes=total, bytes_per_s=rate)
            for (level, total), rate in zip(levels.items(), copies, strict=True)
            if rate
        ],
        source="best of many 1 ms windows of multiply-adds, 8-bit dot products and copies, compiled on this machine",
    )


def cache_bytes(cpus: list[int], *, level: int) -> int:
    """Size of the data caches of that level that `cpus` use, a shared one once; 0 where the system does not tell."""
    found: dict[str, int] = {}
    for cpu in cpus:
        for index in sorted(Path(_CACHES.format(cpu=cpu)).glob("index*")):
            try:
                kind, its_level, size, shared_by = (
                    (index / name).read_text().strip() for name in ("type", "level", "size", "shared_cpu_list")
                )
                if kind != "Instruction" and int(its_level) == level:
                    found[shared_by] = int(size[:-1]) * _UNITS[size[-1]]
            except (OSError, ValueError, KeyError, IndexError):
                continue
    return sum(found.values())


def _run_on_each(words: list[str], cpus: list[int]) -> list[list[float]]:
    running: list[subprocess.Popen[str]] = []
    try:
        for cpu in cpus:
            with pinned([cpu]):
                running.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        return [_rates(process) for process in running]
    except OSError as error:
        raise NotAvailable(f"the compiled program cannot be run: {error}") from None
    finally:
        for process in running:
            process.kill()
            process.communicate()


def _rates(process: "subprocess.Popen[str]") -> list[float]:
    try:
        said, _ = process.communicate(timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise NotAvailable(f"the compiled program did not end within {_TIMEOUT_S:.0f} s") from None
    if process.returncode != 0:
        raise NotAvailable(f"the compiled program ended with exit code {process.returncode}")
    return [float(word) for word in said.split()]


def _memory_bytes(cpus: list[int]) -> int:
    """Both arrays of one core's copy in memory: far larger than any cache, yet never most of what is free."""
    import psutil

    largest = max(cache_bytes(cpus, level=level) for level in _LEVELS) or _FALLBACK_BYTES
    free = int(psutil.virtual_memory().available * _MOST_OF_FREE_MEMORY)
    return min(2 * _TIMES_LARGEST_CACHE * largest, free // len(cpus))
