"""Right before fast: what a worker answers is held against what it should before it is timed."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from workers import started, why_it_fails

from edgefashion.bench.process import worker
from edgefashion.bench.process.worker import Job
from edgefashion.errors import CheckFailed

replace = msgspec.structs.replace


def test_a_worker_that_answers_wrongly_is_not_timed(job: Job) -> None:
    """Outputs that differ from those expected, on any of the inputs, end the launch before a sample is taken."""
    expected = np.load(job.outputs)
    expected[15, 0, 0] += 1
    np.save(job.outputs, expected)
    assert why_it_fails(job).startswith("it answers wrongly: outputs are off by 1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda outputs: outputs[:, :, :9], "outputs have shape (16, 1, 10) instead of (16, 1, 9)"),
        (lambda outputs: outputs * np.float32("nan"), "outputs are off by nan"),
        (lambda outputs: outputs * 1.01, "outputs are off by"),
    ],
    ids=["shape", "nan", "one per cent"],
)
def test_outputs_are_held_against_those_expected(job: Job, change, said: str) -> None:
    """Another shape, no number at all, and a difference that no order of sums explains."""
    outputs = np.load(job.outputs)
    np.save(job.outputs, change(outputs))
    with pytest.raises(CheckFailed, match="it answers wrongly") as caught:
        worker._check(outputs, Path(job.outputs))
    assert said in str(caught.value)


def test_the_order_of_sums_is_no_wrong_answer(job: Job) -> None:
    """A difference of a ten-thousandth of the largest output is let pass, and nothing is overwritten."""
    outputs = np.load(job.outputs)
    worker._check(outputs + 1e-4 * np.abs(outputs).max(), Path(job.outputs))
    assert np.array_equal(outputs, np.load(job.outputs))


def test_what_is_no_number_is_right_where_it_is_expected(tmp_path: Path) -> None:
    """A foreign model may well answer with infinity or NaN: always there, and nowhere else."""
    expected = np.array([[np.inf, -np.inf, np.nan, 1.0]])
    kept = tmp_path / "outputs.npy"
    np.save(kept, expected)
    worker._check(expected, kept)
    worker._check(expected + np.array([0, 0, 0, 1e-4]), kept)
    for place, value in ((0, -np.inf), (0, 1.0), (2, 1.0), (3, np.nan), (3, np.inf), (3, 1.01)):
        wrong = expected.copy()
        wrong[0, place] = value
        with pytest.raises(CheckFailed, match="answers wrongly"):
            worker._check(wrong, kept)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.int64, np.uint8, np.float16])
def test_outputs_of_any_type_are_held_against_those_expected(tmp_path: Path, dtype: type) -> None:
    """Zeros throughout are answers as well, and so is nothing at all."""
    kept = tmp_path / "outputs.npy"
    for shape in ((2, 3), (2, 0)):
        np.save(kept, np.zeros(shape, dtype))
        worker._check(np.zeros(shape, dtype), kept)
    np.save(kept, np.zeros((2, 3), dtype))
    with pytest.raises(CheckFailed, match="off by 1, at most 0"):
        worker._check(np.ones((2, 3), dtype), kept)


def test_the_smallest_number_has_no_counterpart(tmp_path: Path) -> None:
    """An int8 of -128 has no absolute value of its own type: it is right all the same."""
    kept = tmp_path / "outputs.npy"
    np.save(kept, np.full((2, 3), -128, np.int8))
    worker._check(np.full((2, 3), -128, np.int8), kept)


def test_the_first_launch_of_a_foreign_model_is_the_measure_of_the_next(foreign_job, foreign) -> None:
    """Nothing is known of it, so its first answers are kept and every later launch is held to them."""
    job = foreign_job(foreign("net.onnx", ("FLOAT", ["batch", 3])))
    kept = Path(job.outputs)
    with started(job):
        first = np.load(kept)
    assert first.shape == (16, 1, 3)
    with started(job) as again:
        assert len(again.block().samples_ns) >= 20
    assert np.array_equal(first, np.load(kept))
    np.save(kept, first + 0.1)
    assert "answers wrongly" in why_it_fails(job)


def test_a_foreign_model_is_fed_by_batch_and_seed(foreign_job, foreign) -> None:
    """Its answers are those to numbers of the size and seed asked for: this one hands them through."""
    path = foreign("net.onnx", ("INT64", ["batch", 3]))
    for number, changes in enumerate(({"batch": 2}, {"batch": 2, "seed": 1})):
        job = replace(foreign_job(path), outputs=str(path.with_name(f"{number}.npy")), **changes)
        with started(job):
            assert np.load(job.outputs).shape == (16, 2, 3)
            assert np.load(job.outputs).dtype == np.int64
    assert not np.array_equal(np.load(path.with_name("0.npy")), np.load(path.with_name("1.npy")))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([("FLOAT", ["n", 2]), ("FLOAT", ["n", 2])], "has 2 inputs (x0, x1)"),
        ([("FLOAT", [3, 2])], "has a fixed batch of 3"),
        ([("FLOAT", ["n", "any"])], "open dimensions"),
        ([("STRING", ["n"])], "of type string"),
    ],
    ids=["several", "fixed", "open", "text"],
)
def test_a_foreign_model_that_cannot_be_fed_says_why(foreign_job, foreign, inputs, said: str) -> None:
    """The reason comes from the worker as a sentence, not as a bug."""
    assert said in why_it_fails(foreign_job(foreign("net.onnx", *inputs)))


def test_a_model_that_changed_is_refused(job: Job) -> None:
    """The digest of the plan is the digest that is measured."""
    assert "changed while it was measured" in why_it_fails(replace(job, sha256="0" * 64))
