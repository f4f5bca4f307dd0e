"""Reading outputs that were computed elsewhere."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from edgefashion.errors import BadInput
from edgefashion.verify.contract import read_outputs

numbers = npst.arrays(np.float32, (2, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def npz(**arrays: object) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


SOUND = npz(logits=np.arange(6, dtype=np.float32).reshape(2, 3))


def read(content: bytes, path: Path) -> NDArray[np.float32]:
    path.write_bytes(content)
    return read_outputs(path, images=2, classes=3)


def read_or_refuse(content: bytes, path: Path) -> None:
    """What is not refused is two rows of three finite numbers."""
    try:
        outputs = read(content, path)
    except BadInput as error:
        assert str(error).startswith(str(path))  # noqa: PT017 - either outcome is right
    else:
        assert ((2, 3), np.float32) == (outputs.shape, outputs.dtype)
        assert np.isfinite(outputs).all()


@one_file
@given(array=numbers, header=st.booleans())
def test_csv_comes_back(array: NDArray[np.float32], header: bool, tmp_path: Path) -> None:
    """Numbers with all their digits are read as they were, with a header or without, after a byte order mark."""
    lines = ["a,b,c"] * header + [",".join(map(str, row)) for row in array]
    np.testing.assert_array_equal(read(("\ufeff" + "\r\n".join(lines)).encode(), tmp_path / "outputs.csv"), array)


@one_file
@given(array=numbers, dtype=st.sampled_from(["<f4", ">f8", "<f8"]), order=st.sampled_from("CF"))
def test_npz_comes_back(array: NDArray[np.float32], dtype: str, order: str, tmp_path: Path) -> None:
    """An array in any byte order and layout is read as it was, whatever it is called if it is alone."""
    stored = np.asarray(array.astype(dtype), order=order)
    for content in (npz(logits=stored, other=np.zeros(3)), npz(anything=stored)):
        np.testing.assert_array_equal(read(content, tmp_path / "outputs.bin"), array)


def test_integers_are_numbers(tmp_path: Path) -> None:
    """A device may write what it has not dequantized."""
    outputs = read(npz(logits=np.array([[1, 2, 3], [-4, 5, 127]], np.int8)), tmp_path / "outputs.npz")
    assert outputs.tolist() == [[1, 2, 3], [-4, 5, 127]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"shape \[0\]"),
        (b"a,b,c\n", r"shape \[0\]"),
        (b"1,2,3\n4,5\n", "not equally long"),
        (b"1,2,3\n4,x,6\n", "could not convert"),
        (b"1,x,3\n1,2,3\n4,5,6\n", "could not convert"),
        (b"1,2,3\n4,nan,6\n", "not finite"),
        (b"1,2,3\n4,1e39,6\n", "not finite as float32"),
        (b"1,2\n3,4\n5,6\n", r"shape \[3, 2\]"),
        (b'1,2,"3\n', "no CSV"),
        (b"\xff\xfe1", "utf-8"),
        (b"1" * 200_000, "expected at most"),
        (SOUND[:-30], "no sound NPZ"),
        (npz(a=np.zeros((2, 3)), b=np.zeros(1)), "holds 2 arrays and none is called logits"),
        (npz(), "holds 0 arrays"),
        (npz(logits=np.zeros((3, 2))), r"shape \[3, 2\]"),
        (npz(logits=np.zeros((1_000, 1_000))), "too large"),
        (npz(logits=np.array([[1j] * 3] * 2)), "complex128"),
        (npz(logits=np.array([[object()] * 3] * 2)), "object"),
        (npz(logits=np.array([["1"] * 3] * 2)), "<U1"),
    ],
)
def test_everything_else_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    """The message names the file, what is wrong, and what is expected; nothing is unpickled or inflated."""
    with pytest.raises(BadInput, match=rf"outputs\.npz.*{words}") as refusal:
        read(content, tmp_path / "outputs.npz")
    assert "expected" in str(refusal.value)


@pytest.mark.parametrize("shape", ["(1000000000000000, 3)", "(-2, -3)", "(2, 3, 99999999999)", "()"])
def test_a_hostile_header_allocates_nothing(shape: str, tmp_path: Path) -> None:
    """The shape that an array announces is believed only if the bytes are there."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("logits.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(24))
    with pytest.raises(BadInput, match="its array"):
        read(content.getvalue(), tmp_path / "outputs.npz")


@one_file
@given(content=st.binary(max_size=300) | st.text('0123456789.,-+e\n\r"xnaif; \t\0', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes, tmp_path: Path) -> None:
    """No file leads to anything but numbers or a refusal."""
    read_or_refuse(content, tmp_path / "outputs")


@one_file
@given(at=st.integers(0, len(SOUND) - 1), value=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_archive_is_read_or_refused(at: int, value: int, cut: bool, tmp_path: Path) -> None:
    """Nor does a sound archive with a changed byte, or cut there."""
    damaged = SOUND[:at] if cut else SOUND[:at] + bytes([value]) + SOUND[at + 1 :]
    read_or_refuse(damaged, tmp_path / "outputs")


@one_file
@given(tail=st.binary(max_size=200))
def test_a_damaged_array_is_read_or_refused(tail: bytes, tmp_path: Path) -> None:
    """Nor does a sound archive with anything in place of its array."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("logits.npy", b"\x93NUMPY\x01\x00" + tail)
    read_or_refuse(content.getvalue(), tmp_path / "outputs")
