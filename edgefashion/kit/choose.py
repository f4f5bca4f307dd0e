"""Which model of a run goes to a device when none is named."""

from pathlib import Path

from edgefashion import runs
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.errors import BadInput, UsageError

# Quantized operators that are fused to integer kernels everywhere, before those that some processors run slowly.
_FUSED = ("qat", "static", "mixed")


def choose(run: Path, wanted: str | None = None) -> tuple[Artifact, str]:
    """The model of `run` that goes into the kit, and why.

    Args:
        run: Folder of a run.
        wanted: A variant of the run, or a model's file; the run's int8 ONNX model by default, else its float32 one.

    Raises:
        UsageError: There is no such variant.
        BadInput: The run has no exported ONNX model, or a file is damaged.
    """
    if wanted is not None and Path(wanted).is_file():
        return open_artifact(Path(wanted)), "named"
    if wanted is not None:
        found = runs.artifacts_in(run)
        named = [artifact for artifact in found if artifact.manifest.variant == wanted]
        if not named:
            known = ", ".join(artifact.manifest.variant for artifact in found) or "none"
            raise UsageError(f"{run} has no variant {wanted!r}, and no such file is there: expected one of {known}")
        return named[0], "named"
    models = runs.onnx_in(run)
    if not models:
        raise BadInput(f"{run} has no exported ONNX model: make one with `edgefashion export {run}`")
    best = min(models, key=_rank)
    return best, _why(best, models)


def _rank(artifact: Artifact) -> tuple[int, int, str]:
    scheme, precision = artifact.info.scheme, artifact.manifest.precision
    kind = ("int8", "float32", "float16").index(precision)
    return kind, _FUSED.index(scheme) if scheme in _FUSED else len(_FUSED), artifact.manifest.variant


def _why(best: Artifact, models: list[Artifact]) -> str:
    alike = sum(artifact.manifest.precision == best.manifest.precision for artifact in models)
    if best.manifest.precision != "int8":
        return "the run has no int8 model"
    if alike == 1:
        return "the run's int8 model"
    scheme = best.info.scheme
    return f"of {alike} int8 models the one quantized by {scheme!r}" + (
        ", whose operators fuse to integer kernels everywhere" if scheme in _FUSED else ""
    )
