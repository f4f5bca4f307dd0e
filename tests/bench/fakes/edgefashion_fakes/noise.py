"""It prints, from Python and beside it, in the middle of a timed call."""

import os

from edgefashion.artifact import Model
from edgefashion.records import SessionSpec
from edgefashion_fakes.base import FORMATS, OPT_IN, PACKAGE, PROVIDERS, START_S, FakeSession, available
from edgefashion_fakes.work import working

__all__ = ["FORMATS", "OPT_IN", "PACKAGE", "PROVIDERS", "START_S", "available", "open_session"]


def open_session(model: Model, spec: SessionSpec) -> FakeSession:  # noqa: ARG001 - no fake looks at its model
    """A session whose prints look like replies."""
    work = working(100_000)

    def call() -> None:
        work()
        print("ready", flush=True)  # noqa: T201 - that is what it is for
        os.write(1, b'{"samples_ns": [1], "switches": 0}\n')

    return FakeSession(spec, call)
