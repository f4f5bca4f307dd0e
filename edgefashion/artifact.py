"""Artifacts: files that explain themselves. Open, read, stamp and digest them.

An artifact is an ONNX model or a checkpoint in the safetensors format. Both carry a `Manifest` as JSON under
the key `edgefashion.manifest`: ONNX in its `metadata_props`, safetensors in its header's `__metadata__`. The
manifest holds the file's seal, which is checked before the manifest, or anything else, is parsed.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edgefashion import tensors
from edgefashion.errors import BadInput
from edgefashion.files import check_seal, read_bounded, seal, sha256
from edgefashion.protobuf import fields, messages
from edgefashion.records import ArtifactInfo, Manifest, decode
from edgefashion.records.base import encode_unsealed

if TYPE_CHECKING:
    from onnx import ModelProto

MANIFEST_KEY = "edgefashion.manifest"

# Field numbers of onnx.proto: of ModelProto, and of StringStringEntryProto.
_METADATA_PROPS = 14
_KEY, _VALUE = 1, 2


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
        found = _from_safetensors(content) if is_safetensors(content) else _from_onnx(content)
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        raise BadInput(f"{path} is neither ONNX nor safetensors: expected an artifact made by edgefashion") from None
    if found is None:
        raise BadInput(f"{path} carries no manifest: expected an artifact made by `edgefashion export`")
    return found


def is_safetensors(content: bytes) -> bool:
    """Whether a file begins as one in the safetensors format does."""
    return content[8:9] == b"{"


def _from_safetensors(content: bytes) -> bytes | None:
    found = tensors.header(content).get(MANIFEST_KEY)
    return None if found is None else found.encode()


def _from_onnx(content: bytes) -> bytes | None:
    """The manifest from the outermost message alone: a device needs neither onnx nor a session to read it."""
    for prop in messages(fields(content), _METADATA_PROPS):
        entry = {each.number: each.value for each in fields(prop)}
        found = entry.get(_VALUE)
        if entry.get(_KEY) == MANIFEST_KEY.encode() and isinstance(found, bytes):
            return found
    return None
