"""What each cell of a plan is compared to."""

from pathlib import Path

import pytest
from plans import ArtifactMaker, labels, planned

from edgefashion.artifact import Artifact
from edgefashion.errors import UsageError
from edgefashion.subjects import ForeignModel


@pytest.fixture
def fp32(artifact: ArtifactMaker) -> Artifact:
    """A float32 export."""
    return artifact("fp32")


@pytest.fixture
def int8(artifact: ArtifactMaker) -> Artifact:
    """An int8 export."""
    return artifact("int8", precision="int8")


def test_the_reference_can_be_chosen(fp32: Artifact, int8: Artifact) -> None:
    """By variant, file or label; an unknown one is refused with the names that exist."""
    label = labels(planned(fp32, int8))[1]
    for name in ("int8", "int8.onnx", label):
        assert label == planned(fp32, int8, reference=name).reference
    with pytest.raises(UsageError, match="known are fp32, int8"):
        planned(fp32, int8, reference="int4")


def test_without_float32_the_first_onnx_model_is_the_reference(artifact: ArtifactMaker, int8: Artifact) -> None:
    """A foreign model's precision is not known: it is the reference only where no float32 model is."""
    foreign = ForeignModel(Path("net.onnx"), b"net")
    runtimes = ["onnxruntime", "pytorch"]
    assert planned(foreign, artifact("fp32")).reference.startswith("by-hand/fp32 |")
    assert planned(artifact("pytorch"), foreign, int8, runtimes=runtimes).reference.startswith("net |")


def test_a_paced_cell_refers_to_the_reference_at_its_pace(fp32: Artifact, int8: Artifact) -> None:
    """After a pause the same call takes longer: paces are compared with like paces, batch sizes with the reference."""
    found = planned(fp32, int8, scenarios=["closed", "paced:10"], batches=[1, 8])
    compared = {
        (cell.artifact.variant, cell.scenario, cell.batch): found.cell(cell.reference)
        for cell in found.cells
        if cell.role == "subject"
    }
    assert {"fp32"} == {cell.artifact.variant for cell in compared.values()}
    assert {1} == {cell.batch for cell in compared.values()}
    assert all(cell.scenario == scenario for (_, scenario, _), cell in compared.items())
    assert found.cell(found.duplicate).reference == found.reference


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_models_of_one_variant_one_is_the_reference(artifact: ArtifactMaker, first: int) -> None:
    """Everything refers to the one that was chosen, and that one to itself."""
    models = artifact("fp32", b"one"), artifact("fp32", b"two")
    chosen = labels(planned(*models))[first]
    found = planned(*models, reference=chosen)
    assert chosen == found.reference
    assert [chosen] * 3 == [cell.reference for cell in found.cells]


# Baselines


def test_a_candidate_refers_to_its_own_baseline(artifact: ArtifactMaker, fp32: Artifact, int8: Artifact) -> None:
    """Matched by variant and setting; the baselines refer to the first float32 one, which is measured twice."""
    before = [artifact("int8", b"old int8", precision="int8"), artifact("fp32", b"old fp32")]
    found = planned(fp32, int8, baselines=before, batches=[1, 8])
    subjects = [cell for cell in found.cells if cell.role == "subject"]
    for cell in subjects:
        baseline = found.cell(cell.reference)
        assert baseline.role == "baseline"
        assert (cell.artifact.variant, cell.batch) == (baseline.artifact.variant, baseline.batch)
        assert cell.artifact.sha256 != baseline.artifact.sha256
    assert len(subjects) == 4
    assert found.reference == "fp32 | onnxruntime CPU | 1 thread | batch 1 (baseline)"
    assert {found.reference} == {cell.reference for cell in found.cells if cell.role in {"baseline", "duplicate"}}


def test_a_model_can_be_its_own_baseline(fp32: Artifact) -> None:
    """The same file on both sides is two cells: nothing changed, and that is measured."""
    found = planned(fp32, baselines=[fp32])
    assert [cell.role for cell in found.cells] == ["baseline", "subject", "duplicate"]
    assert len(set(labels(found))) == 3


def test_a_candidate_without_baseline_refers_to_the_reference(
    artifact: ArtifactMaker, fp32: Artifact, int8: Artifact
) -> None:
    """A variant that is new has nothing of its own to be compared to."""
    found = planned(fp32, int8, baselines=[artifact("fp32", b"old")])
    assert found.cells[2].artifact.variant == "int8"
    assert found.cells[2].reference == found.reference


def test_a_baseline_that_fits_no_candidate_is_refused(artifact: ArtifactMaker, fp32: Artifact) -> None:
    """A gate that compared nothing would pass everything; the sentence says what the baseline has."""
    with pytest.raises(UsageError, match="no model of the same variant and setting: it has int8, fp16"):
        planned(fp32, baselines=[artifact("int8"), artifact("fp16")])
