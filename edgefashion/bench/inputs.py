"""What a model is fed: the same pictures for every cell, or numbers that fit a foreign model's input."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.data import Dataset
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import TensorSpec

if TYPE_CHECKING:
    from edgefashion.runtimes import Session

INPUTS = 16  # different batches that a worker rotates through

_SMALL_INTEGERS = 2  # 0 and 1 are valid as indices, flags and counts alike


def draw_pictures(data: Dataset, *, batch: int, seed: int) -> NDArray[np.uint8]:
    """uint8[inputs, batch, H, W] of test pictures: the same for every cell, so none has easier ones."""
    random = np.random.default_rng([seed, batch])
    drawn: NDArray[np.uint8] = data.test.pixels[random.integers(len(data.test), size=(INPUTS, batch))]
    return drawn


def made_for(session: "Session", *, batch: int, seed: int, count: int = INPUTS) -> NDArray[Any]:
    """[count, batch, …] of random numbers of the type and shape that the session's only input asks for.

    Floats are uniform in [0, 1), bytes use their whole range, wider integers are 0 or 1.

    Raises:
        BadInput: The model has several inputs, one of another type, or open dimensions beside the first.
        UsageError: Its batch is fixed at another size.
    """
    if not session.inputs:  # a call that brings its own
        return np.zeros((count, batch), dtype=np.uint8)
    if len(session.inputs) != 1:
        names = ", ".join(spec.name for spec in session.inputs)
        raise BadInput(f"the model has {len(session.inputs)} inputs ({names}): expected one")
    (spec,) = session.inputs
    return _values(spec, (count, *_shape(spec, batch)), np.random.default_rng([seed, batch]))


def _shape(spec: TensorSpec, batch: int) -> tuple[int, ...]:
    first, *rest = spec.shape or [1]
    if isinstance(first, int) and first != batch:
        raise UsageError(f"the model's input {spec.name} has a fixed batch of {first}: --batch {batch} does not fit")
    fixed = [size for size in rest if isinstance(size, int)]
    if len(fixed) != len(rest):
        raise BadInput(
            f"the model's input {spec.name} has open dimensions beside the first ({spec.shape}): "
            "fix them with `python -m onnxruntime.tools.make_dynamic_shape_fixed`"
        )
    return (first if isinstance(first, int) else batch, *fixed)


def _values(spec: TensorSpec, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[Any]:
    try:
        dtype = np.dtype(spec.dtype)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind == "f":
        return random.random(shape, dtype=np.float32).astype(dtype, copy=False)
    if dtype.kind == "b" or (dtype.kind in "iu" and dtype.itemsize > 1):
        return random.integers(_SMALL_INTEGERS, size=shape).astype(dtype)
    if dtype.kind in "iu":
        return random.integers(256, size=shape, dtype=np.uint8).view(dtype)
    raise BadInput(f"the model's input {spec.name} is of type {spec.dtype}: expected numbers")
