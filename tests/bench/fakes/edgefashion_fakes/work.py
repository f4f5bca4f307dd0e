"""A fixed amount of work, or a share more of it: what is measured is the machine."""

import hashlib
from collections.abc import Callable

from edgefashion.artifact import Model
from edgefashion.records import SessionSpec
from edgefashion_fakes.base import FORMATS, OPT_IN, PACKAGE, PROVIDERS, START_S, FakeSession, available

__all__ = ["FORMATS", "OPT_IN", "PACKAGE", "PROVIDERS", "START_S", "available", "open_session"]

_BYTES = 100_000  # 50 to 300 µs


def open_session(model: Model, spec: SessionSpec) -> FakeSession:  # noqa: ARG001 - no fake looks at its model
    """A session that works longer by the share in its option "slower"."""
    return FakeSession(spec, working(round(_BYTES * (1 + float(spec.options.get("slower", "0"))))))


def working(size: int) -> Callable[[], None]:
    """A call that hashes that many bytes.

    It stays within compiled code: the same loop in Python takes 3 % longer or shorter in every other process.
    """
    content = bytes(size)

    def call() -> None:
        hashlib.sha256(content)

    return call
