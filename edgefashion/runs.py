"""Run folders: where a run's files lie, and which run is meant when none is named."""

from pathlib import Path

from edgefashion.artifact import Artifact, files_of, models_beside_sidecars, open_artifact
from edgefashion.errors import BadInput, UsageError
from edgefashion.subjects import AnyModel, is_python_call, open_model

EXPORTED = Path("exported")

CHECKPOINT = "checkpoint.safetensors"
FLOAT = "fp32.onnx"
REFERENCE = "reference.safetensors"
RESUME = "resume.safetensors"
TRAINING = "train.json"
VERIFICATION = "verify.json"
SENSITIVITY = "sensitivity.json"
STABILITY = "stability.json"
MICROCONTROLLER = "microcontroller.json"
EMULATED = "emulated.json"
REGRESSIONS = "regressions.safetensors"
DRIFT = "drift"
BENCHMARK = "bench.json"
PAGE = "report.html"
CARD = "README.md"
PLOTS = "plots"
LOADGEN = "loadgen"

_MAX_NUMBERED = 10_000


def is_finished(run: Path) -> bool:
    """Whether training in this folder came to its end: its report is written last."""
    return (run / TRAINING).is_file()


def clear(run: Path) -> None:
    """Remove everything that a run consists of, its report first, so that no part of it passes for the whole."""
    for name in (
        TRAINING,
        RESUME,
        CHECKPOINT,
        REFERENCE,
        VERIFICATION,
        SENSITIVITY,
        STABILITY,
        MICROCONTROLLER,
        EMULATED,
        REGRESSIONS,
        BENCHMARK,
        PAGE,
        CARD,
    ):
        (run / name).unlink(missing_ok=True)
    for model in models_beside_sidecars(run):
        for path in files_of(model):
            path.unlink(missing_ok=True)
    for pattern in ("*.onnx", f"{PLOTS}/*.png", f"{DRIFT}/*/*", f"{LOADGEN}/*/*"):
        for path in run.glob(pattern):
            path.unlink()


def is_folder(name: str | Path, *, root: Path = EXPORTED) -> bool:
    """Whether `name` is a folder, or the name of one under `root`."""
    return Path(name).is_dir() or (root / name).is_dir()


def find_run(name: str | Path | None = None, *, root: Path = EXPORTED) -> Path:
    """The folder of a finished run: a path, a name under `root`, or the newest one.

    Raises:
        BadInput: There is no such run.
    """
    if name is not None:
        places = [folder for folder in (Path(name), root / name) if folder.is_dir()]
        for folder in places:
            if (folder / CHECKPOINT).is_file():
                return folder
        if places:
            raise BadInput(f"{places[0]} holds no {CHECKPOINT}: expected the folder of a finished run")
        if Path(name).is_file():
            raise BadInput(f"{name} is a file: expected the folder of a run, as {Path(name).parent}")
        raise BadInput(f"there is no run {str(name)!r}: expected a folder, or a name under {root}")
    finished = [path.parent for path in root.glob(f"*/{TRAINING}")]
    if not finished:
        raise BadInput(f"there is no finished run under {root}: make one with `edgefashion train`")
    return max(finished, key=lambda run: (run / TRAINING).stat().st_mtime)


def new_run(name: str, *, resume: bool, root: Path = EXPORTED) -> Path:
    """A folder for a run called `name`: the first free one, or the unfinished one that `resume` goes on with.

    Raises:
        UsageError: `resume` finds no unfinished run.
    """
    candidates = [root / name, *(root / f"{name}-{number}" for number in range(2, _MAX_NUMBERED))]
    if resume:
        for folder in candidates:
            if (folder / RESUME).is_file() and not is_finished(folder):
                return folder
        raise UsageError(f"no unfinished run of {name!r} under {root}: start one without --resume")
    return next(folder for folder in candidates if not folder.exists())


def float_model(run: Path) -> Artifact:
    """A run's float32 export.

    Raises:
        BadInput: Nothing was exported from it, or the file is damaged.
    """
    path = run / FLOAT
    if not path.is_file():
        raise BadInput(f"{path} is not there: make it with `edgefashion export {run}`")
    return open_artifact(path)


def run_of(artifact: Artifact) -> Path:
    """The folder of the run that an artifact lies in; some formats have a folder of their own there."""
    folder = artifact.path.parent
    return folder.parent if folder.name == artifact.manifest.variant else folder


def artifacts_in(run: Path) -> list[Artifact]:
    """Every exported model of a run: ONNX first, of these float32 first, then by variant.

    Raises:
        BadInput: One of them is damaged.
    """
    return sorted(map(open_artifact, _models_in(run)), key=_place)


def onnx_in(run: Path) -> list[Artifact]:
    """The ONNX models of a run, float32 first, then by variant.

    Raises:
        BadInput: One of them is damaged.
    """
    return sorted(map(open_artifact, run.glob("*.onnx")), key=_place)


def _place(artifact: Artifact) -> tuple[bool, bool, str]:
    manifest = artifact.manifest
    return manifest.format != "onnx", manifest.precision != "float32", manifest.variant


def _models_in(run: Path) -> list[Path]:
    return [*sorted(run.glob("*.onnx")), *models_beside_sidecars(run)]


def resolve_models(names: list[str]) -> list[AnyModel]:
    """Like `resolve_artifacts`, but a name may also be an ONNX model that edgefashion did not make, or a Python call.

    Raises:
        BadInput: A file or run is missing or damaged, or a run has no exported model.
    """
    found: list[AnyModel] = []
    for name in names:
        single = Path(name).is_file() or is_python_call(name)
        found += [open_model(Path(name))] if single else resolve_artifacts([name])
    return found or list(resolve_artifacts([]))


def resolve_artifacts(names: list[str], *, only_onnx: bool = False) -> list[Artifact]:
    """Artifacts from files and runs in the order given; without names, those of the newest run.

    Args:
        names: Of files and runs.
        only_onnx: Leave out models of a run in other formats; a file is taken as it is.

    Raises:
        BadInput: A file or run is missing or damaged, or a run has no exported model.
    """
    found: list[Artifact] = []
    wanted: list[str | None] = [*names] or [None]
    for name in wanted:
        if name is not None and (Path(name).is_file() or (Path(name).suffix and not is_folder(name))):
            found.append(open_artifact(Path(name)))
            continue
        # Models that were copied without their checkpoint are still models.
        run = Path(name) if name is not None and _models_in(Path(name)) else find_run(name)
        exported = onnx_in(run) if only_onnx else artifacts_in(run)
        if not exported:
            raise BadInput(f"{run} has no exported model: make one with `edgefashion export {run}`")
        found += exported
    return found
