"""The control group that this process is in: how much processor time it may use, and how often it was held back.

Sources: Documentation/admin-guide/cgroup-v2.rst and Documentation/scheduler/sched-bwc.rst of the Linux kernel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from edgefashion.environment.reading import as_number, number, read

_MOUNTS = "sys/fs/cgroup"


@dataclass(frozen=True)
class CpuGroup:
    """Where the processor time of this process is limited.

    Attributes:
        version: Of the interface that the processor controller uses.
        folders: The group's own folder, then those above it that can be seen: a limit of any of them holds.
    """

    version: Literal["v1", "v2"]
    folders: tuple[Path, ...]


@dataclass(frozen=True)
class Throttling:
    """What a group was held back since it exists; summed over processors, and over the folders above it."""

    seconds: float
    periods: int


def cpu_group(root: Path) -> CpuGroup | None:
    """The group of this process, or None where the kernel does not tell.

    A container may see a path that is only valid outside of it: then the group is the root of what is mounted here.
    """
    mounts = root / _MOUNTS
    paths = dict(_memberships(read(root / "proc/self/cgroup") or ""))
    # Both interfaces may be mounted at once; the controller is then with the older one.
    for controllers, path in paths.items():
        if "cpu" in controllers.split(","):
            for mount in (mounts / controllers, mounts / "cpu"):
                if folders := _folders(mount, path):
                    return CpuGroup(version="v1", folders=folders)
    for mount in (mounts, mounts / "unified"):
        if "" in paths and (folders := _folders(mount, paths[""])):
            return CpuGroup(version="v2", folders=folders)
    return None


def quota(group: CpuGroup) -> float | None:
    """Processors' worth of time that the group may use, the least along its folders; None without a limit."""
    read_limit = _limit_v2 if group.version == "v2" else _limit_v1
    limits = [limit for limit in map(read_limit, group.folders) if limit is not None]
    return min(limits, default=None)


def throttling(group: CpuGroup) -> Throttling | None:
    """What the group was held back so far, or None where no folder counts it."""
    name, per_second = ("throttled_usec", 1e6) if group.version == "v2" else ("throttled_time", 1e9)
    seconds, periods, counted = 0.0, 0, False
    for folder in group.folders:
        counters = _counters(folder)
        if name in counters and "nr_throttled" in counters:
            seconds += counters[name] / per_second
            periods += counters["nr_throttled"]
            counted = True
    return Throttling(seconds=seconds, periods=periods) if counted else None


def _memberships(text: str) -> Iterator[tuple[str, str]]:
    """Controllers and path of each line of /proc/self/cgroup, "number:controllers:path"."""
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon:
            yield controllers, path


def _folders(mount: Path, path: str) -> tuple[Path, ...]:
    """The folder of `path` below `mount` and those above it; `mount` alone where there is no such folder."""
    inside = PurePosixPath(path.lstrip("/"))
    own = mount / inside
    if ".." in inside.parts or not _is_group(own):
        own = mount
    chain = [own, *own.parents]
    return tuple(chain[: chain.index(mount) + 1]) if _is_group(own) else ()


def _is_group(folder: Path) -> bool:
    return read(folder / "cpu.stat") is not None


def _counters(folder: Path) -> dict[str, int]:
    lines = (line.split() for line in (read(folder / "cpu.stat") or "").splitlines())
    return {words[0]: value for words in lines if words and (value := as_number(words[-1])) is not None}


def _limit_v1(folder: Path) -> float | None:
    return _processors(number(folder / "cpu.cfs_quota_us"), number(folder / "cpu.cfs_period_us"))


def _limit_v2(folder: Path) -> float | None:
    allowed, _, period = (read(folder / "cpu.max") or "").partition(" ")
    return _processors(as_number(allowed), as_number(period))


def _processors(allowed_us: int | None, period_us: int | None) -> float | None:
    # The older interface writes -1, and the newer one "max", for "as much as there is".
    if allowed_us is None or not period_us or allowed_us < 0:
        return None
    return allowed_us / period_us
