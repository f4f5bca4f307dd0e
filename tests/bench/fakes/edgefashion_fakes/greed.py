"""Its timed call asks for ever more memory, and touches none of it."""

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Model
from edgefashion.records import SessionSpec
from edgefashion_fakes.base import FORMATS, OPT_IN, PACKAGE, PROVIDERS, START_S, FakeSession, available

__all__ = ["FORMATS", "OPT_IN", "PACKAGE", "PROVIDERS", "START_S", "available", "open_session"]

_PIECE_BYTES = 2**30


def open_session(model: Model, spec: SessionSpec) -> FakeSession:  # noqa: ARG001 - no fake looks at its model
    """A session that takes addresses until there are no more."""
    taken: list[NDArray[np.uint8]] = []
    return FakeSession(spec, lambda: taken.append(np.empty(_PIECE_BYTES, np.uint8)))
