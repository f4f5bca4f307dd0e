"""Joules a picture: the machine's own energy counters over a second of calls, less what it draws idle."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Literal, Protocol

from edgefashion.environment.reading import number, read
from edgefashion.records import Energy

Device = Literal["cpu", "gpu"]
Run = Callable[[float], int]

_POWERCAP = "sys/class/powercap"


class Meter(Protocol):
    """A counter of energy that was drawn."""

    @property
    def source(self) -> str:
        """What it counts, in words."""

    def read_j(self) -> float:
        """Joules up to now, from an arbitrary begin that stays the same.

        Raises:
            OSError: The counter can no longer be read.
        """


@dataclass
class PackageCounter:
    """One processor package's counter, which begins anew when it is full.

    Source: Documentation/power/powercap/powercap.rst of the Linux kernel. It must be read at least once before it
    is full again, which takes tens of minutes.

    Attributes:
        name: "package-0" and so on.
        path: Its file of microjoules.
        full_uj: Where it begins anew, in microjoules.
        last_uj: What it showed last.
        total_uj: What it has counted since it was found.
    """

    name: str
    path: Path
    full_uj: int
    last_uj: int
    total_uj: int = 0

    def count_uj(self) -> int:
        """Microjoules since the counter was found.

        Raises:
            OSError: It can no longer be read.
        """
        now_uj = number(self.path)
        if now_uj is None:
            raise OSError(f"{self.path} can no longer be read")
        self.total_uj += (now_uj - self.last_uj) % self.full_uj
        self.last_uj = now_uj
        return self.total_uj


@dataclass(frozen=True)
class PowercapMeter:
    """All processor packages together."""

    packages: list[PackageCounter]

    @property
    def source(self) -> str:
        """The packages' names."""
        return f"powercap {', '.join(package.name for package in self.packages)}"

    def read_j(self) -> float:
        """Joules of all packages since the meter was found.

        Raises:
            OSError: A counter can no longer be read.
        """
        return sum(package.count_uj() for package in self.packages) / 1e6


@dataclass(frozen=True)
class NvmlMeter:
    """All NVIDIA GPUs that count their energy, by NVIDIA's management library.

    All, because its numbering need not be that of the runtime; an idle GPU adds to the baseline only.
    """

    names: list[str]
    counters_mj: Sequence[Callable[[], int]]

    @property
    def source(self) -> str:
        """The GPUs' names."""
        return f"NVML {', '.join(self.names)}"

    def read_j(self) -> float:
        """Joules of all GPUs since their driver was loaded.

        Raises:
            OSError: A counter can no longer be read.
        """
        import pynvml

        try:
            return sum(count() for count in self.counters_mj) / 1e3
        except pynvml.NVMLError as error:
            raise OSError(f"NVML: {error}") from error


def find_meter(root: Path = Path("/"), *, device: Device = "cpu") -> Meter | str:
    """The counter of the energy that `device` draws, or the reason why there is none."""
    return _find_nvml() if device == "gpu" else _find_powercap(root)


def measure_energy(
    meter: Meter | str,
    run: Run,
    *,
    images_per_call: int,
    seconds: float = 1.0,
    batches: int = 3,
    idle: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.perf_counter,
) -> Energy:
    """Joules a picture above the idle machine: the median of batches, each with its own baseline before it.

    Args:
        meter: What `find_meter` gave.
        run: Makes calls for so many seconds and returns their number, at least one.
        images_per_call: Pictures a call.
        seconds: Length of a baseline and of a batch; counters advance in steps of milliseconds, so at least one.
        batches: How many; of three, one that was disturbed does not move the median.
        idle: Waits for so many seconds.
        clock: Seconds, monotonic.

    Returns:
        The joules with the counter they are from, or None with the reason.
    """
    if isinstance(meter, str):
        return Energy(joules_per_image=None, source=meter)
    try:
        per_call_j = median(_above_idle_j(meter, run, idle, seconds=seconds, clock=clock) for _ in range(batches))
    except OSError as error:
        return Energy(joules_per_image=None, source=str(error))
    if per_call_j <= 0:
        return Energy(joules_per_image=None, source=f"{meter.source}: no more was drawn than by the idle machine")
    return Energy(joules_per_image=per_call_j / images_per_call, source=meter.source)


def _above_idle_j(
    meter: Meter, run: Run, idle: Callable[[float], None], *, seconds: float, clock: Callable[[], float]
) -> float:
    """Joules a call of one batch, less what its time costs an idle machine."""
    begun_s, begun_j = clock(), meter.read_j()
    idle(seconds)
    rested_s, rested_j = clock(), meter.read_j()
    calls = run(seconds)
    ended_s, ended_j = clock(), meter.read_j()
    idle_w = (rested_j - begun_j) / (rested_s - begun_s)
    return (ended_j - rested_j - idle_w * (ended_s - rested_s)) / calls


def _find_powercap(root: Path) -> Meter | str:
    # Domains inside a package, such as "core" and "dram", and the whole platform, "psys", would count twice.
    zones = {
        zone: name
        for zone in sorted((root / _POWERCAP).glob("intel-rapl:*"))
        if (name := read(zone / "name") or "").startswith("package-")
    }
    if not zones:
        return f"no processor package counts its energy in /{_POWERCAP}"
    packages = [package for zone, name in zones.items() if (package := _package(zone, name))]
    if len(packages) < len(zones):
        return f"this user may not read the processor packages' energy in /{_POWERCAP}: most systems let only root"
    return PowercapMeter(packages)


def _package(zone: Path, name: str) -> PackageCounter | None:
    now_uj, full_uj = number(zone / "energy_uj"), number(zone / "max_energy_range_uj")
    if now_uj is None or not full_uj:
        return None
    return PackageCounter(name=name, path=zone / "energy_uj", full_uj=full_uj, last_uj=now_uj)


def _find_nvml() -> Meter | str:
    try:
        import pynvml
    except ImportError:
        return "NVML needs nvidia-ml-py, which is not installed: pip install 'edgefashion[energy]'"
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:
        return f"NVML: {error}"
    names, counters_mj = [], []
    for handle in handles:
        count = partial(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
        try:
            count()
        except pynvml.NVMLError:
            continue  # older than Volta, or a slice of a GPU
        names.append(pynvml.nvmlDeviceGetName(handle))
        counters_mj.append(count)
    return NvmlMeter(names, counters_mj) if names else "NVML: no GPU counts its energy"
