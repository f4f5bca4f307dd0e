"""What `edgefashion bench` measures, from what was typed: models, checkpoints beside them, options of runtimes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.bench.request import Subject


ALL = "all"
# Of its providers the session itself says what they lack: with a reason that is more than a note.
USUAL = "onnxruntime"


def chosen_runtimes(
    wanted: list[str] | None, models: "list[Subject]", *, providers: list[str], pythons: dict[str, str]
) -> list[str] | None:
    """The runtimes that were asked for, each of which is here; None where none was named.

    Args:
        wanted: Names, or "all" for every runtime that is here and opens one of the models or their checkpoint.
        models: What is measured.
        providers: As a person writes them.
        pythons: Interpreters by the name of the runtime that is measured in them.

    Raises:
        UsageError: A runtime is unknown.
        NotAvailable: One that was named is not installed; before any work, and with the extra that brings it.
    """
    from edgefashion.cli import console
    from edgefashion.errors import NotAvailable
    from edgefashion.runtimes import RUNTIMES, is_installed, load_runtime, why_unusable

    _check_names(wanted or [], list(pythons))
    if wanted is None:
        return None
    for name in wanted:
        if name != ALL and name not in pythons and not is_installed(name):
            found = load_runtime(name).available()
            raise NotAvailable(f"{name} was asked for and is not installed: {found.remedy}")
    if ALL not in wanted:
        return wanted
    formats = {model.format for model in models} | {"safetensors"}
    chosen = [name for name in wanted if name != ALL]
    for name in RUNTIMES.names():
        if name in chosen or not formats & set(load_runtime(name).FORMATS):
            continue
        reason = "" if name in pythons else why_unusable(name, providers)
        if reason:
            console.note(f"{name} is left out: {reason}")
        else:
            chosen.append(name)
    return chosen


def _check_names(wanted: list[str], with_pythons: list[str]) -> None:
    from edgefashion.errors import UsageError
    from edgefashion.registry import unknown
    from edgefashion.runtimes import RUNTIMES

    known = RUNTIMES.names()
    for name in wanted:
        if name not in {*known, ALL}:
            raise UsageError(unknown("runtime", name, (*known, ALL)))
    for name in with_pythons:
        if name not in known:
            raise UsageError(unknown("runtime", name, known))


def chosen_subjects(
    models: "list[Subject]",
    runtimes: list[str] | None,
    *,
    providers: list[str],
    pythons: dict[str, str] | None = None,
) -> "list[Subject]":
    """What is measured: the models that a runtime here opens, and the checkpoint beside each where torch is installed.

    Of several models those that none of the `runtimes` asked for opens are left out, with a note.

    Raises:
        UsageError: None of the runtimes asked for opens any of the models.
        NotAvailable: No runtime that is here opens any of the models.
    """
    from edgefashion.artifact import Artifact
    from edgefashion.cli import console
    from edgefashion.environment import installed
    from edgefashion.errors import NotAvailable, UsageError
    from edgefashion.runtimes import load_runtime, runtimes_for

    for_checkpoints = [name for name in runtimes or [] if "safetensors" in load_runtime(name).FORMATS]
    opened: list[Subject] = []
    is_here = False
    for model in models:
        reason = _why_none_opens(model, providers, pythons or {})
        if reason and len(models) == 1:
            raise NotAvailable(reason)
        is_here |= not reason
        if not reason and runtimes is not None and not set(runtimes_for(model)) & set(runtimes):
            reason = f"none of the runtimes asked for opens {model.path}"
        if reason:
            console.note(f"left out: {reason}")
        else:
            opened.append(model)
    if models and not opened and not for_checkpoints:
        if is_here:
            raise UsageError(f"{' and '.join(runtimes or [])} opens none of these models: give another --runtime")
        raise NotAvailable("no runtime that is installed here opens any of these models: see `edgefashion doctor`")
    artifacts = [model for model in models if isinstance(model, Artifact)]
    if not artifacts or (runtimes is not None and not for_checkpoints):
        return opened
    elsewhere = any(load_runtime(name).PACKAGE == "torch" for name in pythons or {})
    if installed("torch") is None and not elsewhere:
        console.note("PyTorch is left out: it is not installed (pip install 'edgefashion[train]')")
        return opened
    return [*opened, *_checkpoints_beside(artifacts)]


def _why_none_opens(model: "Subject", providers: list[str], pythons: dict[str, str]) -> str:
    """What each runtime lacks that opens the model's format; empty if one works."""
    from edgefashion.runtimes import runtimes_for, why_unusable

    able = runtimes_for(model)
    if USUAL in able:
        return ""
    reasons = []
    for name in able:
        reason = "" if name in pythons else why_unusable(name, providers)
        if not reason:
            return ""
        reasons.append(f"{name}: {reason}")
    return f"{model.path} needs {'; or '.join(reasons)}" if reasons else ""


def parse_pythons(texts: list[str]) -> dict[str, str]:
    """Interpreters by runtime, from NAME=PATH.

    Raises:
        UsageError: One has another form, or is no program.
    """
    import shutil

    from edgefashion.errors import UsageError

    found: dict[str, str] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        program = shutil.which(path) if path else None
        if not (name and equals and program):
            raise UsageError(
                f"--python {text}: expected NAME=PATH, a runtime and the interpreter of an environment that has it"
            )
        found[name] = program
    return found


def _checkpoints_beside(artifacts: "list[Artifact]") -> "list[Artifact]":
    from edgefashion import runs
    from edgefashion.artifact import open_artifact
    from edgefashion.cli import console

    origins = {artifact.manifest.checkpoint_sha256 for artifact in artifacts}
    checkpoints = []
    for folder in dict.fromkeys(runs.run_of(artifact) for artifact in artifacts):
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
