"""What the tests of quantization share."""

from typing import Any

import pytest

from edgefashion.data import Dataset


@pytest.fixture
def pixels(sample: Dataset) -> Any:
    """Few calibration pictures."""
    return sample.train.pixels[:30]
