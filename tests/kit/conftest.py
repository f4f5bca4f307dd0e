"""One kit that all tests look at, and one that each may damage."""

import os
import shutil
from pathlib import Path

import pytest
from packing import pack

import edgefashion
from edgefashion.environment import usable_cpus
from edgefashion.kit.runner import bench
from edgefashion.kit.runner.integrity import read_kit
from edgefashion.kit.runner.ort import Model
from edgefashion.kit.runner.parity import answer, read_golden, read_model
from edgefashion.records.kit import KitResult


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kit of the committed int8 model. Shared by all tests: to change something, take `own_kit`."""
    return pack(tmp_path_factory.mktemp("kits") / "shared")


@pytest.fixture
def own_kit(packed: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(packed, tmp_path / "own"))


@pytest.fixture(scope="session")
def carried_back(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a bench of two launches wrote on this machine."""
    kit = read_kit(packed)
    golden = read_golden(packed, kit)
    with pytest.MonkeyPatch.context() as patch:
        # As in tests/conftest.py, which comes too late for a fixture of the whole session.
        patch.setenv("PYTHONPATH", str(Path(edgefashion.__file__).parents[1]), prepend=os.pathsep)
        patch.setattr(bench, "_WARMUP_CAP_S", 0.05)
        patch.setattr(bench, "_BLOCK_S", 0.01)
        content = bench.measure(
            packed,
            kit,
            answer(Model(read_model(packed, kit), threads=1), golden),
            cpus=usable_cpus()[-1:],
            launches=2,
            seed=7,
            name="bench of the tests",
            note=lambda _: None,
        )
    path = tmp_path_factory.mktemp("results") / "kit-result.json"
    path.write_bytes(bench.to_document(content))
    return path


@pytest.fixture
def result(carried_back: Path) -> KitResult:
    """The same, as edgefashion reads it."""
    return KitResult.load(carried_back)
