"""Files that explain themselves."""

import contextlib
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion import artifact, tensors
from edgefashion.artifact import (
    MANIFEST_KEY,
    from_content,
    open_artifact,
    stamp_checkpoint,
)
from edgefashion.errors import BadInput, UsageError
from edgefashion.files import SEAL_KEY, UNSEALED, seal, sha256
from edgefashion.protobuf import fields, messages, varint
from edgefashion.records import Manifest, Reference
from edgefashion.subjects import ForeignModel, PythonCall, is_python_call, open_model

SEAL_MARK = b'"edgefashion.sha256": "' + UNSEALED.encode() + b'"'
COMMITTED = Path(__file__).parents[1] / "exported" / "seed-reference" / "fp32.onnx"
BINARY_KINDS = ("checkpoint.safetensors", "fp32.onnx")


def reseal(content: bytes, change: tuple[bytes, bytes]) -> bytes:
    """Edit a sealed file and seal it again, as a hostile author would."""
    start = content.index(b"edgefashion.sha256") + len(b"edgefashion.sha256")
    digits = next(at for at in range(start, start + 8) if content[at : at + 1] in b"0123456789abcdef")
    blank = content[:digits] + UNSEALED.encode() + content[digits + 64 :]
    old, new = change
    assert old in blank
    return seal(blank.replace(old, new, 1))


@pytest.mark.parametrize("kind", BINARY_KINDS)
def test_manifest_survives_copying(kind: str, sealed_files: dict[str, bytes], tmp_path: Path) -> None:
    """An artifact says the same about itself in another folder, under another name, on its own."""
    path = tmp_path / kind
    path.write_bytes(sealed_files[kind])
    (tmp_path / "elsewhere").mkdir()
    copied = Path(shutil.copy(path, tmp_path / "elsewhere" / "renamed.bin"))
    first, second = open_artifact(path), open_artifact(copied)
    assert first.manifest == second.manifest
    assert first.manifest.name == "by-hand"
    assert first.sha256 == second.sha256


def test_info_names_the_artifact(sealed_files: dict[str, bytes]) -> None:
    """What results keep of an artifact is enough to find it again."""
    content = sealed_files["fp32.onnx"]
    info = from_content(content, Path("somewhere/else.onnx")).info
    assert (info.name, info.variant, info.file) == ("by-hand", "fp32", "else.onnx")
    assert (sha256(content), len(content)) == (info.sha256, info.size_bytes)
    assert (info.precision, info.scheme) == ("float32", None)


def test_checkpoint_holds_its_weights(manifest: Manifest) -> None:
    """What is stamped into a checkpoint comes out of it."""
    weights = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}
    content = stamp_checkpoint(dict(weights), manifest)
    assert weights["w"].tolist() == tensors.arrays(content, Path("x"))["w"].tolist()
    found = from_content(content, Path("x")).manifest
    assert manifest == msgspec.structs.replace(found, seal=UNSEALED)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"just some text\n",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        bytes(100),
    ],
    ids=["empty", "text", "png", "zeros"],
)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    """A file of another kind is refused with what was expected."""
    path = tmp_path / "fp32.onnx"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"fp32\.onnx carries no .*: expected a file written by edgefashion"):
        open_artifact(path)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A sound ONNX model that edgefashion did not write, with metadata of its own."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:]))
    model.metadata_props.add(key="author", value="somebody else")
    path = tmp_path / "net.v2.onnx"
    onnx.save(model, path)
    return path


def test_a_foreign_model_is_no_artifact(foreign: Path) -> None:
    """Where a manifest is needed it is refused, and the message says what it lacks."""
    with pytest.raises(BadInput, match=r"net\.v2\.onnx carries no .* seal, and net\.v2\.onnx\.json is not beside"):
        open_artifact(foreign)


def test_a_foreign_model_is_named_by_its_file(foreign: Path) -> None:
    """Where a model is only timed it is opened: nothing is known of it but its bytes and its name."""
    model = open_model(foreign)
    assert isinstance(model, ForeignModel)
    assert foreign.read_bytes() == model.content
    assert (model.format, model.path) == ("onnx", foreign)
    info = model.info
    assert (info.name, info.variant, info.file) == ("net.v2", "net.v2", "net.v2.onnx")
    assert (info.precision, info.scheme) == ("unknown", None)
    assert (sha256(model.content), len(model.content)) == (info.sha256, info.size_bytes)
    assert model.sha256 == info.sha256


