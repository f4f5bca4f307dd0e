"""What a runtime is in an interpreter: this one, or one that has what this one cannot have beside the rest."""

import msgspec

from edgefashion.bench.process import child
from edgefashion.environment import disk_bytes, usable_cpus
from edgefashion.errors import NotAvailable, UsageError
from edgefashion.records import Record
from edgefashion.runtimes import distributions_of, load_runtime, version_of

_TIMEOUT_S = 60.0


class Question(Record, frozen=True):
    """Which runtime."""

    runtime: str


class Found(Record, frozen=True):
    """What a runtime is in an interpreter."""

    version: str | None  # None where it is not installed
    runtime_bytes: int | None  # on disk, of what a device needs; None where that is not known


def look_at(runtime: str, *, python: str = "") -> Found:
    """A runtime's version and its bytes on disk, in the interpreter `python` if one is given.

    Raises:
        NotAvailable: The interpreter cannot be started, lacks what edgefashion itself needs, or lacks the runtime.
    """
    if not python:
        return _found(runtime)
    try:
        reply = child.ask(
            "probe", Question(runtime), python=python, threads=1, cpus=usable_cpus(), timeout_s=_TIMEOUT_S
        )
    except (child.Crashed, UsageError) as error:
        raise NotAvailable(
            f"{python} cannot measure {runtime}: {error}; "
            "expected an interpreter that has numpy, msgspec, psutil and the runtime"
        ) from None
    found = msgspec.json.decode(reply, type=Found)
    if found.version is None:
        raise NotAvailable(f"{python} has no {load_runtime(runtime).PACKAGE}, which {runtime} needs")
    return found


def main() -> None:
    """Answer the question on stdin."""
    import psutil  # noqa: F401 - a worker imports it once it measures: an interpreter without it is refused before

    child.answer(lambda content: msgspec.json.encode(_found(msgspec.json.decode(content, type=Question).runtime)))


def _found(runtime: str) -> Found:
    return Found(version_of(runtime), disk_bytes(distributions_of(runtime)))
