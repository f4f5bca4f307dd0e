"""`python -m edgefashion.web.build`: fetch the pinned onnxruntime-web with npm, check it, and pack it into the cache.

npm checks the package against the digest in package-lock.json, and runs no script of any package. With `--dev` it also
puts axe-core beside the bundle, which the accessibility test of the page injects.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from edgefashion.errors import EdgefashionError, NotAvailable
from edgefashion.files import atomic_write, read_bounded
from edgefashion.web.bundle import BUILDS, VERSION, bundle_path, pack

_HERE = Path(__file__).parent
_TIMEOUT_S = 600
_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def build(*, dev: bool = False) -> Path:
    """Build the bundle of the pinned version.

    Args:
        dev: Also keep axe-core, for the tests.

    Returns:
        Where it lies.

    Raises:
        NotAvailable: npm is not here, or cannot fetch.
        BadInput: What it fetched is not what is pinned.
        CannotWrite: The cache cannot be written.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NotAvailable("npm is not on this machine: install Node.js, or copy a bundle into the cache")
    path = bundle_path()
    with tempfile.TemporaryDirectory(prefix="edgefashion-npm-") as name:
        folder = Path(name)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / file, folder)
        _run([npm, *_INSTALL, *([] if dev else ["--omit=dev"])], folder)
        distribution = folder / "node_modules" / "onnxruntime-web" / "dist"
        builds = [
            (read_bounded(distribution / script), read_bounded(distribution / binary)) for script, binary in BUILDS
        ]
        atomic_write(path, pack(builds))
        if dev:
            atomic_write(axe_path(), read_bounded(folder / "node_modules" / "axe-core" / "axe.min.js"))
    return path


def axe_path() -> Path:
    """Where axe-core of the pinned version lies, whether or not it is there."""
    version = json.loads((_HERE / "package.json").read_text())["devDependencies"]["axe-core"]
    return bundle_path().with_name(f"axe-core-{version}.js")


def main() -> None:
    """Run the build step; the exit code is that of the error."""
    parser = argparse.ArgumentParser(
        prog="python -m edgefashion.web.build", description="Fetch and pack onnxruntime-web."
    )
    parser.add_argument("--dev", action="store_true", help="also keep axe-core, for the tests")
    try:
        path = build(dev=parser.parse_args().dev)
    except EdgefashionError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    sys.stdout.write(f"onnxruntime-web {VERSION} packed: {path.stat().st_size:,} bytes in {path}\n")


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise NotAvailable(f"npm did not end within {_TIMEOUT_S} s") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise NotAvailable(f"npm cannot fetch onnxruntime-web {VERSION}: {said[-1]}") from None


if __name__ == "__main__":
    main()