@pytest.mark.parametrize("kind", BINARY_KINDS)
def test_an_artifact_is_no_foreign_model(kind: str, sealed_files: dict[str, bytes], tmp_path: Path) -> None:
    """Whoever opens any model gets an artifact as what it is."""
    path = tmp_path / "any.onnx"
    path.write_bytes(sealed_files[kind])
    assert open_model(path) == open_artifact(path)


def test_a_changed_artifact_is_no_foreign_model(tmp_path: Path) -> None:
    """Whichever byte of its marks is changed, or of anything else: it is damaged, and not somebody else's."""
    content, path = COMMITTED.read_bytes(), tmp_path / "damaged.onnx"
    marks = [content.index(mark) + at for mark in (MANIFEST_KEY.encode(), SEAL_KEY.encode()) for at in range(len(mark))]
    others = np.random.default_rng(3).integers(len(content), size=50).tolist()
    for position in (*marks, *others):
        path.write_bytes(content[:position] + bytes((content[position] ^ 0x10,)) + content[position + 1 :])
        with pytest.raises(BadInput):
            open_model(path)


def test_a_truncated_artifact_is_no_foreign_model(tmp_path: Path) -> None:
    """Its marks are at its end: cut off there it still holds a graph, and is refused all the same.

    Only a cut exactly before the metadata leaves a whole model: it is one, and says nothing about itself.
    """
    content, path = COMMITTED.read_bytes(), tmp_path / "cut.onnx"
    found = list(fields(content))
    graph = next(messages(found, 7))
    graph_ends = content.index(graph) + len(graph)
    metadata = content.index(MANIFEST_KEY.encode())
    entry = next(messages(found, 14))
    entry_begins = content.index(entry) - 1 - len(length_of(entry))
    passed = []
    for length in (*range(0, graph_ends, 997), *range(graph_ends - 20, metadata + 40), len(content) - 1):
        path.write_bytes(content[:length])
        with contextlib.suppress(BadInput):
            open_model(path)
            passed.append(length)
    assert [entry_begins] == passed


def length_of(message: bytes) -> bytes:
    """The varint that stands between a message's tag and its content."""
    rest, groups = len(message), []
    while rest:
        groups.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes((*groups[:-1], groups[-1] & 0x7F))


@pytest.mark.parametrize(
    "content",
    [b"", b"just some text\n", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", bytes(100), b"\x08\x0a", b"\x3a\x7f"],
    ids=["empty", "text", "png", "zeros", "no graph", "cut off"],
)
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    """By what was expected, before a runtime tries to make sense of it."""
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"net\.onnx is no ONNX model: expected one, or an artifact made by edgefashion"):
        open_model(path)


def test_documents_are_no_models(training_report: msgspec.Struct, tmp_path: Path) -> None:
    """Sealed or not, JSON is no model under any name, and what is not there is not there."""
    path = tmp_path / "net.onnx"
    for content in (training_report.to_json(), b'{"kind": "benchmark"}'):  # type: ignore[attr-defined]
        path.write_bytes(content)
        with pytest.raises(BadInput):
            open_model(path)
    with pytest.raises(BadInput, match="does not exist"):
        open_model(tmp_path / "absent.onnx")


