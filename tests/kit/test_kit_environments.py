"""Kits in environments of their own: minutes, not seconds."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from packing import RUN, job, on_device, pack, replace
from places import moved

from edgefashion import kit
from edgefashion.artifact import open_artifact
from edgefashion.data import Dataset
from edgefashion.kit.runner.launching import Launch
from edgefashion.records.kit import KitResult


@pytest.mark.slow
def test_a_litert_model_is_packed_too(tmp_path: Path, sample: Dataset) -> None:
    """With the manifest that lies beside it, and a runner that needs numpy and ai-edge-litert."""
    for package in ("litert_torch", "ai_edge_litert"):
        pytest.importorskip(package)
    from edgefashion.export import convert

    checkpoint = open_artifact(RUN / "checkpoint.safetensors")
    converted, _ = convert("litert", moved(checkpoint, tmp_path), sample)
    folder = kit.write_folder(kit.build(converted), tmp_path / "kit")
    assert (folder / "litert-fp32.tflite.json").read_bytes() == (tmp_path / "litert-fp32.tflite.json").read_bytes()
    done = on_device(folder, "selftest", only="ai_edge_litert")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS")
    with Launch(job(folder), tmp_path / "errors") as launch:
        assert len(launch.block()["samples_ns"]) >= 20
    replace(folder, "litert-fp32.tflite", b"no model")
    done = on_device(folder, "selftest")
    assert (done.returncode, "refuses the model" in done.stderr) == (4, True)


@pytest.mark.slow
def test_the_kit_runs_in_a_bare_environment(tmp_path: Path) -> None:
    """A new virtual environment with numpy and onnxruntime and not even pip: self-test, and a bench that is read."""
    venv.create(tmp_path / "device", with_pip=False)
    python = tmp_path / "device" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "numpy", "onnxruntime"], check=True)
    folder = pack(tmp_path / "kit", "fp32")

    def device(*arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        start = [str(python), "-m", "edgefashion_kit", *arguments]
        return subprocess.run(start, cwd=folder, env=environment, capture_output=True, text=True, check=True)

    listed = "import json; from importlib.metadata import distributions as d; print(json.dumps([e.name for e in d()]))"
    there = subprocess.run([python, "-c", listed], capture_output=True, text=True, check=True).stdout
    assert {"numpy", "onnxruntime"} == set(json.loads(there))
    assert device("selftest").stdout.endswith("PASS\n")
    device("bench", "--name", "bare", "--out", "result.json")
    result = KitResult.load(folder / "result.json")
    assert (result.device, len(result.launches)) == ("bare", 20)
    assert device("selftest").stdout.endswith("PASS\n")
