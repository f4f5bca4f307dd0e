"""Answers of two machines beside each other: what counts as equal, and how it is shown."""

from pathlib import Path

import arm64_proof
import msgspec
import numpy as np
import pytest
from arm64_answers import About
from arm64_root import Arm64

from edgefashion import data, environment
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.errors import BadInput, Inconclusive, UsageError
from edgefashion.records.emulated import EmulatedReport, EmulatedResult
from edgefashion.report.emulated_grids import emulated_grid
from edgefashion.runtimes import Logits

COMMITTED = Path(__file__).parents[2] / "exported"
MODELS = [COMMITTED / "seed-reference" / name for name in ("fp32.onnx", "int8-static.onnx")]

HERE = About(architecture="x86_64", python="3.11.7", versions={"numpy": "2.4.6"}, runtimes=["onnxruntime 1.32.0"])
THERE = msgspec.structs.replace(HERE, architecture="aarch64", python="3.13.5")


@pytest.fixture
def logits() -> Logits:
    """Of 20 pictures, with margins far larger than any rounding."""
    return np.random.default_rng(0).normal(size=(20, 10)).astype(np.float32)


@pytest.fixture
def int8() -> Artifact:
    """A committed model that computes in whole numbers."""
    return open_artifact(MODELS[1])


def result_of(artifact: Artifact, there: Logits, here: Logits) -> EmulatedResult:
    labels = np.zeros(len(here), np.uint8)
    return arm64_proof.compare(artifact, there, here, labels, runtime="onnxruntime 1.32.0", processor="cortex-a53")


def with_next_bit(logits: Logits, *, picture: int) -> Logits:
    """`logits` with one of them moved to its neighbour among float32's numbers."""
    changed = logits.copy()
    changed[picture, 3] = np.nextafter(changed[picture, 3], np.float32(np.inf))
    return changed


def test_equal_answers_pass(int8: Artifact, logits: Logits) -> None:
    """The same bits on both sides are what is wanted."""
    found = result_of(int8, logits.copy(), logits)
    assert (found.images, found.equal_decisions, found.equal_logits, found.max_abs) == (20, 20, 20, 0.0)
    assert found.passed


def test_one_bit_fails_whole_numbers(int8: Artifact, logits: Logits) -> None:
    """A model that computes in whole numbers may not differ in the last bit of one logit."""
    found = result_of(int8, with_next_bit(logits, picture=7), logits)
    assert (found.equal_decisions, found.equal_logits) == (20, 19)
    assert [check.name for check in found.checks if not check.passed] == ["pictures whose logits differ in a bit"]


@pytest.mark.parametrize("name", ["fp32.onnx", "int8-dynamic.onnx"])
def test_one_bit_is_a_float_s_right(name: str, logits: Logits) -> None:
    """Sums of float32 have another order elsewhere, also where only a part of an int8 model computes them."""
    artifact = open_artifact(COMMITTED / "seed-reference" / name)
    found = result_of(artifact, with_next_bit(logits, picture=7), logits)
    assert found.equal_logits == 19
    assert found.passed


@pytest.mark.parametrize(("last_layer", "whole"), [("float32", False), ("int8", True)])
def test_a_last_layer_may_be_a_float_s(last_layer: str, whole: bool, int8: Artifact) -> None:
    """A last layer in float32, as .tflite files have it, makes logits that are sums of floats."""
    assert int8.manifest.quantization is not None
    settings = {**int8.manifest.quantization.settings, "last_layer": last_layer}
    quantization = msgspec.structs.replace(int8.manifest.quantization, settings=settings)
    manifest = msgspec.structs.replace(int8.manifest, quantization=quantization)
    assert arm64_proof.computes_in_whole_numbers(manifest) is whole


def test_a_wrong_float_fails(logits: Logits) -> None:
    """A float32 model may not be off by more than the order of its sums explains, whatever it decides."""
    artifact = open_artifact(MODELS[0])
    found = result_of(artifact, logits * np.float32(1.001), logits)
    assert found.equal_decisions == 20
    assert [check.name for check in found.checks if not check.passed] == ["largest logit difference"]


