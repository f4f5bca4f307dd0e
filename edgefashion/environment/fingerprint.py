"""Whether two measurements were made in the same circumstances."""

from edgefashion.records import Environment

_UNKNOWN = "unknown"
# Beside every distribution of ONNX Runtime, packages that are inside the timed call or time it.
_TIMED_PACKAGES = ("edgefashion", "numpy", "torch")


def fingerprint(environment: Environment) -> dict[str, str]:
    """Facts that must be equal for two stored latencies to be comparable, by name, in words.

    Memory size, container and state of the sources are left out: they name the circumstances and do not set the
    speed. What is unknown is "unknown", which equals itself.
    """
    hypervisor = environment.hypervisor_name or _UNKNOWN if environment.hypervisor else "none"
    unlimited = "none" if environment.cgroup else _UNKNOWN
    return {
        "processor": environment.cpu,
        "board": _text(environment.board),
        "microcode": _text(environment.microcode),
        "instruction sets": _text(environment.cpu_flags),
        "processors": str(environment.cores),
        "usable processors": _text(environment.usable_cpus),
        "frequency governor": _text(environment.governor),
        "boost": _text(environment.boost),
        "SMT": _text(environment.smt),
        "CPU quota": unlimited if environment.cpu_quota is None else f"{environment.cpu_quota:g}",
        "hypervisor": hypervisor,
        "kernel": environment.system,
        "transparent huge pages": _text(environment.huge_pages),
        "clock source": _text(environment.clock_source),
        "accelerators": ", ".join(environment.accelerators) or "none",
        "NVIDIA driver": environment.nvidia_driver or "none",
        "Python": environment.python,
        **{package: version for package, version in sorted(environment.versions.items()) if _is_timed(package)},
    }


def differences(before: Environment, now: Environment) -> list[str]:
    """One sentence for each fact of the fingerprint that differs, with both values; empty if they are comparable."""
    old, new = fingerprint(before), fingerprint(now)
    absent = "not installed"
    return [
        f"{name} was {old.get(name, absent)}, is {new.get(name, absent)}"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]


def _is_timed(package: str) -> bool:
    return package in _TIMED_PACKAGES or package.startswith("onnxruntime")


def _text(value: str | bool | list[str] | list[int] | None) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or _UNKNOWN
    return value or _UNKNOWN
