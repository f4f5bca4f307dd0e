"""Every check of the project; `nox` runs those that must hold before anything lands."""

import shutil
import tempfile
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests", "edge"]
nox.options.error_on_missing_interpreters = False
nox.needs_version = ">=2024.10.9"

PROJECT = nox.project.load_toml("pyproject.toml")
CODE = ["edgefashion", "tests", "benchmarks", "noxfile.py"]


# Two processes, and not one a core: tests that measure share one of them, and need a core that is not contended.
PARALLEL = ("-n", "2", "--dist", "loadgroup")


def group(name: str) -> list[str]:
    """The requirements of a dependency group in pyproject.toml."""
    return list(PROJECT["dependency-groups"][name])


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff, as linter and as formatter."""
    session.install(*group("lint"))
    session.run("ruff", "check", *CODE)
    session.run("ruff", "format", "--check", *CODE)


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, against the real types of torch."""
    session.install("-e", ".[train,tune]", *group("types"), *group("nox"))
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """The whole suite but the slow tests; arguments go to pytest."""
    # Of the runtimes those that are small: the session of that name has them all.
    session.install("-e", ".[train,tune,openvino,litert,ncnn]", *group("test"))
    session.run("pytest", "-m", "not slow", *PARALLEL, *session.posargs)
    # Every gate must be seen to fire, on the committed run. 3: the machine was too noisy to tell 10 % of latency, and
    # that gate said so; a fault that was missed, and a false alarm, are 1.
    selftest = ("edgefashion", "selftest", "exported/seed-reference", "--quick", "--data", "sample")
    session.run(*selftest, success_codes=[0, 3])


@nox.session
def slow(session: nox.Session) -> None:
    """The tests that take minutes."""
    session.install("-e", ".[train,tune]", *group("test"))
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session
def runtimes(session: nox.Session) -> None:
    """Every runtime and every format, slow tests too; what needs a tool that is absent is skipped with the reason.

    C wants gcc, gcc-arm-none-eabi and qemu-system-arm; the page wants Chromium, and npm to fetch its runtime once.
    """
    session.install("-e", ".[runtimes]", *group("test"))
    if shutil.which("npm"):
        session.run("python", "-m", "edgefashion.web.build", "--dev")
    places = ("tests/runtimes", "tests/export", "tests/emulate", "tests/kit", "tests/cli/test_runtime_choice.py")
    session.run("pytest", "-m", "slow or not slow", *places, *session.posargs)


@nox.session
def arm64(session: nox.Session) -> None:
    """64-bit ARM under qemu-user: the committed models decide as here, int8 to the bit. Needs Debian's archive."""
    session.install("-e", ".", *group("test"))
    cache = str((session.cache_dir / "arm64").resolve())  # kept for the next time: 214 MB
    runs = ("edge", "tiny", "seed-reference")
    models = [f"exported/{run}/{name}.onnx" for run in runs for name in ("fp32", "int8-static")]
    session.run("python", "tests/arm64/arm64_proof.py", "--cache", cache, *models, *session.posargs)
    session.run("pytest", "-m", "slow", "-q", "tests/arm64", env={"EDGEFASHION_ARM64": cache})


@nox.session
def oldest(session: nox.Session) -> None:
    """The oldest ONNX Runtime that runs each kind of committed model; installs some fifteen old releases."""
    session.install("-e", ".")
    runs = [f"exported/{name}" for name in ("edge", "large", "micro", "tiny", "seed-reference")]
    kept = "edgefashion/kit/oldest_onnxruntime.json"
    session.run("python", "tests/kit/oldest_onnxruntime.py", *runs, "--out", kept)


@nox.session
def edge(session: nox.Session) -> None:
    """A device: no torch, torchvision, onnx or onnxscript, and the committed run still proves itself."""
    session.install(".", *group("test"))
    for package in ("torch", "torchvision", "onnx", "onnxscript"):
        session.run("python", "-c", f"import importlib.util as u; assert u.find_spec({package!r}) is None")
    run = Path(tempfile.mkdtemp(prefix="edgefashion-edge-")) / "seed-reference"
    shutil.copytree("exported/seed-reference", run)
    sample = ("--data", "sample")
    session.run("edgefashion", "doctor")
    session.run("edgefashion", "verify", str(run), "--reference", "golden", *sample)
    session.run("edgefashion", "bench", str(run), "--budget", "5", *sample)
    session.run("edgefashion", "report", str(run), "--format", "html")
    session.run("edgefashion", "predict", str(run), "0", "1", *sample)
    session.run("pytest", "-m", "not slow", "-q", *PARALLEL, *session.posargs)
    shutil.rmtree(run.parent)


@nox.session
def minimums(session: nox.Session) -> None:
    """The oldest versions of the base install that pyproject.toml allows; torch has an upper bound instead."""
    oldest = [requirement.replace(">=", "==") for requirement in PROJECT["project"]["dependencies"]]
    session.install("-e", ".", *group("test"), *oldest)
    session.run("pytest", "-m", "not slow", "-q", *PARALLEL, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """pytest-benchmark on our own hot paths."""
    session.install("-e", ".[train]", *group("test"))
    session.run("pytest", "benchmarks", "--benchmark-enable", "--benchmark-only", *session.posargs)