@pytest.mark.parametrize("name", ["fp32.onnx", "int8-dynamic.onnx"])
def test_a_flipped_decision_fails(name: str, logits: Logits) -> None:
    """Another class on one picture of many is no equal model, though an int8 model may differ so from its float32."""
    many = np.tile(logits, (10, 1))
    flipped = many.copy()
    flipped[4] = flipped[4, ::-1]
    found = result_of(open_artifact(COMMITTED / "seed-reference" / name), flipped, many)
    assert (found.images, found.equal_decisions) == (200, 199)
    assert "flipped decisions" in [check.name for check in found.checks if not check.passed]


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (msgspec.structs.replace(THERE, runtimes=["onnxruntime 1.26.0"]), "runtimes differ"),
        (msgspec.structs.replace(THERE, versions={"numpy": "2.3.0"}), "numpy differ"),
        (HERE, "nothing was emulated"),
    ],
)
def test_other_versions_decide_nothing(there: About, words: str) -> None:
    """Where the two sides differ in more than the processor, or not even in that, there is no verdict."""
    arm64_proof.check_versions(HERE, THERE)
    with pytest.raises(Inconclusive, match=words):
        arm64_proof.check_versions(HERE, there)


@pytest.mark.parametrize("pictures", [0, 1001])
def test_pictures_that_are_not_there(pictures: int, tmp_path: Path) -> None:
    """No or more pictures than the sample has are refused before anything runs."""
    with pytest.raises(UsageError, match=f"{pictures} pictures were asked for: the bundled sample has 1000"):
        arm64_proof.prove(MODELS, Arm64(tmp_path, tmp_path), pictures=pictures)


def test_the_other_side_gets_the_same_versions(int8: Artifact) -> None:
    """What is fetched for the other machine is pinned to what answers here."""
    import onnxruntime

    assert f"onnxruntime=={onnxruntime.__version__}" in arm64_proof.requirements([int8])
    assert f"numpy=={np.__version__}" in arm64_proof.requirements([int8])


# Showing


@pytest.fixture
def report(int8: Artifact, logits: Logits) -> EmulatedReport:
    """One processor that answers as this one, and one that does not."""
    right = result_of(int8, logits, logits)
    wrong = msgspec.structs.replace(result_of(int8, with_next_bit(logits, picture=7), logits), processor="max")
    return EmulatedReport(
        data=data.load_sample().identity,
        architecture="aarch64",
        emulator="qemu-aarch64 version 10.0.13",
        python="3.13.5",
        versions={"numpy": "2.4.6"},
        results=[right, wrong],
        environment=environment.describe(),
    )


def test_one_difference_fails_the_report(report: EmulatedReport) -> None:
    """The report passes only if every result does."""
    assert not report.passed
    assert msgspec.structs.replace(report, results=report.results[:1]).passed


def test_report_is_a_sealed_file(report: EmulatedReport, tmp_path: Path) -> None:
    """A report is read back as it was written, and refused once it was edited."""
    path = report.save(tmp_path / "emulated.json")
    assert report.results == EmulatedReport.load(path).results
    path.write_text(path.read_text().replace('"equal_logits": 19', '"equal_logits": 20'))
    with pytest.raises(BadInput, match="does not match the SHA-256"):
        EmulatedReport.load(path)


def test_table_shows_equality_and_no_time(report: EmulatedReport) -> None:
    """The table has the counts and the verdict of each processor, names what fails, and has no latency."""
    grid = emulated_grid(report)
    right, wrong = (row.cells for row in grid.rows)
    assert right == ("int8-static", "onnxruntime 1.32.0", "cortex-a53", "20", "20", "20", "0", "PASS")
    assert (wrong[2], wrong[5], wrong[7]) == ("max", "19", "FAIL")
    assert {len(grid.columns)} == {len(row.cells) for row in grid.rows}
    assert "int8-static on max fails: pictures whose logits differ in a bit is 1.00, must be ≤ 0" in grid.notes
    assert grid.title == "Emulated aarch64: correctness, never a latency"
    assert not {"latency", "time", "p50"} & set(grid.columns)
