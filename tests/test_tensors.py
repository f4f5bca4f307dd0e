"""Arrays beside a record in one sealed file."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgefashion import tensors
from edgefashion.data import Dataset
from edgefashion.errors import BadInput
from edgefashion.files import UNSEALED, seal
from edgefashion.records import Manifest, Reference, TrainingReport

KEY = tensors.REFERENCE_KEY

# The types that weights, logits and optimizer states have.
arrays = st.dictionaries(
    st.from_regex(r"[a-z.0-9]{1,12}", fullmatch=True),
    st.sampled_from([np.float32, np.float16, np.int8, np.uint8, np.int64]).flatmap(
        lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=4, max_side=5))
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def record(sample: Dataset) -> Reference:
    """A small record."""
    return Reference(checkpoint_sha256="a" * 64, data=sample.identity, torch="2.13.0")


@given(given_arrays=arrays)
def test_round_trip(given_arrays: tensors.Arrays, record: Reference, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Arrays of any type and shape come back bit for bit, with the record."""
    path = tmp_path_factory.getbasetemp() / "arrays.safetensors"
    path.write_bytes(tensors.pack(given_arrays, KEY, record))
    found, found_record = tensors.read(path, KEY, Reference)
    assert given_arrays.keys() == found.keys()
    for name, array in given_arrays.items():
        assert (array.dtype, array.shape) == (found[name].dtype, found[name].shape)
        assert array.tobytes() == found[name].tobytes()
    assert record.data == found_record.data


def test_bytes_depend_on_values_alone(record: Reference) -> None:
    """The same values give the same file, however they lie in memory."""
    plain = np.arange(12, dtype=np.float32).reshape(3, 4)
    scattered = np.asfortranarray(plain)
    assert tensors.pack({"a": plain}, KEY, record) == tensors.pack({"a": scattered}, KEY, record)


def test_other_kind_of_file_is_refused(record: Reference, manifest: Manifest, tmp_path: Path) -> None:
    """A sound file that holds another record is not taken for what was wanted."""
    path = tmp_path / "other.safetensors"
    path.write_bytes(tensors.pack({}, "edgefashion.other", record))
    with pytest.raises(BadInput, match=f"holds no {KEY}: expected a Reference"):
        tensors.read(path, KEY, Reference)
    path.write_bytes(tensors.pack({}, KEY, manifest))
    with pytest.raises(BadInput, match="not a valid Reference"):
        tensors.read(path, KEY, Reference)


def test_sealed_document_is_refused(training_report: TrainingReport, tmp_path: Path) -> None:
    """A sealed JSON document under the wrong name is refused like any other wrong file."""
    path = training_report.save(tmp_path / "reference.safetensors")
    with pytest.raises(BadInput):
        tensors.read(path, KEY, Reference)


@pytest.mark.parametrize(
    "header",
    [
        "[" * 50_000,
        "[]",
        "{}",
        '{"__metadata__": 1}',
        '{"__metadata__": {"edgefashion.reference": "\\ud800"}}',
        '{"__metadata__": {"edgefashion.reference": "{}"}, "a":{"dtype": "F32", "shape":[9], "data_offsets": [0, 1]}}',
    ],
)
def test_hostile_header_is_refused(header: str, tmp_path: Path) -> None:
    """Headers that are deep, of the wrong type, or wrong about their arrays are refused although the seal fits."""
    body = header.encode() + json.dumps({"edgefashion.sha256": UNSEALED}).encode()
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(seal(len(header).to_bytes(8, "little") + body))
    with pytest.raises(BadInput):
        tensors.read(path, KEY, Reference)
