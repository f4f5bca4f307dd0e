"""Which cells are in question."""

from typing import Any

import pytest
from picking import bench, model

from edgefashion.errors import BadInput, UsageError
from edgefashion.pick import select

MINE = model("mine")
BATCHED = model("mine", batch=8)
THREADED = model("mine", threads=2)
ELSEWHERE = model("gpu", provider="CUDAExecutionProvider")
TORCH = model("torch", runtime="pytorch", provider="cpu")
OTHERS = [model("mine", role=role) for role in ("duplicate", "naive call", "null model", "baseline")]
PACED = model("paced", scenario="paced:30")
BENCH = bench(MINE, BATCHED, THREADED, ELSEWHERE, TORCH, *OTHERS, PACED)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [MINE, THREADED, ELSEWHERE, TORCH]),
        ({"batch": 8}, [BATCHED]),
        ({"threads": 2}, [THREADED]),
        ({"provider": "CUDA"}, [ELSEWHERE]),
        ({"provider": "CPUExecutionProvider", "runtime": "onnxruntime"}, [MINE, THREADED]),
        ({"provider": "cpu", "threads": 1}, [MINE, TORCH]),
        ({"runtime": "pytorch"}, [TORCH]),
        ({"digests": {MINE.cell.artifact.sha256, TORCH.cell.artifact.sha256}}, [MINE, THREADED, TORCH]),
    ],
)
def test_settings_narrow_the_choice(asked: dict[str, Any], expected: list[Any]) -> None:
    """Models one picture a call in a closed loop, in whatever other setting; the rest is asked for."""
    assert [each.cell for each in expected] == select(BENCH, **asked)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"batch": 64}, "with batch 64: expected 1 or 8"),
        ({"threads": 4}, "with threads 4: expected 1 or 2"),
        ({"provider": "tensorrt"}, "with provider tensorrt: expected cpu or cuda"),
        ({"runtime": "tvm"}, "with runtime tvm: expected onnxruntime or pytorch"),
        ({"runtime": "pytorch", "batch": 8}, "with runtime pytorch: expected onnxruntime"),
    ],
)
def test_what_was_not_measured_is_said(asked: dict[str, Any], message: str) -> None:
    """The message names the setting and what there is."""
    with pytest.raises(UsageError, match=f"nothing was measured {message}"):
        select(BENCH, **asked)


def test_a_file_that_was_not_measured_is_refused() -> None:
    """A model that was exported again is not the one whose figures are stored."""
    with pytest.raises(BadInput, match=r"no model with the SHA-256 ab+: measure it"):
        select(BENCH, digests={MINE.cell.artifact.sha256, "abb"})
