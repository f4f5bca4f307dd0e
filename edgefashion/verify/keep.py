"""Prove first, then keep: no model file is written before it has shown that it decides like its reference."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgefashion.artifact import Artifact, from_content, from_files, save, stamp_onnx
from edgefashion.data import Dataset, golden_images
from edgefashion.errors import CheckFailed
from edgefashion.records import Expected, Golden, Manifest, Parity
from edgefashion.runtimes import default_spec, open_session, run_all
from edgefashion.verify import Limits, ReferenceLogits, compare

if TYPE_CHECKING:
    from onnx import ModelProto


def keep_if_proven(
    model: "ModelProto",
    manifest: Manifest,
    path: Path,
    data: Dataset,
    *,
    reference: Artifact | ReferenceLogits,
    limits: Limits | None = None,
    pictures: bool = True,
) -> tuple[Artifact, Parity]:
    """Compare an ONNX `model` with `reference` on the test pictures; write it to `path` only if every check holds.

    The accuracy and the golden outputs that were measured become part of the manifest. So do the golden pictures, or
    without `pictures` their digest alone: whoever verifies the file then reads them from the bundled sample.

    Raises:
        CheckFailed: A check does not hold; nothing was written, and an older file stays as it was.
    """

    def stamp(manifest: Manifest) -> Artifact:
        return from_content(stamp_onnx(model, manifest), path)

    return _prove(stamp, manifest, data, reference=reference, limits=limits, pictures=pictures)


def keep_files_if_proven(
    files: Mapping[str, bytes],
    manifest: Manifest,
    path: Path,
    data: Dataset,
    *,
    reference: Artifact | ReferenceLogits,
    limits: Limits | None = None,
    pictures: bool = True,
) -> tuple[Artifact, Parity]:
    """The same for a model of one or several `files` whose manifest lies beside it; `path` is that of the main file.

    Raises:
        CheckFailed: A check does not hold; nothing was written, and older files stay as they were.
        NotAvailable: The runtime that opens the format is not here.
    """

    def stamp(manifest: Manifest) -> Artifact:
        return from_files(path, files, manifest)

    return _prove(stamp, manifest, data, reference=reference, limits=limits, pictures=pictures)


def _prove(
    stamp: Callable[[Manifest], Artifact],
    manifest: Manifest,
    data: Dataset,
    *,
    reference: Artifact | ReferenceLogits,
    limits: Limits | None,
    pictures: bool,
) -> tuple[Artifact, Parity]:
    draft = stamp(manifest)
    parity = compare(draft, reference, data, limits=limits)
    if not parity.passed:
        failed = next(check for check in parity.checks if not check.passed)
        earlier = "; the earlier file of that name stays as it was" if draft.path.exists() else ""
        raise CheckFailed(
            f"{draft.path} was not kept: {failed.name} is {failed.value:.6g} and must be {failed.relation} "
            f"{failed.limit:.6g} against {parity.reference}, on {parity.images:,} pictures{earlier}"
        )
    accuracy = parity.quality.accuracy if parity.quality else None
    proven = msgspec.structs.replace(
        manifest,
        expected=None
        if accuracy is None
        else Expected(data=data.identity.name, images=parity.images, accuracy=accuracy),
        golden=_golden(draft, pictures=pictures),
    )
    kept = stamp(proven)
    save(kept)
    return kept, msgspec.structs.replace(parity, artifact=kept.info)


def _golden(artifact: Artifact, *, pictures: bool) -> Golden:
    indices, golden = golden_images()
    with open_session(artifact, default_spec(artifact)) as session:
        logits = run_all(session, golden.pixels)
    return Golden.of(indices, logits, pixels=golden.pixels, labels=golden.labels, pictures=pictures)
