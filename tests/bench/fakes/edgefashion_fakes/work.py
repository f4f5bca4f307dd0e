"""A fixed amount of work, or a share more of it: what is measured is the machine."""

from collections.abc import Callable

from edgefashion.artifact import Model
from edgefashion.records import SessionSpec
from edgefashion_fakes.base import FORMATS, OPT_IN, PACKAGE, PROVIDERS, START_S, FakeSession, available

__all__ = ["FORMATS", "OPT_IN", "PACKAGE", "PROVIDERS", "START_S", "available", "open_session"]

_STEPS = 1000  # about 50 µs
_MULTIPLIER, _INCREMENT, _MASK = 1_664_525, 1_013_904_223, 0xFFFF_FFFF


def open_session(model: Model, spec: SessionSpec) -> FakeSession:  # noqa: ARG001 - no fake looks at its model
    """A session that works longer by the share in its option "slower"."""
    return FakeSession(spec, working(round(_STEPS * (1 + float(spec.options.get("slower", "0"))))))


def working(steps: int) -> Callable[[], None]:
    """A call of that many steps of a linear congruential generator."""

    def call() -> None:
        state = 1
        for _ in range(steps):
            state = (state * _MULTIPLIER + _INCREMENT) & _MASK

    return call
