"""All files of a kit, made in memory: nothing is packed that was not proven here on its own golden pictures."""

import io

import numpy as np
from numpy.typing import NDArray

from edgefashion import __version__, runs
from edgefashion.artifact import Artifact, open_artifact, sidecar_of
from edgefashion.data import load_sample
from edgefashion.errors import BadInput, CheckFailed, UsageError
from edgefashion.files import seal, sha256
from edgefashion.kit.chain import chain_of
from edgefashion.kit.oldest import oldest_for
from edgefashion.kit.package import package_files
from edgefashion.kit.readme import readme
from edgefashion.kit.runner.integrity import KIT_FILE
from edgefashion.kit.runner.parity import LOGITS, PICTURES
from edgefashion.records import Parity, Sidecar
from edgefashion.records.base import encode_unsealed
from edgefashion.records.kit import Kit, KitRuntime
from edgefashion.verify import compare, find_reference

_RUNTIMES: dict[str, KitRuntime] = {"onnx": "onnxruntime", "tflite": "ai-edge-litert"}


def name_of(artifact: Artifact) -> str:
    """What a kit's folder is called."""
    return f"{artifact.manifest.name}-{artifact.manifest.variant}-kit"


def build(artifact: Artifact) -> dict[str, bytes]:
    """Every file of the kit by its name, kit.json last; the same artifact and the same edgefashion give the same bytes.

    Where a checkpoint lies beside the artifact it is compared with the one that the artifact names.

    Raises:
        UsageError: No runner opens this format.
        NotAvailable: It carries no golden outputs, or its runtime is not installed here.
        CheckFailed: It does not repeat them here.
        BadInput: The checkpoint beside it is another one.
    """
    if artifact.format not in _RUNTIMES:
        raise UsageError(f"{artifact.path} is {artifact.format}: a kit is made of {' or '.join(_RUNTIMES)}")
    runtime = _RUNTIMES[artifact.format]
    golden = find_reference(artifact, load_sample(), "golden")
    limits = _limits(compare(artifact, golden, load_sample()), artifact)
    files = {
        **_model_files(artifact),
        PICTURES: _npy(golden.pixels),
        LOGITS: _npy(golden.logits),
        **package_files(runtime),
    }
    oldest = oldest_for(artifact)
    chain = chain_of(artifact, files, checkpoint=_checkpoint(artifact))
    files["README.md"] = readme(artifact, runtime=runtime, oldest=oldest, chain=chain).encode()
    kit = Kit(
        edgefashion=__version__,
        artifact=artifact.info,
        runtime=runtime,
        labels=artifact.manifest.labels,
        max_logit_error=limits["largest logit difference"],
        max_flips=round(limits["flipped decisions"]),
        oldest=oldest,
        chain=chain,
        files={name: sha256(files[name]) for name in sorted(files)},
    )
    return {**files, KIT_FILE: kit.to_json()}


def _model_files(artifact: Artifact) -> dict[str, bytes]:
    """The model, and where it has no room for a manifest the one beside it: it names the link before this one."""
    files = {artifact.path.name: artifact.content}
    if isinstance(artifact.manifest, Sidecar):
        files[sidecar_of(artifact.path).name] = seal(encode_unsealed(artifact.manifest) + b"\n")
    return files


def _limits(parity: Parity, artifact: Artifact) -> dict[str, float]:
    """The limits of the artifact's golden outputs, which it must respect here first.

    Raises:
        CheckFailed: It does not.
    """
    for check in parity.checks:
        if not check.passed:
            raise CheckFailed(
                f"{artifact.path} does not repeat its own golden outputs here: {check.name} is {check.value:.6g} and "
                f"must be {check.relation} {check.limit:.6g}; nothing was packed"
            )
    return {check.name: check.limit for check in parity.checks}


def _checkpoint(artifact: Artifact) -> Artifact | None:
    """The checkpoint beside the artifact, if there is one.

    Raises:
        BadInput: It is not what the artifact was made from.
    """
    path = artifact.path.with_name(runs.CHECKPOINT)
    if not path.is_file():
        return None
    checkpoint = open_artifact(path)
    same_data = checkpoint.manifest.training_data == artifact.manifest.training_data
    if checkpoint.sha256 != artifact.manifest.checkpoint_sha256 or not same_data:
        raise BadInput(f"{artifact.path} was not exported from {path}: export it again")
    return checkpoint


def _npy(array: NDArray[np.generic]) -> bytes:
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(array), allow_pickle=False)
    return content.getvalue()
