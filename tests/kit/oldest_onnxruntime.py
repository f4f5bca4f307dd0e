"""Find the oldest release of ONNX Runtime that runs each kind of file, by installing old ones: `nox -s oldest`.

python tests/kit/oldest_onnxruntime.py exported/edge exported/tiny --out edgefashion/kit/oldest_onnxruntime.json

From the newest release to older ones, each in a virtual environment of its own with numpy and nothing else: the kit's
self-test runs there until it fails. Models with the same needs (file format, operators, types) are one kind.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edgefashion import kit, runs
from edgefashion.kit.oldest import needs_of
from edgefashion.records.kit import Needs, OldestRuntime, OldestRuntimes

NEWEST_MINOR, OLDEST_MINOR = 32, 14  # 1.14 is the first release with wheels for Python 3.11
FIRST_WITH_NUMPY_2 = 19
PATIENCE_S = 300


@dataclass
class Kind:
    """One kind of file: a kit that stands for it, and how far back it was seen to work."""

    needs: Needs
    folder: Path
    passed: list[str] = field(default_factory=list)
    failed: tuple[str, str] | None = None  # release, and what it said

    def try_with(self, python: Path, version: str) -> None:
        """Run the self-test in the environment of this release."""
        reason = selftest(python, self.folder)
        sys.stderr.write(f"{version} {self.needs.precision} {self.folder.name}: {reason or 'PASS'}\n")
        if reason is None:
            self.passed.append(version)
        else:
            self.failed = (version, reason)

    def measured(self) -> OldestRuntime:
        """What is known at the end."""
        release, reason = self.failed or (None, "")
        return OldestRuntime(
            needs=self.needs,
            oldest=self.passed[-1],
            next_older=release,
            reason=reason,
            newest=self.passed[0],
            python=".".join(platform.python_version_tuple()[:2]),
            machine=platform.machine(),
        )


def kinds_of(folders: Iterable[Path], place: Path) -> list[Kind]:
    """A kit in `place` for each kind of ONNX model in the runs."""
    found: list[Kind] = []
    for folder in folders:
        for artifact in runs.artifacts_in(folder):
            if artifact.format != "onnx":
                continue
            needs = needs_of(artifact)
            if all(needs != kind.needs for kind in found):
                path = place / f"kit-{len(found)}"
                found.append(Kind(needs, kit.write_folder(kit.build(artifact), path)))
    return found


def install(minor: int, place: Path) -> tuple[Path, str] | None:
    """The interpreter of an environment with the last patch of 1.`minor`, and its version; None without a wheel."""
    folder = place / f"onnxruntime-1.{minor}"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    numpy = "numpy" if minor >= FIRST_WITH_NUMPY_2 else "numpy<2"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    wanted = [numpy, f"onnxruntime==1.{minor}.*"]
    done = subprocess.run([*install, "--only-binary=:all:", *wanted], check=False, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        sys.stderr.write(f"1.{minor}: {said[-1] if said else 'cannot be installed'}\n")
        return None
    ask = "from importlib.metadata import version; print(version('onnxruntime'))"
    return python, subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()


def selftest(python: Path, folder: Path) -> str | None:
    """None if the kit passes; else the last line of what it said."""
    done = subprocess.run(
        [python, "-m", "edgefashion_kit", "selftest"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    return said[-1].removeprefix("edgefashion_kit: ") if said else f"ended with {done.returncode}"


def measure(kinds: list[Kind]) -> None:
    """Go back release by release until every kind has failed, or nothing older can be installed."""
    for minor in range(NEWEST_MINOR, OLDEST_MINOR - 1, -1):
        open_kinds = [kind for kind in kinds if kind.failed is None]
        if not open_kinds:
            return
        # Of each release nothing stays: an environment takes 150 MB.
        with tempfile.TemporaryDirectory(prefix="edgefashion-oldest-") as place:
            installed = install(minor, Path(place))
            for kind in open_kinds if installed else ():
                kind.try_with(*installed)


def main() -> None:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgefashion-oldest-") as folder:
        kinds = kinds_of(given.runs, Path(folder))
        measure(kinds)
        never = [kind.failed for kind in kinds if not kind.passed]
        if never:
            sys.exit(f"a kit passes nowhere: {never[0]}")
        measured = [kind.measured() for kind in kinds]
    OldestRuntimes(runtime="onnxruntime", measured=measured).save(given.out)
    sys.stderr.write(f"written: {given.out}\n")


if __name__ == "__main__":
    main()
