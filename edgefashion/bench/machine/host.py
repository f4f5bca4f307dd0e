"""What the machine did to a measurement: the kernel's counters before and after it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edgefashion.environment.cgroup import Throttling, cpu_group, throttling
from edgefashion.environment.reading import as_number, read
from edgefashion.records import HostLoad

# Columns of the line "cpu" of /proc/stat (man 5 proc): ticks in user, nice, system, idle, iowait, irq, softirq, steal.
_WORKING = (0, 1, 2, 5, 6)
_STEAL = 7

Clock = Callable[[], float]


@dataclass(frozen=True)
class Counters:
    """The kernel's counts since it started; None where it does not tell.

    Attributes:
        working_ticks: Time that the processors worked, summed over them.
        stolen_ticks: Time that they had work, and the hypervisor ran somebody else.
        pressure_us: Time in which some task waited for a processor.
        throttling: What the process's control group was held back.
    """

    working_ticks: int | None
    stolen_ticks: int | None
    pressure_us: int | None
    throttling: Throttling | None


@dataclass(frozen=True)
class HostWatch:
    """Counters at the begin of a measurement.

    watch = HostWatch.start()
    ...
    load = watch.stop()
    """

    root: Path
    clock: Clock
    started_s: float
    before: Counters

    @classmethod
    def start(cls, root: Path = Path("/"), *, clock: Clock = time.monotonic) -> Self:
        """Begin to watch the machine whose /proc and /sys are below `root`."""
        return cls(root=root, clock=clock, started_s=clock(), before=read_counters(root))

    def stop(self) -> HostLoad:
        """What has happened since the begin; the watch goes on and may be asked again."""
        before, after = self.before, read_counters(self.root)
        wall_s = self.clock() - self.started_s
        stolen = _grown(before.stolen_ticks, after.stolen_ticks)
        working = _grown(before.working_ticks, after.working_ticks)
        pressure_us = _grown(before.pressure_us, after.pressure_us)
        held_s, periods = _held_back(before.throttling, after.throttling)
        return HostLoad(
            wall_s=wall_s,
            # Of the time with work: idle processors beside a busy one would dilute what the busy one suffers.
            steal_share=None if stolen is None or working is None else _share(stolen, stolen + working),
            pressure_share=None if pressure_us is None else _share(pressure_us / 1e6, wall_s),
            throttled_share=None if held_s is None else _share(held_s, wall_s),
            throttled_periods=periods,
        )


def read_counters(root: Path) -> Counters:
    """The counters as they stand now."""
    ticks = _processor_ticks(read(root / "proc/stat") or "")
    group = cpu_group(root)
    return Counters(
        working_ticks=sum(ticks[column] for column in _WORKING) if ticks else None,
        stolen_ticks=ticks[_STEAL] if ticks else None,
        pressure_us=_pressure_us(read(root / "proc/pressure/cpu") or ""),
        throttling=throttling(group) if group else None,
    )


def _processor_ticks(stat: str) -> list[int] | None:
    words = stat.partition("\n")[0].split()
    ticks = [value for word in words[1:] if (value := as_number(word)) is not None]
    return ticks if words[:1] == ["cpu"] and len(ticks) > _STEAL else None


def _pressure_us(pressure: str) -> int | None:
    """The total of the line "some" (Documentation/accounting/psi.rst of the Linux kernel)."""
    for line in pressure.splitlines():
        if line.startswith("some "):
            return as_number(line.rpartition("total=")[2])
    return None


def _held_back(before: Throttling | None, after: Throttling | None) -> tuple[float | None, int | None]:
    if before is None or after is None:
        return None, None
    return after.seconds - before.seconds, after.periods - before.periods


def _grown(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _share(part: float, whole: float) -> float:
    # Throttled time is summed over processors, and steal of an idle guest is counted late: both may leave [0, 1].
    return min(max(part / whole, 0.0), 1.0) if whole > 0 else 0.0
