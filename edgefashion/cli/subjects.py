"""What `edgefashion bench` measures, from what was typed: models, checkpoints beside them, options of runtimes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.bench.request import Subject


def chosen_subjects(models: "list[Subject]", wanted: list[str] | None) -> "list[Subject]":
    """What is measured: the models, and the PyTorch checkpoint beside each where torch is installed.

    Raises:
        UsageError: A runtime is unknown.
        NotAvailable: PyTorch was asked for and is not installed.
    """
    from edgefashion.artifact import Artifact
    from edgefashion.cli import console
    from edgefashion.environment import installed
    from edgefashion.errors import NotAvailable, UsageError
    from edgefashion.registry import unknown
    from edgefashion.runtimes import RUNTIMES, load_runtime

    for name in wanted or []:
        if name not in RUNTIMES.names():
            raise UsageError(unknown("runtime", name, RUNTIMES.names()))
    needs_torch = [name for name in wanted or [] if load_runtime(name).PACKAGE == "torch"]
    if needs_torch and installed("torch") is None:
        raise NotAvailable(
            f"{needs_torch[0]} was asked for and torch is not installed: pip install 'edgefashion[train]'"
        )
    artifacts = [model for model in models if isinstance(model, Artifact)]
    if not artifacts or (wanted and not needs_torch):
        return models
    if installed("torch") is None:
        console.note("PyTorch is left out: it is not installed (pip install 'edgefashion[train]')")
        return models
    return [*models, *_checkpoints_beside(artifacts)]


def _checkpoints_beside(artifacts: "list[Artifact]") -> "list[Artifact]":
    from edgefashion import runs
    from edgefashion.artifact import open_artifact
    from edgefashion.cli import console

    origins = {artifact.manifest.checkpoint_sha256 for artifact in artifacts}
    checkpoints = []
    for folder in dict.fromkeys(artifact.path.parent for artifact in artifacts):
        path = folder / runs.CHECKPOINT
        if path.is_file():
            checkpoint = open_artifact(path)
            if checkpoint.sha256 in origins:
                checkpoints.append(checkpoint)
            elif checkpoint.sha256 not in {artifact.sha256 for artifact in artifacts}:
                console.note(f"PyTorch is left out: {path} is not what these models were exported from")
    return checkpoints


def parse_options(texts: list[str]) -> dict[str, dict[str, str]]:
    """Settings by the name that they are for, from NAME.KEY=VALUE.

    Raises:
        UsageError: One of them has another form.
    """
    from edgefashion.errors import UsageError

    found: dict[str, dict[str, str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        name, dot, setting = key.partition(".")
        if not (name and dot and setting and equals):
            raise UsageError(f"--option {text!r}: expected NAME.KEY=VALUE, as in webgpu.device=gpu")
        found.setdefault(name, {})[setting] = value
    return found
