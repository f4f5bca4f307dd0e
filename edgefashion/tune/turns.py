"""Workers on one machine: while one of them measures latency, the trainings of the others stand still.

A training beside a measurement would slow it down, and a second measurement would share its core.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def measuring() -> Iterator[None]:
    """Wait until no other worker of this user on this machine measures, then keep all of them waiting."""
    with _locked(fcntl.LOCK_EX):
        yield


@contextmanager
def working() -> Iterator[None]:
    """Wait until nobody measures, and keep whoever wants to waiting: for work that cannot stand still."""
    with _locked(fcntl.LOCK_SH):
        yield


def give_way() -> None:
    """Return once nobody measures: microseconds where nobody does."""
    with working():
        pass


@contextmanager
def _locked(kind: int) -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / f"edgefashion-{os.getuid()}-measuring.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        # The system frees it when the process dies.
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
