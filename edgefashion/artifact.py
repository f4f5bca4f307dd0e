"""Artifacts: files that explain themselves. Open, read, stamp and digest them.

An artifact is an ONNX model or a checkpoint in the safetensors format. Both carry a `Manifest` as JSON under
the key `edgefashion.manifest`: ONNX in its `metadata_props`, safetensors in its header's `__metadata__`. The
manifest holds the file's seal, which is checked before the manifest, or anything else, is parsed.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from edgefashion import tensors
from edgefashion.errors import BadInput, UsageError
from edgefashion.files import SEAL_KEY, check_seal, read_bounded, seal, sha256
from edgefashion.records import ArtifactInfo, Manifest, decode
from edgefashion.records.base import encode_unsealed

if TYPE_CHECKING:
    from onnx import ModelProto

MANIFEST_KEY = "edgefashion.manifest"

# Field numbers of onnx.proto: of ModelProto, and of StringStringEntryProto.
_GRAPH, _OPSET_IMPORT, _METADATA_PROPS = 7, 8, 14
_KEY, _VALUE = 1, 2
_MAX_VARINT_SHIFT = 63
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


class Model(Protocol):
    """What a runtime needs of a model, whether it explains itself or not."""

    @property
    def path(self) -> Path:
        """Where it was read from."""

    @property
    def content(self) -> bytes:
        """Its bytes as they were checked."""

    @property
    def format(self) -> str:
        """Onnx or safetensors."""

    @property
    def sha256(self) -> str:
        """Hex digest of the whole file."""

    @property
    def info(self) -> ArtifactInfo:
        """How results name it."""


@dataclass(frozen=True)
class Artifact:
    """A checked file and what it says about itself.

    Attributes:
        path: Where it was read from.
        manifest: What it says about itself.
        content: Its bytes as they were checked; sessions open from these, so nothing can change in between.
    """

    path: Path
    manifest: Manifest
    content: bytes = field(repr=False)

    @property
    def format(self) -> str:
        """Onnx or safetensors."""
        return self.manifest.format

    @property
    def sha256(self) -> str:
        """Hex digest of the whole file."""
        return sha256(self.content)

    @property
    def info(self) -> ArtifactInfo:
        """How results name this artifact."""
        return ArtifactInfo(
            name=self.manifest.name,
            variant=self.manifest.variant,
            file=self.path.name,
            sha256=self.sha256,
            size_bytes=len(self.content),
            precision=self.manifest.precision,
            scheme=self.manifest.quantization.scheme if self.manifest.quantization else None,
        )


@dataclass(frozen=True)
class ForeignModel:
    """An ONNX model that edgefashion did not make: it can be timed, and nothing else about it is known.

    Attributes:
        path: Where it was read from.
        content: Its bytes.
    """

    path: Path
    content: bytes = field(repr=False)
    format: str = "onnx"

    @property
    def sha256(self) -> str:
        """Hex digest of the whole file."""
        return sha256(self.content)

    @property
    def info(self) -> ArtifactInfo:
        """How results name this model: by its file."""
        return ArtifactInfo(
            name=self.path.stem,
            variant=self.path.stem,
            file=self.path.name,
            sha256=self.sha256,
            size_bytes=len(self.content),
            precision="unknown",
            scheme=None,
        )


@dataclass(frozen=True)
class PythonCall:
    """A function at the top level of a Python file that returns what is to be timed: a call without arguments.

    Attributes:
        path: The file and the function, as in "mine.py:make_call".
        content: The file's bytes.
    """

    path: Path
    content: bytes = field(repr=False)
    format: str = "python"

    @classmethod
    def of(cls, function: Callable[[], object]) -> Self:
        """What a fresh process needs to find `function` again.

        Raises:
            UsageError: It is no function at the top level of a file.
        """
        name, file = getattr(function, "__qualname__", ""), None
        with contextlib.suppress(TypeError, OSError):
            file = inspect.getsourcefile(function)
        if file is None or not name.isidentifier():
            raise UsageError(
                f"{name or function!r} cannot be found by a fresh process: "
                "expected a function at the top level of a file"
            )
        path = Path(file).absolute()
        return cls(path=path.with_name(f"{path.name}:{name}"), content=read_bounded(path))

    @property
    def file(self) -> Path:
        """The Python file."""
        return self.path.with_name(self.path.name.rpartition(":")[0])

    @property
    def function(self) -> str:
        """The function's name."""
        return self.path.name.rpartition(":")[2]

    @property
    def sha256(self) -> str:
        """Hex digest of the file's place and bytes and the function's name: what it imports lies beside it."""
        return sha256(str(self.path.absolute()).encode() + self.content)

    @property
    def info(self) -> ArtifactInfo:
        """How results name this call: by its function."""
        return ArtifactInfo(
            name=self.function,
            variant=self.function,
            file=self.path.name,
            sha256=self.sha256,
            size_bytes=len(self.content),
            precision="unknown",
            scheme=None,
        )


