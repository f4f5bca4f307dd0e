"""The processors: what they are, what they can do, and at which speed they are let run."""

import os
import platform
import re
from pathlib import Path

from edgefashion.environment.reading import field, read, switch

_CPU_FOLDER = "sys/devices/system/cpu"

# The line of /proc/cpuinfo, and what numeric libraries choose their kernels by; dozens of other flags decide nothing.
_DECIDES_KERNELS = {
    "flags": re.compile(r"sse4_[12]|f16c|fma|avx\w*|amx\w*"),  # x86
    "Features": re.compile(r"neon|asimd\w*|fphp|i8mm|bf16|sve\w*|sme\w*"),  # Arm
}


def usable_cpus() -> list[int]:
    """The processors this process may run on, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def model(cpu_info: str) -> str:
    """The processor's name; Arm kernels give numbers of implementer and part instead."""
    return field(cpu_info, "model name") or _arm_cores(cpu_info) or platform.processor() or platform.machine()


def flags(cpu_info: str) -> list[str]:
    """Instruction sets that decide which kernels a numeric library runs, sorted."""
    return sorted(
        flag
        for line, wanted in _DECIDES_KERNELS.items()
        for flag in (field(cpu_info, line) or "").split()
        if wanted.fullmatch(flag)
    )


def governor(root: Path) -> str | None:
    """How frequencies are chosen; every answer where the processors differ."""
    places = (root / _CPU_FOLDER).glob("cpu[0-9]*/cpufreq/scaling_governor")
    told = {text for place in places if (text := read(place))}
    return ", ".join(sorted(told)) or None


def boost(root: Path) -> bool | None:
    """Whether the processor may exceed its nominal frequency."""
    told = switch(root / _CPU_FOLDER / "cpufreq/boost")
    if told is not None:
        return told
    forbidden = switch(root / _CPU_FOLDER / "intel_pstate/no_turbo")
    return None if forbidden is None else not forbidden


def smt(root: Path) -> bool | None:
    """Whether cores are shared by hardware threads."""
    return switch(root / _CPU_FOLDER / "smt/active")


def _arm_cores(cpu_info: str) -> str | None:
    """Implementer and part of every kind of core, in order: little and big cores have different ones."""
    kinds: dict[str, None] = {}
    for block in cpu_info.split("\n\n"):
        implementer, part = field(block, "CPU implementer"), field(block, "CPU part")
        if implementer and part:
            kinds[f"Arm implementer {implementer} part {part}"] = None
    return " + ".join(kinds) or None
