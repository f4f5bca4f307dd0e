"""From the data set to the kit: each digest, what it is of, and where the next thing names it."""

from collections.abc import Mapping

from edgefashion import runs
from edgefashion.artifact import Artifact, sidecar_of
from edgefashion.files import sha256
from edgefashion.kit.runner.parity import LOGITS, PICTURES
from edgefashion.records import Sidecar
from edgefashion.records.kit import Link


def chain_of(artifact: Artifact, files: Mapping[str, bytes], *, checkpoint: Artifact | None) -> list[Link]:
    """The links from the data set to the golden pictures and logits; kit.json, which lists all files, is the last.

    Args:
        artifact: The model in the kit.
        files: Content of those files that links are about, by name.
        checkpoint: Where it is at hand: what it says is then compared, and not only repeated.
    """
    manifest = artifact.manifest
    checkpoint_file = checkpoint.path.name if checkpoint else runs.CHECKPOINT
    inside = not isinstance(manifest, Sidecar)
    holder = f"the manifest in {artifact.path.name if inside else sidecar_of(artifact.path).name}"
    links = [
        Link(
            what="data set",
            name=manifest.training_data.name,
            sha256=manifest.training_data.sha256,
            named_by=f"{holder}, and that in {checkpoint_file}",
            read=False,
        ),
        Link(
            what="checkpoint",
            name=checkpoint_file,
            sha256=manifest.checkpoint_sha256 or "",
            named_by=holder,
            read=checkpoint is not None,
        ),
    ]
    if manifest.quantization is not None and manifest.quantization.calibration_sha256 is not None:
        links.append(
            Link(
                what="calibration pictures",
                name=f"{manifest.quantization.calibration_images:,} training pictures",
                sha256=manifest.quantization.calibration_sha256,
                named_by=holder,
                read=False,
            )
        )
    links += [
        Link(what=what, name=name, sha256=sha256(files[name]), named_by="kit.json", read=True)
        for what, name in (("model", artifact.path.name), ("golden pictures", PICTURES), ("golden logits", LOGITS))
    ]
    return links
