"""Prove first, then keep: no model file is written before it has shown that it decides like its reference."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgefashion.artifact import Artifact, from_content, stamp_onnx
from edgefashion.data import Dataset, golden_images
from edgefashion.errors import CheckFailed
from edgefashion.files import atomic_write
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
    """Compare `model` with `reference` on the test pictures; write it to `path` only if every check holds.

    The accuracy and the golden outputs that were measured become part of the manifest. So do the golden pictures, or
    without `pictures` their digest alone: whoever verifies the file then reads them from the bundled sample.

    Raises:
        CheckFailed: A check does not hold; nothing was written, and an older file stays as it was.
    """
    draft = from_content(stamp_onnx(model, manifest), path)
    parity = compare(draft, reference, data, limits=limits)
    if not parity.passed:
        failed = next(check for check in parity.checks if not check.passed)
        earlier = "; the earlier file of that name stays as it was" if path.exists() else ""
        raise CheckFailed(
            f"{path} was not kept: {failed.name} is {failed.value:.6g} and must be {failed.relation} "
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
    content = stamp_onnx(model, proven)
    kept = from_content(content, atomic_write(path, content))
    return kept, msgspec.structs.replace(parity, artifact=kept.info)


def _golden(artifact: Artifact, *, pictures: bool) -> Golden:
    indices, golden = golden_images()
    with open_session(artifact, default_spec(artifact)) as session:
        logits = run_all(session, golden.pixels)
    return Golden.of(indices, logits, pixels=golden.pixels, labels=golden.labels, pictures=pictures)