AnyModel = Artifact | ForeignModel | PythonCall


def is_python_call(name: str) -> bool:
    """Whether `name` is a Python file with a function, as in "mine.py:make_call"."""
    file, _, function = name.rpartition(":")
    return file.endswith(".py") and function.isidentifier()


def open_model(path: Path) -> AnyModel:
    """Read an artifact, an ONNX model that carries neither manifest nor seal, or a call in a Python file.

    A damaged artifact is no foreign model: no flipped bit removes both marks, and of all places to cut it off only
    one leaves a whole model without them.

    Raises:
        BadInput: The file is missing or damaged, or is no ONNX model.
        CannotWrite: The system refuses to read it.
    """
    if is_python_call(path.name):
        return PythonCall(path=path, content=read_bounded(path.with_name(path.name.rpartition(":")[0])))
    content = read_bounded(path)
    if MANIFEST_KEY.encode() in content or SEAL_KEY.encode() in content or _is_safetensors(content):
        return from_content(content, path)
    try:
        # To the last field: a truncated artifact, whose marks are at its end, must not pass for somebody else's model.
        numbers = {number for number, _, _ in _fields(content, 0, len(content))}
    except (ValueError, IndexError):
        numbers = set()
    if not numbers.issuperset((_GRAPH, _OPSET_IMPORT)):
        raise BadInput(f"{path} is no ONNX model: expected one, or an artifact made by edgefashion")
    return ForeignModel(path=path, content=content)


def open_artifact(path: Path) -> Artifact:
    """Read an artifact, checking its seal before anything is parsed.

    Raises:
        BadInput: The file is missing, damaged, or carries no manifest.
        CannotWrite: The system refuses to read it.
    """
    return from_content(read_bounded(path), path)


def from_content(content: bytes, path: Path) -> Artifact:
    """The artifact in `content`; `path` is only its name.

    Raises:
        BadInput: The content is damaged or carries no manifest.
    """
    check_seal(content, path)
    manifest = decode(_manifest_json(content, path), Manifest, path)
    return Artifact(path=path, manifest=manifest, content=content)


def stamp_onnx(model: "ModelProto", manifest: Manifest) -> bytes:
    """Serialized `model` with `manifest` and its seal as the only entry of its metadata_props."""
    del model.metadata_props[:]
    model.metadata_props.add(key=MANIFEST_KEY, value=encode_unsealed(manifest).decode())
    return seal(model.SerializeToString(deterministic=True))


def stamp_checkpoint(weights: tensors.Arrays, manifest: Manifest) -> bytes:
    """`weights` as a safetensors file with `manifest` and its seal in the header."""
    return tensors.pack(weights, MANIFEST_KEY, manifest)


def _manifest_json(content: bytes, path: Path) -> bytes:
    try:
        found = _from_safetensors(content) if _is_safetensors(content) else _from_onnx(content)
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        raise BadInput(f"{path} is neither ONNX nor safetensors: expected an artifact made by edgefashion") from None
    if found is None:
        raise BadInput(f"{path} carries no manifest: expected an artifact made by `edgefashion export`")
    return found


def _is_safetensors(content: bytes) -> bool:
    return content[8:9] == b"{"


def _from_safetensors(content: bytes) -> bytes | None:
    found = tensors.header(content).get(MANIFEST_KEY)
    return None if found is None else found.encode()


def _from_onnx(content: bytes) -> bytes | None:
    """The manifest from the outermost message alone: a device needs neither onnx nor a session to read it."""
    for number, start, end in _fields(content, 0, len(content)):
        if number == _METADATA_PROPS:
            entry = {key: content[a:b] for key, a, b in _fields(content, start, end)}
            if entry.get(_KEY) == MANIFEST_KEY.encode():
                return entry[_VALUE]
    return None


def _fields(content: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each length-delimited field of one protobuf message (protobuf.dev, "Encoding")."""
    while position < end:
        tag, position = _varint(content, position)
        wire = tag & 7
        if wire == _VARINT:
            _, position = _varint(content, position)
        elif wire in (_FIXED64, _FIXED32):
            position += 8 if wire == _FIXED64 else 4
        elif wire == _LENGTH_DELIMITED:
            length, start = _varint(content, position)
            position = start + length
            if position > end:
                raise ValueError("a field ends outside its message")
            yield tag >> 3, start, position
        else:
            raise ValueError(f"wire type {wire} does not occur in ONNX")


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, position
        shift += 7
        if shift > _MAX_VARINT_SHIFT:
            raise ValueError("a varint is longer than ten bytes")
