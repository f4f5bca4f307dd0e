"""What the tests share: the bundled sample, a hand-made manifest, and one tiny run that every room is tried on."""

import dataclasses
import os
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import settings

import edgefashion
from edgefashion import data
from edgefashion.artifact import MANIFEST_KEY, Artifact, open_artifact, stamp_checkpoint
from edgefashion.data import Dataset
from edgefashion.errors import NotAvailable
from edgefashion.files import seal
from edgefashion.recipes import RECIPES
from edgefashion.records import (
    Environment,
    EpochMetrics,
    Manifest,
    Quality,
    Recipe,
    TensorSpec,
    TrainingReport,
)

# Derandomized, so that a failure in one place is a failure everywhere; without deadlines, because cores are shared.
settings.register_profile("edgefashion", deadline=None, derandomize=True, database=None)
settings.load_profile("edgefashion")

_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2


# Tests that time something, or start processes that do: one after the other, also where tests run in parallel.
_MEASURING = (
    "bench",
    "cli/test_bench_command.py",
    "cli/test_explain.py",
    "sensitivity",
    "selftest",
    "kit",
    "test_docs.py",
    "tune/test_measured.py",
)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep measuring tests in one process of pytest-xdist."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    places = [Path(__file__).parent / name for name in _MEASURING]
    for item in items:
        if any(item.path.is_relative_to(place) for place in places):
            item.add_marker(pytest.mark.xdist_group("measuring"))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees where the person who runs it keeps their data, and every process it starts finds edgefashion."""
    for name in ("EDGEFASHION_DATA", "EDGEFASHION_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(edgefashion.__file__).parents[1]), prepend=os.pathsep)


@pytest.fixture(scope="session")
def sample() -> Dataset:
    """The bundled sample."""
    return data.load_sample()


@pytest.fixture(scope="session")
def full() -> Dataset:
    """Fashion-MNIST itself, for slow tests; it is fetched once, and where it cannot be the test is skipped."""
    try:
        return data.load()
    except NotAvailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def small(sample: Dataset) -> Dataset:
    """A corner of the sample, for tests that train many times."""
    return dataclasses.replace(
        sample,
        train=sample.train.take(np.arange(256)),
        validation=sample.validation.take(np.arange(100)),
        test=sample.test.take(np.arange(100)),
    )


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    """The seed's network for two epochs, in batches small enough to learn something from the sample."""
    return msgspec.structs.replace(RECIPES["seed"], epochs=2, batch_size=64)


@pytest.fixture(scope="session")
def tiny_run(sample: Dataset, tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with every variant exported. Shared by all tests: to change something, take `own_run`."""
    pytest.importorskip("torch")
    from edgefashion import export, quantize, train
    from edgefashion.verify import Limits

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    checkpoint = train.fit(tiny_recipe, sample, out=folder, device="cpu", threads=1)
    fp32, _ = export.to_onnx(checkpoint, sample)
    # So little training leaves small margins; what a scheme does to them is not what these tests are about.
    for scheme in ("dynamic", "static", "float16"):
        quantize.apply(fp32, scheme, sample, limits=Limits(min_agreement=0.9))
    return folder


@pytest.fixture
def own_run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run that a test may damage."""
    return Path(shutil.copytree(tiny_run, tmp_path / "own"))


@pytest.fixture
def checkpoint(tiny_run: Path) -> Artifact:
    """The tiny run's checkpoint."""
    return open_artifact(tiny_run / "checkpoint.safetensors")


@pytest.fixture
def fp32(tiny_run: Path) -> Artifact:
    """The tiny run's float32 export."""
    return open_artifact(tiny_run / "fp32.onnx")


@pytest.fixture(scope="session")
def manifest(sample: Dataset) -> Manifest:
    """A checkpoint's manifest made by hand, so that reading artifacts can be tested without torch and onnx."""
    return Manifest(
        name="by-hand",
        variant="pytorch",
        format="safetensors",
        precision="float32",
        input=TensorSpec(name="images", dtype="uint8", shape=["batch", 28, 28]),
        output=TensorSpec(name="logits", dtype="float32", shape=["batch", 10]),
        labels=list(sample.labels),
        preprocessing=sample.preprocessing,
        architecture=RECIPES["seed"].architecture,
        recipe=RECIPES["seed"],
        training_seed=0,
        training_data=sample.identity,
        parameters=11_562,
        versions={"numpy": np.__version__},
    )


@pytest.fixture(scope="session")
def training_report(sample: Dataset) -> TrainingReport:
    """A document made by hand."""
    quality = Quality(
        images=2,
        accuracy=0.5,
        macro_f1=0.5,
        weighted_f1=0.5,
        weighted_precision=0.5,
        weighted_recall=0.5,
        cross_entropy=0.7,
        per_class=[],
        confusion=[[1, 0], [1, 0]],
    )
    return TrainingReport(
        recipe=RECIPES["seed"],
        seed=7,
        device="cpu",
        threads=1,
        data=sample.identity,
        parameters=11_562,
        history=[EpochMetrics(1, 1.5, 0.4, 1.25, 0.5, 10_000.0, 0.1)],
        best_epoch=1,
        test=quality,
        wall_s=0.1,
        cpu_s=0.1,
        environment=Environment("a cpu", 2, 2, 2**34, "Linux", "3.11", {}, None, False, None, []),
        checkpoint_sha256="0" * 64,
    )


@pytest.fixture(scope="session")
def sealed_files(manifest: Manifest, training_report: TrainingReport) -> dict[str, bytes]:
    """One sound file of each kind, by its usual name."""
    weights = {"weight": np.arange(64, dtype=np.float32)}
    onnx_manifest = msgspec.structs.replace(manifest, format="onnx", variant="fp32")
    return {
        "train.json": training_report.to_json(),
        "checkpoint.safetensors": stamp_checkpoint(dict(weights), manifest),
        "fp32.onnx": seal(_ir_version() + _metadata_entry(msgspec.json.encode(onnx_manifest))),
    }


def _ir_version() -> bytes:
    """ModelProto.ir_version = 10, the field that a real file starts with."""
    return bytes((1 << 3, 10))


def _metadata_entry(value: bytes) -> bytes:
    """ModelProto.metadata_props with one entry, in protobuf's wire format."""
    return _field(_METADATA_PROPS, _field(_KEY, MANIFEST_KEY.encode()) + _field(_VALUE, value))


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    return bytes((value,)) if value < 0x80 else bytes((value & 0x7F | 0x80,)) + _varint(value >> 7)