@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_model_or_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No file escapes from the look at its outermost fields as anything but BadInput."""
    path = tmp_path_factory.getbasetemp() / "fuzz.onnx"
    path.write_bytes(content)
    with contextlib.suppress(BadInput):
        assert isinstance(open_model(path), ForeignModel)


def test_sealed_but_without_manifest(training_report: msgspec.Struct, sealed_files: dict[str, bytes]) -> None:
    """A sealed file of another kind is no artifact: neither a document, nor stored logits, nor a bare seal."""
    reference = Reference(checkpoint_sha256="0" * 64, data=training_report.data, torch="2")  # type: ignore[attr-defined]
    stored = tensors.pack({}, tensors.REFERENCE_KEY, reference)
    for content in (sealed_files["train.json"], stored, seal(b"\x0a\xff" + SEAL_MARK), seal(SEAL_MARK)):
        with pytest.raises(BadInput, match=r"neither ONNX nor safetensors|carries no manifest"):
            from_content(content, Path("x.onnx"))


@pytest.mark.parametrize("kind", BINARY_KINDS)
@pytest.mark.parametrize(
    "change",
    [(b"schema", b"scheme"), (b"float32", b"float33"), (b"11562", b"1e999"), (b"by-hand", b"by-\xff\xfend")],
)
def test_hostile_manifest_is_refused(kind: str, change: tuple[bytes, bytes], sealed_files: dict[str, bytes]) -> None:
    """A manifest that was edited and sealed again is still parsed strictly."""
    with pytest.raises(BadInput):
        from_content(reseal(sealed_files[kind], change), Path(kind))


@pytest.mark.parametrize("kind", BINARY_KINDS)
def test_newer_schema_is_refused(kind: str, manifest: Manifest) -> None:
    """An artifact of a newer schema is refused by its number."""
    newer = msgspec.structs.replace(manifest, schema=2)
    with pytest.raises(BadInput, match="has schema 2: this edgefashion reads schema 1"):
        from_content(stamp_checkpoint({}, newer), Path(kind))


@given(before=st.binary(max_size=80), after=st.binary(max_size=80))
def test_any_sealed_bytes_are_refused(before: bytes, after: bytes) -> None:
    """No bytes around a sound seal escape from the parsers as anything but BadInput."""
    with pytest.raises(BadInput):
        from_content(seal(before + SEAL_MARK + after), Path("fuzz.onnx"))


@given(content=st.binary(max_size=60))
def test_any_safetensors_header_is_refused(content: bytes) -> None:
    """No header that claims to be safetensors escapes as anything but BadInput."""
    header = b'{"__metadata__": {"' + MANIFEST_KEY.encode() + b'": "' + content
    whole = len(header).to_bytes(8, "little") + header + SEAL_MARK
    with pytest.raises(BadInput):
        from_content(seal(whole), Path("fuzz.safetensors"))


def test_deep_header_is_refused() -> None:
    """A hundred thousand brackets in a header overflow no stack."""
    header = b'{"a":' + b"[" * 100_000
    with pytest.raises(BadInput, match="neither ONNX nor safetensors"):
        from_content(seal(len(header).to_bytes(8, "little") + header + SEAL_MARK), Path("deep.safetensors"))


def test_endless_varint_is_refused() -> None:
    """A varint ends after ten bytes (protobuf.dev): a longer one costs no quadratic time, it is refused."""
    with pytest.raises(ValueError, match="varint"):
        varint(b"\x80" * 64 + b"\x01", 0)


@pytest.mark.parametrize("name", ["fp32.onnx", "int8-static.onnx", "checkpoint.safetensors"])
def test_flipped_bits_of_real_files(name: str, own_run: Path) -> None:
    """Each of 200 single flipped bits in a real model's file is reported as damage."""
    path = own_run / name
    content = path.read_bytes()
    for bit in np.random.default_rng(5).integers(8 * len(content), size=200).tolist():
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(BadInput, match=name):
            open_artifact(path)


def test_stamp_replaces_metadata(manifest: Manifest) -> None:
    """What a tool left in a model's metadata does not survive the stamp."""
    onnx = pytest.importorskip("onnx")
    model = onnx.ModelProto(ir_version=10)
    model.metadata_props.add(key="origin", value="/home/someone")
    content = artifact.stamp_onnx(model, manifest)
    stamped = onnx.load_model_from_string(content)
    assert [entry.key for entry in stamped.metadata_props] == [MANIFEST_KEY]
    assert from_content(content, Path("x.onnx")).manifest.name == "by-hand"


# Calls in Python files


def test_a_call_is_found_by_its_file_and_function() -> None:
    """What a fresh process needs: the same from the function itself and from the name that a person writes."""
    call = PythonCall.of(reseal)
    assert Path(__file__).absolute() == call.file
    assert (call.function, call.format) == ("reseal", "python")
    assert call == open_model(Path(f"{Path(__file__).absolute()}:reseal"))
    info = call.info
    assert (info.name, info.variant, info.precision) == ("reseal", "reseal", "unknown")
    assert call.sha256 == info.sha256 != PythonCall.of(test_a_call_is_found_by_its_file_and_function).sha256


@pytest.mark.parametrize(
    "function",
    [lambda: None, partial(reseal), print, [].append, Path.cwd],
    ids=["lambda", "partial", "built in", "bound", "method"],
)
def test_what_a_fresh_process_cannot_find_is_refused(function: Callable[..., object]) -> None:
    """No name of its own, no file, or not at the top level of one."""
    with pytest.raises(UsageError, match="expected a function at the top level of a file"):
        PythonCall.of(function)


def test_a_call_in_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """By the name of the file; and what is no identifier is no function but part of a file's name."""
    with pytest.raises(BadInput, match=r"mine\.py does not exist"):
        open_model(tmp_path / "mine.py:make_call")
    assert is_python_call("folder/mine.py:make_call")
    for name in ("mine.py", "mine.py:", "mine.py:1st", "mine.onnx:make_call", ":make_call", "make_call"):
        assert not is_python_call(name)
