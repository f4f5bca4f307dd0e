"""What will be measured."""

from pathlib import Path

import msgspec
import pytest

from edgefashion.artifact import Artifact, open_artifact
from edgefashion.bench.plan import DUPLICATE_MARK, cores_for, make_plan
from edgefashion.environment import usable_cpus
from edgefashion.errors import NotAvailable, UsageError
from edgefashion.records import Plan


def plan(artifacts: list[Artifact], **changes: object) -> Plan:
    settings = {
        "runtimes": None,
        "providers": ["cpu"],
        "threads": [1],
        "batches": [1],
        "reference": None,
        "budget_s": 1.0,
        "seed": 0,
    } | changes
    return make_plan(artifacts, **settings)  # type: ignore[arg-type]


def test_the_reference_is_measured_twice(checkpoint: Artifact, fp32: Artifact) -> None:
    """The first float32 ONNX model is the reference, whatever stands before it, and has a marked copy."""
    found = plan([checkpoint, fp32])
    assert found.reference.startswith("fp32 | onnxruntime CPU")
    assert found.reference + DUPLICATE_MARK == found.duplicate == found.cells[-1].label
    assert len(found.cells) == 3


def test_every_combination_is_a_cell(fp32: Artifact) -> None:
    """Batches of 1 and 8 are two cells, and the copy is a third."""
    found = plan([fp32], batches=[1, 8])
    assert [cell.batch for cell in found.cells] == [1, 8, 1]


def test_the_reference_can_be_chosen(checkpoint: Artifact, fp32: Artifact) -> None:
    """By variant; an unknown one is refused with the names that exist."""
    assert plan([checkpoint, fp32], reference="pytorch").reference.startswith("pytorch |")
    with pytest.raises(UsageError, match="known are pytorch, fp32"):
        plan([checkpoint, fp32], reference="int4")


def test_settings_that_make_no_sense_are_refused(fp32: Artifact) -> None:
    """More threads than cores, empty batches, no budget or an endless one."""
    with pytest.raises(UsageError, match="threads"):
        plan([fp32], threads=[len(usable_cpus()) + 1])
    with pytest.raises(UsageError, match="batch"):
        plan([fp32], batches=[0])
    for budget_s in (0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="budget"):
            plan([fp32], budget_s=budget_s)
    with pytest.raises(UsageError, match="nothing to measure"):
        plan([fp32], runtimes=["pytorch"])


def test_what_is_asked_for_twice_is_measured_once(fp32: Artifact) -> None:
    """The same artifact, thread count, batch or provider again makes no further cell."""
    repeated = plan([fp32, fp32], threads=[1, 1], batches=[1, 1], providers=["cpu", "CPUExecutionProvider"])
    assert [cell.label for cell in plan([fp32]).cells] == [cell.label for cell in repeated.cells]


def test_artifacts_of_one_name_are_told_apart(fp32: Artifact, tiny_run: Path) -> None:
    """Two different files that call themselves the same get their digests into their labels."""
    static = open_artifact(tiny_run / "int8-static.onnx")
    twin = Artifact(static.path, msgspec.structs.replace(static.manifest, variant="fp32"), static.content)
    labels = [cell.label for cell in plan([fp32, twin]).cells]
    assert len(labels) == len(set(labels))
    assert fp32.sha256[:8] in labels[0]
    assert twin.sha256[:8] in labels[1]


def test_a_misspelt_provider_is_refused_with_the_right_spelling(fp32: Artifact) -> None:
    """It must not become a row of the CPU."""
    with pytest.raises(NotAvailable, match="did you mean 'cuda'"):
        plan([fp32], providers=["cudda"])


def test_a_cell_gets_as_many_cores_as_threads(fp32: Artifact) -> None:
    """And only cores that this process may use."""
    (cell, _) = plan([fp32]).cells
    assert usable_cpus()[-1:] == cores_for(cell)
