"""A thread of its pool spins for ever after the first call, within the cores that the process was given."""

import threading

from edgefashion.artifact import Model
from edgefashion.records import SessionSpec
from edgefashion_fakes.base import FORMATS, OPT_IN, PACKAGE, PROVIDERS, START_S, FakeSession, available

__all__ = ["FORMATS", "OPT_IN", "PACKAGE", "PROVIDERS", "START_S", "available", "open_session"]


def open_session(model: Model, spec: SessionSpec) -> FakeSession:  # noqa: ARG001 - no fake looks at its model
    """A session that starts its pool with the first call."""
    pool: list[threading.Thread] = []

    def spin() -> None:
        while True:
            pass

    def call() -> None:
        if not pool:
            pool.append(threading.Thread(target=spin, daemon=True))
            pool[0].start()

    return FakeSession(spec, call)
