"""CONTRIBUTING's recipe for a runtime, followed to the letter by a package outside of this one."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edgefashion.records import BenchReport

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "exported" / "seed-reference"


@pytest.fixture
def outside(tmp_path: Path) -> dict[str, str]:
    """An environment that has the package of the recipe, as an installer leaves it."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    recipe = text[text.index("## Add a runtime") : text.index("## Add a format")]
    (code,) = re.findall(r"^```python\n(.*?)^```", recipe, flags=re.DOTALL | re.MULTILINE)
    (points,) = re.findall(r"^```toml\n(.*?)^```", recipe, flags=re.DOTALL | re.MULTILINE)
    ((group, entries),) = tomllib.loads(points)["project"]["entry-points"].items()
    info = tmp_path / "site" / "my_runtime-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-runtime\nVersion: 1.0\n")
    (info / "RECORD").write_text("my_runtime.py,,\n")
    lines = [f"[{group}]", *(f"{name} = {module}" for name, module in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (info.parent / "my_runtime.py").write_text(code)
    path = os.pathsep.join((str(info.parent), os.environ["PYTHONPATH"]))
    return {**os.environ, "PYTHONPATH": path, "EDGEFASHION_DATA": "sample"}


def edgefashion(*arguments: object, environment: dict[str, str]) -> str:
    """What a command prints; it must succeed."""
    command = [sys.executable, "-m", "edgefashion", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_doctor_knows_it(outside: dict[str, str]) -> None:
    """With its version, what it opens, and the bytes of its files."""
    listed = json.loads(edgefashion("doctor", "--json", environment=outside))["runtimes"]
    (found,) = [each for each in listed if each["name"] == "my-runtime"]
    assert (found["version"], found["formats"], found["providers"]) == ("1.0", ["onnx"], {"cpu": ""})
    assert 0 < found["size_bytes"] < 10_000


def test_bench_measures_it(outside: dict[str, str], tmp_path: Path) -> None:
    """Beside ONNX Runtime, with the same decisions on every picture."""
    named = ("--runtime", "onnxruntime", "--runtime", "my-runtime")
    edgefashion("bench", MODELS / "fp32.onnx", *named, "--budget", "0.5", "--out", tmp_path, environment=outside)
    result = BenchReport.load(tmp_path / "bench.json")
    cells = {cell.session.runtime: cell.label for cell in result.plan.cells if cell.role == "subject"}
    decisions = {each.cell: each.decisions for each in result.results}
    assert {"onnxruntime", "my-runtime"} == set(cells)
    assert decisions[cells["onnxruntime"]] == decisions[cells["my-runtime"]]


def test_verify_proves_models_in_it(outside: dict[str, str]) -> None:
    """Golden outputs come out of it as they went in."""
    said = edgefashion(
        "verify",
        MODELS / "fp32.onnx",
        "--runtime",
        "my-runtime",
        "--reference",
        "golden",
        "--json",
        environment=outside,
    )
    (parity,) = json.loads(said)["results"]
    assert (parity["runtime"], parity["flips"]) == ("my-runtime 1.0 · cpu", [])


def test_all_includes_it(outside: dict[str, str]) -> None:
    """`--runtime all` means every runtime that is here, whoever made it."""
    plan = edgefashion("bench", MODELS / "fp32.onnx", "--runtime", "all", "--plan", environment=outside)
    assert " | my-runtime cpu | " in plan
