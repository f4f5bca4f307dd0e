"""IDX files that nobody trusts."""

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgefashion.data.idx import read_idx, write_idx
from edgefashion.errors import BadInput
from edgefashion.files import sha256

ARRAY = np.random.default_rng(1).integers(256, size=(5, 4, 3), dtype=np.uint8)
CONTENT = write_idx(ARRAY)


def read(path: Path) -> np.ndarray:
    """Read a file that should hold ARRAY."""
    return read_idx(path, shape=ARRAY.shape, digest=sha256(CONTENT))


@given(
    array=npst.arrays(np.uint8, npst.array_shapes(min_dims=1, max_dims=4, max_side=6)),
    compressed=st.booleans(),
)
def test_round_trip(array: np.ndarray, compressed: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is written comes back, gzipped or not."""
    content = write_idx(array)
    path = tmp_path_factory.getbasetemp() / "array-idx"
    path.write_bytes(gzip.compress(content) if compressed else content)
    found = read_idx(path, shape=array.shape, digest=sha256(content))
    assert array.tolist() == found.tolist()
    assert array.shape == found.shape


def test_format_is_the_published_one() -> None:
    """Two zeros, the code of bytes, the number of dimensions, the sizes big-endian, then the data."""
    assert b"\0\0\x08\x02\0\0\0\x01\0\0\x01\x2c" + bytes(300) == write_idx(np.zeros((1, 300), np.uint8))


def test_array_is_read_only(tmp_path: Path) -> None:
    """Pictures that were checked cannot be changed afterwards."""
    path = tmp_path / "idx"
    path.write_bytes(CONTENT)
    assert not read(path).flags.writeable


def test_flipped_bits(tmp_path: Path) -> None:
    """Any flipped bit of the content is seen; one in gzip's own header may be ignored, but never gives other data."""
    for content in (CONTENT, gzip.compress(CONTENT, mtime=0)):
        path = tmp_path / "idx"
        for bit in range(8 * len(content)):
            damaged = bytearray(content)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            try:
                found = read(path)
            except BadInput:
                continue
            assert content is not CONTENT
            assert ARRAY.tolist() == found.tolist()


def test_truncations(tmp_path: Path) -> None:
    """Every shorter file is refused, gzipped or not."""
    path = tmp_path / "idx"
    for content in (CONTENT, gzip.compress(CONTENT)):
        for length in range(len(content)):
            path.write_bytes(content[:length])
            with pytest.raises(BadInput, match=str(path)):
                read(path)


@pytest.mark.parametrize(
    "content",
    [
        CONTENT + b"\0",
        gzip.compress(CONTENT) + gzip.compress(b"more"),
        gzip.compress(CONTENT) + b"garbage",
        gzip.compress(gzip.compress(CONTENT)),
    ],
    ids=["byte", "member", "garbage", "twice"],
)
def test_appended_content(content: bytes, tmp_path: Path) -> None:
    """Something behind the data, inside or outside of the compression, is refused."""
    path = tmp_path / "idx.gz"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="fetch it again"):
        read(path)


@pytest.mark.parametrize("shape", [(4, 5, 3), (60,), (5, 12), (5, 4, 3, 1)])
def test_wrong_dimensions(shape: tuple[int, ...], tmp_path: Path) -> None:
    """The same bytes under other dimensions are refused although their number fits."""
    content = write_idx(ARRAY.reshape(shape))
    path = tmp_path / "idx"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="not an IDX file of 5 by 4 by 3 bytes"):
        read_idx(path, shape=ARRAY.shape, digest=sha256(content))


def test_other_content(tmp_path: Path) -> None:
    """A well-formed file with other pictures is refused by its digest."""
    path = tmp_path / "idx"
    path.write_bytes(write_idx(255 - ARRAY))
    with pytest.raises(BadInput, match="another SHA-256"):
        read(path)


def test_bomb_is_not_inflated(tmp_path: Path) -> None:
    """A small file that inflates to 50 MB is refused within two megabytes of memory."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(CONTENT + bytes(50_000_000), compresslevel=9))
    assert path.stat().st_size < 60_000
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match="not an IDX file"):
            read(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2_000_000


def test_large_file_is_refused_unread(tmp_path: Path) -> None:
    """A file far larger than its content could be is not even read."""
    path = tmp_path / "large"
    path.write_bytes(bytes(200_000))
    with pytest.raises(BadInput, match="200,000 bytes: expected at most"):
        read(path)


def test_missing_file(tmp_path: Path) -> None:
    """A missing file is reported as such."""
    with pytest.raises(BadInput, match="does not exist"):
        read(tmp_path / "absent")
