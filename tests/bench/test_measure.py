"""The whole measurement, on real processes."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgefashion import bench
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.bench import schedule, suite
from edgefashion.errors import NotAvailable
from edgefashion.records import BenchReport


@pytest.fixture(scope="module")
def measured(tiny_run: Path, sample) -> BenchReport:
    """Every variant of the tiny run and PyTorch, two generations."""
    names = ("checkpoint.safetensors", "fp32.onnx", "int8-static.onnx", "int8-dynamic.onnx")
    return bench.measure([open_artifact(tiny_run / name) for name in names], sample, budget_s=0.1)


def test_every_cell_is_measured_beside_its_quality(measured: BenchReport) -> None:
    """Five cells, the copy of the reference among them, two launches each, no failure."""
    assert measured.failures == []
    assert [cell.label for cell in measured.plan.cells] == [result.cell for result in measured.results]
    assert {2} == {result.launches for result in measured.results}
    assert all(result.quality.images == 1000 for result in measured.results)
    assert all(sum(result.placement.nodes.values()) > 0 for result in measured.results)


def test_every_raw_sample_is_kept(measured: BenchReport, tmp_path: Path) -> None:
    """The figures can be derived again from the stored nanoseconds and the order is on record."""
    loaded = BenchReport.load(measured.save(tmp_path / "bench.json", indent=0))
    assert measured.launches == loaded.launches
    calls = {result.cell: result.calls for result in loaded.results}
    kept = dict.fromkeys(calls, 0)
    for launch in loaded.launches:
        kept[launch.cell] += sum(len(block) for block in launch.blocks_ns)
    assert calls == kept
    assert len(loaded.order) == sum(len(launch.blocks_ns) for launch in loaded.launches)


def test_blocks_are_interleaved(measured: BenchReport) -> None:
    """No cell gets all its blocks in a row, and the rounds are not in the order of the cells."""
    labels = [cell.label for cell in measured.plan.cells]
    rounds = [measured.order[start : start + len(labels)] for start in range(0, len(measured.order), len(labels))]
    assert all(sorted(labels) == sorted(each) for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1


def test_the_reference_has_no_ratio_and_its_copy_has(measured: BenchReport) -> None:
    """The copy's ratio is what the machine makes of nothing."""
    by_cell = {result.cell: result for result in measured.results}
    assert by_cell[measured.plan.reference].ratio is None
    assert by_cell[measured.plan.reference].rank == "reference"
    copy = by_cell[measured.plan.duplicate].ratio
    assert copy is not None
    assert 0.2 < copy.value < 5


def test_an_absent_provider_is_an_error_before_anything_is_measured(fp32: Artifact, sample) -> None:
    """Not a row of the CPU under another name."""
    with pytest.raises(NotAvailable, match="QNNExecutionProvider is not usable"):
        bench.measure([fp32], sample, providers=["qnn"], budget_s=0.1)


def test_a_broken_cell_becomes_a_failure_and_the_rest_is_measured(
    fp32: Artifact, tiny_run: Path, sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker whose answers are wrong: its cell is named with the reason, the others have results."""
    int8 = open_artifact(tiny_run / "int8-static.onnx")
    run_schedule = schedule.run_schedule

    def sabotage(plan, jobs, scratch, done):
        label = next(label for label in jobs if label.startswith("int8"))
        np.save(scratch / "wrong.npy", np.load(jobs[label].outputs) + 1)
        wrong = msgspec.structs.replace(jobs[label], outputs=str(scratch / "wrong.npy"))
        return run_schedule(plan, {**jobs, label: wrong}, scratch, done)

    monkeypatch.setattr(suite, "run_schedule", sabotage)
    result = bench.measure([fp32, int8], sample, budget_s=0.1)
    assert ["answers wrongly" in failure.reason for failure in result.failures] == [True]
    assert len(result.results) == 2
