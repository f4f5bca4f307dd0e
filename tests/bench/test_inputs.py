"""What a model is fed."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.bench.inputs import INPUTS, draw_pictures, made_for
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import TensorSpec
from edgefashion.runtimes import default_spec, open_session
from edgefashion.subjects import open_model

BYTES = ("uint8", "int8")
FLAGS = ("bool", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float16", "float32", "float64")


def session_of(*inputs: tuple[str, list[int | str]]) -> SimpleNamespace:
    """A session that is asked for nothing but its inputs."""
    return SimpleNamespace(inputs=[TensorSpec(f"x{number}", *each) for number, each in enumerate(inputs)])


def made(dtype: str, shape: list[int | str], *, batch: int = 1, seed: int = 0) -> np.ndarray:
    return made_for(session_of((dtype, shape)), batch=batch, seed=seed)


# Pictures


def test_pictures_are_those_of_the_test_part(sample) -> None:
    """Sixteen different batches, every picture of which is one that the quality was measured on."""
    drawn = draw_pictures(sample, batch=4, seed=0)
    assert drawn.shape == (INPUTS, 4, 28, 28)
    assert drawn.dtype == np.uint8
    known = {picture.tobytes() for picture in sample.test.pixels}
    assert known.issuperset(picture.tobytes() for picture in drawn.reshape(-1, 28, 28))
    assert len({batch.tobytes() for batch in drawn}) == INPUTS


def test_pictures_depend_on_nothing_but_seed_and_batch(sample) -> None:
    """The same for every cell, and others for another seed."""
    drawn = draw_pictures(sample, batch=1, seed=3)
    assert np.array_equal(drawn, draw_pictures(sample, batch=1, seed=3))
    assert not np.array_equal(drawn, draw_pictures(sample, batch=1, seed=4))


# Numbers for foreign models


@given(
    dtype=st.sampled_from((*BYTES, *FLAGS, *FLOATS)),
    rest=st.lists(st.integers(1, 5), max_size=3),
    batch=st.integers(1, 4),
    is_open=st.booleans(),
)
def test_numbers_fit_the_input(dtype: str, rest: list[int], batch: int, is_open: bool) -> None:
    """Type and shape are what the model asks for, whether its batch is open or fixed at what was asked for."""
    found = made(dtype, ["batch" if is_open else batch, *rest], batch=batch)
    assert found.dtype == np.dtype(dtype)
    assert found.shape == (INPUTS, batch, *rest)


@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_lie_between_zero_and_one(dtype: str) -> None:
    """As pictures do after they were scaled: all different, none so large that a sum of them overflows."""
    found = made(dtype, ["batch", 100])
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.unique(found).size > 500


@pytest.mark.parametrize("dtype", BYTES)
def test_bytes_use_their_whole_range(dtype: str) -> None:
    """As pixels do."""
    found = made(dtype, ["batch", 28, 28])
    assert (found.min(), found.max()) == (np.iinfo(dtype).min, np.iinfo(dtype).max)


@pytest.mark.parametrize("dtype", FLAGS)
def test_wider_integers_are_zero_or_one(dtype: str) -> None:
    """They may be indices: whatever table they look into, it has a first row and nearly always a second."""
    assert set(np.unique(made(dtype, ["batch", 50])).tolist()) == {0, 1}


def test_numbers_depend_on_nothing_but_seed_and_batch() -> None:
    """Launches of one cell are held to each other's outputs, so they must be fed the same."""
    assert np.array_equal(made("float32", ["n", 9], seed=1), made("float32", ["n", 9], seed=1))
    assert not np.array_equal(made("float32", ["n", 9], seed=1), made("float32", ["n", 9], seed=2))
    first, second, *_ = made("float32", ["n", 9])
    assert not np.array_equal(first, second)


def test_a_batch_that_is_fixed_is_refused_by_its_size() -> None:
    """The remedy is another --batch, so it is a request that makes no sense and no bad file."""
    assert made("float32", [4, 3], batch=4).shape == (INPUTS, 4, 3)
    with pytest.raises(UsageError, match="x0 has a fixed batch of 4: --batch 1 does not fit"):
        made("float32", [4, 3], batch=1)


def test_several_inputs_are_refused_by_their_names() -> None:
    """Nobody has said yet how they belong together."""
    with pytest.raises(BadInput, match=r"has 2 inputs \(x0, x1\): expected one"):
        made_for(session_of(("float32", ["n"]), ("int64", ["n"])), batch=1, seed=0)


def test_a_call_without_inputs_is_fed_all_the_same() -> None:
    """It looks at nothing, so it gets as many batches as any other."""
    assert made_for(session_of(), batch=3, seed=0).shape == (INPUTS, 3)


def test_open_dimensions_beside_the_batch_are_refused() -> None:
    """Nobody knows what size they should have; the message says how they are fixed."""
    with pytest.raises(BadInput, match=r"open dimensions beside the first.*make_dynamic_shape_fixed"):
        made("float32", ["batch", "height", "width", 3])


@pytest.mark.parametrize("dtype", ["string", "complex64", "seq(tensor(float32))", "str", "bfloat16"])
def test_what_is_no_number_is_refused_by_its_type(dtype: str) -> None:
    """Text, sequences, and what numpy does not know."""
    with pytest.raises(BadInput, match=r"x0 is of type .*: expected numbers"):
        made(dtype, ["batch", 2])


@pytest.mark.parametrize("kind", ["FLOAT", "FLOAT16", "DOUBLE", "BOOL", "UINT8", "INT8", "INT32", "INT64"])
def test_a_real_model_takes_what_is_made_for_it(foreign, kind: str) -> None:
    """Onnxruntime tells its types by names of its own: what it is given it hands through unchanged."""
    model = open_model(foreign("net.onnx", (kind, ["batch", 3, 2])))
    with open_session(model, default_spec(model)) as session:
        inputs = made_for(session, batch=2, seed=0)
        assert inputs.shape == (INPUTS, 2, 3, 2)
        outputs = session.run(inputs[0])
        assert outputs.dtype == inputs.dtype
        assert np.array_equal(outputs, inputs[0])
