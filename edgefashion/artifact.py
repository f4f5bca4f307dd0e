"""Artifacts: files that explain themselves. Open, read, stamp and digest them.

An artifact is a model, or a checkpoint in the safetensors format. Where the format has room for it, the file carries a
`Manifest` as JSON under the key `edgefashion.manifest`: ONNX in its `metadata_props`, safetensors in its header's
`__metadata__`. Other formats have it beside them, as `<file>.json`, with the digest of each of their files. The
manifest holds a seal, which is checked before the manifest, or anything else, is parsed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edgefashion import tensors
from edgefashion.errors import BadInput
from edgefashion.files import SEAL_KEY, atomic_write, check_seal, read_bounded, seal, sha256
from edgefashion.protobuf import fields, messages
from edgefashion.records import ArtifactInfo, Manifest, Sidecar, decode
from edgefashion.records.base import encode_unsealed

if TYPE_CHECKING:
    from onnx import ModelProto

MANIFEST_KEY = "edgefashion.manifest"

MAIN_FILE = "model"
"""Stem of the main file of a model that has a folder of its own in its run."""

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
        """By the name that runtimes know it by."""

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
        parts: Bytes of further files in the same folder, by name; most formats have none.
    """

    path: Path
    manifest: Manifest
    content: bytes = field(repr=False)
    parts: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def format(self) -> str:
        """By the name that runtimes know it by."""
        return self.manifest.format

    @property
    def sha256(self) -> str:
        """Hex digest of the whole file; of several, of one after the other."""
        return sha256(b"".join((self.content, *self.parts.values())))

    @property
    def size_bytes(self) -> int:
        """What has to be on a device: the manifest beside it is not counted."""
        return len(self.content) + sum(map(len, self.parts.values()))

    @property
    def info(self) -> ArtifactInfo:
        """How results name this artifact."""
        return ArtifactInfo(
            name=self.manifest.name,
            variant=self.manifest.variant,
            file=self.path.name,
            sha256=self.sha256,
            size_bytes=self.size_bytes,
            precision=self.manifest.precision,
            scheme=self.manifest.quantization.scheme if self.manifest.quantization else None,
        )


def open_artifact(path: Path) -> Artifact:
    """Read an artifact, checking its seal before anything is parsed.

    Raises:
        BadInput: The file is missing, damaged, or neither carries a manifest nor has one beside it.
        CannotWrite: The system refuses to read it.
    """
    if sidecar_of(path).is_file():
        return _with_sidecar(path)
    content = read_bounded(path)
    if SEAL_KEY.encode() not in content:
        raise BadInput(
            f"{path} carries no edgefashion seal, and {sidecar_of(path).name} is not beside it: "
            "expected a file written by edgefashion; it is damaged or of another kind"
        )
    return from_content(content, path)


def sidecar_of(path: Path) -> Path:
    """Where the manifest of a model lies whose format has no room for it."""
    return path.with_name(f"{path.name}.json")


def models_beside_sidecars(folder: Path) -> list[Path]:
    """The models in `folder` that have a manifest beside them, and those in a folder of their own below it."""
    sidecars = [*folder.glob("*.*.json"), *folder.glob(f"*/{MAIN_FILE}.*.json")]
    return sorted(path.with_suffix("") for path in sidecars if path.with_suffix("").is_file())


def files_of(path: Path) -> list[Path]:
    """Every file of a model with a manifest beside it, that manifest first; of a damaged one those that are known."""
    place = sidecar_of(path)
    try:
        names = decode(read_bounded(place), Sidecar, place).files
    except BadInput:
        names = {}
    return [place, path, *(path.with_name(Path(name).name) for name in names if Path(name).name not in {"", path.name})]


def from_files(path: Path, files: Mapping[str, bytes], manifest: Manifest) -> Artifact:
    """An artifact of a format that has no room for a manifest, not yet written.

    Args:
        path: Where its main file will lie.
        files: Content of each of its files by name; `path.name` is one of them.
        manifest: What it says about itself.
    """
    parts = {name: content for name, content in files.items() if name != path.name}
    ordered = {path.name: files[path.name], **parts}
    settings = {name: getattr(manifest, name) for name in Manifest.__struct_fields__}
    sidecar = Sidecar(**settings, files={name: sha256(content) for name, content in ordered.items()})
    return Artifact(path=path, manifest=sidecar, content=files[path.name], parts=parts)


def save(artifact: Artifact) -> None:
    """Write an artifact; where it has a manifest beside it that comes last, so that no part passes for the whole.

    Raises:
        CannotWrite: The disk is full or the place is forbidden.
    """
    if not isinstance(artifact.manifest, Sidecar):
        atomic_write(artifact.path, artifact.content)
        return
    sidecar_of(artifact.path).unlink(missing_ok=True)
    for name, content in artifact.parts.items():
        atomic_write(artifact.path.with_name(name), content)
    atomic_write(artifact.path, artifact.content)
    atomic_write(sidecar_of(artifact.path), seal(encode_unsealed(artifact.manifest) + b"\n"))


def _with_sidecar(path: Path) -> Artifact:
    place = sidecar_of(path)
    sealed = read_bounded(place)
    check_seal(sealed, place)
    sidecar = decode(sealed, Sidecar, place)
    if path.name not in sidecar.files:
        raise BadInput(f"{place} is not about {path.name}: it lists {', '.join(sidecar.files)}; was one renamed?")
    contents: dict[str, bytes] = {}
    for name, digest in sidecar.files.items():
        if not name or Path(name).name != name:
            raise BadInput(f"{place} names {name!r}: expected files in its own folder")
        contents[name] = read_bounded(path.with_name(name))
        if sha256(contents[name]) != digest:
            raise BadInput(
                f"{path.with_name(name)} does not match the SHA-256 in {place.name}: it was damaged or edited after it "
                "was written; copy it again or make it anew"
            )
    content = contents.pop(path.name)
    return Artifact(path=path, manifest=sidecar, content=content, parts=contents)


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
