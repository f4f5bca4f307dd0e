"""Where reference logits come from: PyTorch, the file it left beside its checkpoint, or the golden outputs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefashion import runs, tensors
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.data import Dataset, Images, load_sample
from edgefashion.environment import installed, usable_cpus
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import Golden, Reference
from edgefashion.registry import unknown
from edgefashion.runtimes import default_spec, in_words, open_session, run_all

_BATCH = 500

KINDS = ("auto", "pytorch", "stored", "golden")


@dataclass(frozen=True)
class ReferenceLogits:
    """Logits to compare with, and the pictures they belong to.

    Attributes:
        source: In words, for the report.
        pixels: uint8[N, H, W].
        labels: uint8[N].
        logits: float32[N, classes].
        golden: Whether these are the few golden pictures: too few to state an accuracy.
    """

    source: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    logits: NDArray[np.float32]
    golden: bool = False


def from_artifact(reference: Artifact, data: Dataset) -> ReferenceLogits:
    """Run `reference` in its own runtime on the test pictures."""
    spec = default_spec(reference, threads=len(usable_cpus()))
    # A float32 model answers each picture by itself, so batches only save time; a quantized one may not.
    batch = _BATCH if reference.manifest.precision == "float32" else 1
    with open_session(reference, spec) as session:
        logits = run_all(session, data.test.pixels, batch=batch)
    source = f"{reference.manifest.name}/{reference.manifest.variant} in {in_words(spec)}"
    return ReferenceLogits(source, data.test.pixels, data.test.labels, logits)


def find_reference(artifact: Artifact, data: Dataset, choice: str = "auto") -> ReferenceLogits:
    """The reference that `choice` means for an exported artifact.

    "auto" takes PyTorch where torch and the checkpoint are here, else the logits stored beside the checkpoint,
    else the golden outputs inside the artifact. The choice made is part of the result.

    Args:
        artifact: What will be verified.
        data: Whose test pictures are used.
        choice: auto, pytorch, stored, golden, or the path of another artifact.

    Raises:
        UsageError: `choice` is unknown.
        NotAvailable: It cannot be had here.
        BadInput: It belongs to another checkpoint, or is damaged.
    """
    folder = runs.run_of(artifact)
    checkpoint, stored = folder / runs.CHECKPOINT, folder / runs.REFERENCE
    if choice == "auto":
        if installed("torch") and checkpoint.is_file():
            choice = "pytorch"
        else:
            choice = "stored" if stored.is_file() and _matches(stored, data) else "golden"
    if choice == "pytorch":
        return from_artifact(_own_checkpoint(artifact, checkpoint), data)
    if choice == "stored":
        return _stored(artifact, stored, data)
    if choice == "golden":
        return golden_reference(artifact)
    if Path(choice).suffix:
        other = open_artifact(Path(choice))
        if other.sha256 == artifact.sha256:
            raise UsageError(f"{artifact.path} would be compared with itself: give another --reference")
        return from_artifact(other, data)
    raise UsageError(unknown("reference", choice, KINDS) + ", or the path of an artifact")


def _own_checkpoint(artifact: Artifact, path: Path) -> Artifact:
    checkpoint = open_artifact(path)
    _same_checkpoint(artifact, checkpoint.sha256, path)
    return checkpoint


def _stored(artifact: Artifact, path: Path, data: Dataset) -> ReferenceLogits:
    arrays, record = tensors.read(path, tensors.REFERENCE_KEY, Reference)
    _same_checkpoint(artifact, record.checkpoint_sha256, path)
    if record.data != data.identity:
        raise NotAvailable(
            f"{path} holds logits for {record.data.name}, not for {data.identity.name}: "
            "run `edgefashion data` first, or use --reference golden"
        )
    shape = (len(data.test), len(artifact.manifest.labels))
    logits = arrays.get("logits", np.empty(0)).astype(np.float32)
    if logits.shape != shape:
        raise BadInput(f"{path} holds logits of shape {logits.shape}: expected {shape}")
    return ReferenceLogits(f"stored logits of PyTorch {record.torch}", data.test.pixels, data.test.labels, logits)


def golden_reference(artifact: Artifact) -> ReferenceLogits:
    """The golden pictures, and what `artifact` answered to them.

    Raises:
        NotAvailable: It carries no golden outputs.
        BadInput: They fit neither its input nor its labels; or it carries none, and the bundled sample has others.
    """
    golden = artifact.manifest.golden
    if golden is None:
        raise NotAvailable(f"{artifact.path} carries no golden outputs: give --reference")
    chosen = _golden_images(artifact, golden)
    manifest = artifact.manifest
    fits = list(chosen.pixels.shape[1:]) == manifest.input.shape[1:] and set(chosen.labels) <= set(
        range(len(manifest.labels))
    )
    try:
        logits = np.array(golden.logits, dtype=np.float32).reshape(len(chosen), len(manifest.labels))
    except ValueError:
        fits = False
    if not fits or not len(chosen):
        raise BadInput(f"{artifact.path} carries golden outputs that fit neither its pictures nor its labels")
    whose = "" if golden.has_pictures else " of the bundled sample"
    source = f"golden outputs in the artifact ({len(chosen)} pictures{whose})"
    return ReferenceLogits(source, chosen.pixels, chosen.labels, logits, golden=True)


def _golden_images(artifact: Artifact, golden: Golden) -> Images:
    """The pictures inside the artifact; those of the bundled sample for an artifact that carries only their indices."""
    try:
        if golden.has_pictures:
            pixels = golden.pictures(artifact.path)
            return Images(pixels, np.array(golden.labels, dtype=np.uint8).reshape(len(pixels)))
        found = load_sample().test.take(np.array(golden.indices, dtype=np.intp).reshape(len(golden.logits)))
    except (IndexError, ValueError, OverflowError):
        raise BadInput(f"{artifact.path} carries golden outputs whose pictures or labels do not exist") from None
    golden.check_sample(found.sha256, artifact.path)
    return found


def _matches(stored: Path, data: Dataset) -> bool:
    return tensors.read(stored, tensors.REFERENCE_KEY, Reference)[1].data == data.identity


def _same_checkpoint(artifact: Artifact, sha256: str, path: Path) -> None:
    if artifact.manifest.checkpoint_sha256 != sha256:
        raise BadInput(f"{path} is not what {artifact.path} was exported from: export again, or give --reference")
