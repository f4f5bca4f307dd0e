"""A thread of its pool leaves the cores that the process was given."""

import os
import threading

from edgefashion.artifact import Model
from edgefashion.records import SessionSpec
from edgefashion_fakes.base import FORMATS, OPT_IN, PACKAGE, PROVIDERS, START_S, FakeSession, available

__all__ = ["FORMATS", "OPT_IN", "PACKAGE", "PROVIDERS", "START_S", "available", "open_session"]


def open_session(model: Model, spec: SessionSpec) -> FakeSession:  # noqa: ARG001 - no fake looks at its model
    """A session that starts its pool with the first call."""
    pool: list[threading.Thread] = []

    def leave(gone: threading.Event) -> None:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        gone.set()
        threading.Event().wait()

    def call() -> None:
        if not pool:
            gone = threading.Event()
            pool.append(threading.Thread(target=leave, args=(gone,), daemon=True))
            pool[0].start()
            gone.wait()

    return FakeSession(spec, call)
