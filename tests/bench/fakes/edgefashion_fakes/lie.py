"""It answers otherwise in each process: right in one launch, wrong in the next."""

import numpy as np

from edgefashion.artifact import Model
from edgefashion.records import SessionSpec
from edgefashion_fakes.base import FORMATS, OPT_IN, PACKAGE, PROVIDERS, START_S, FakeSession, available

__all__ = ["FORMATS", "OPT_IN", "PACKAGE", "PROVIDERS", "START_S", "available", "open_session"]


def open_session(model: Model, spec: SessionSpec) -> FakeSession:  # noqa: ARG001 - no fake looks at its model
    """A session whose answers were drawn when it was opened."""
    drawn = np.random.default_rng().normal(size=10).astype(np.float32)
    return FakeSession(spec, lambda: None, answer=lambda images: np.tile(drawn, (len(images), 1)))
