"""Kits that tests pack, damage and run."""

import io
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgefashion import kit
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.files import sha256
from edgefashion.kit.runner.integrity import read_kit
from edgefashion.records.kit import Kit

EXPORTED = Path(__file__).parents[2] / "exported"
RUN = EXPORTED / "seed-reference"

# What may be imported beside the standard library: a device has nothing else.
_BARE = """
import sys
allowed = {"numpy", sys.argv.pop(1), "edgefashion_kit", *sys.stdlib_module_names}
class OnlyTwoPackages:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ModuleNotFoundError(f"a device has no {name}", name=name)
sys.meta_path.insert(0, OnlyTwoPackages())
sys.path.insert(0, sys.argv.pop(1))
import runpy
runpy.run_module("edgefashion_kit", run_name="__main__", alter_sys=True)
"""


def model(variant: str = "int8-static") -> Artifact:
    """A committed model."""
    return open_artifact(RUN / f"{variant}.onnx")


def pack(folder: Path, variant: str = "int8-static") -> Path:
    """A kit of a committed model."""
    return kit.write_folder(kit.build(model(variant)), folder)


def replace(folder: Path, name: str, content: bytes) -> None:
    """Another file in a kit whose digests are right again: what is wrong then is not damage."""
    (folder / name).write_bytes(content)
    listed = Kit.load(folder / "kit.json")
    msgspec.structs.replace(listed, files={**listed.files, name: sha256(content)}).save(folder / "kit.json")


def npy(array: NDArray[np.generic]) -> bytes:
    """An array as a file's content."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def on_device(folder: Path, *arguments: str, only: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a kit's command in a process of its own; `only` forbids every package but numpy and this one."""
    start = ["-I", "-c", _BARE, only, str(folder)] if only else ["-m", "edgefashion_kit"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def job(folder: Path, **changes: object) -> dict[str, object]:
    """What one launch of the kit's model is asked for, with a short warm-up."""
    cpus = sorted(os.sched_getaffinity(0))[-1:]
    return {
        "folder": str(folder),
        "kit": read_kit(folder),
        "cpus": cpus,
        "block_s": 0.001,
        "warmup_cap_s": 0.01,
        **changes,
    }
