"""What people see of a search, and what the command line does with it."""

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from search_cases import (
    few_altered_pictures,  # noqa: F401 - a fixture for every test here
    not_a_number_when_bright,
    wrong_when_bright,
)

from edgefashion.artifact import Artifact, open_artifact
from edgefashion.cli import search as command
from edgefashion.data import Dataset
from edgefashion.records.worst_case import Recheck, Rechecked, RegressionCase, WorstCases
from edgefashion.report.worst_case_grids import difference, families_grid, rechecks_grid, worst_grid
from edgefashion.report.worst_case_plot import worst_inputs
from edgefashion.verify.search import find_worst, load_regressions


@pytest.fixture(scope="module")
def found(tiny_run: Path, small: Dataset) -> WorstCases:
    """What a short search finds for a float32 export that is wrong on white pictures."""
    trap = wrong_when_bright(open_artifact(tiny_run / "fp32.onnx"), above=250, by=5)
    return find_worst(trap, open_artifact(tiny_run / "checkpoint.safetensors"), small, budget_s=0, seed=7)


def test_families_are_told(found: WorstCases) -> None:
    """A row a family and one for all of them; notes name the failed check, the method and the seed."""
    grid = families_grid(found)
    assert [row.cells[0] for row in grid.rows] == [*(each.name for each in found.families), "all"]
    assert grid.rows[-1].cells[1] == f"{found.tried:,}"
    assert [row.cells[2] for row in grid.rows].count("5.00") >= 2
    assert all(len(row.cells) == len(grid.columns) == 6 for row in grid.rows)
    notes = "\n".join(grid.notes)
    for words in ("fails: worst logit difference", "must be ≤ 64", "no time was left", "seed 7, 0 steps", "never that"):
        assert words in notes


def test_units_of_rounding_are_for_float32(found: WorstCases) -> None:
    """Formats that differ by design are not measured in units of rounding."""
    int8 = msgspec.structs.replace(found, artifact=msgspec.structs.replace(found.artifact, precision="int8"))
    grid = families_grid(int8)
    assert "float32 ulps" in families_grid(found).columns
    assert grid.columns == ("inputs", "tried", "max |Δ logit|", "flips", "surest flip")
    assert all(len(row.cells) == 5 for row in grid.rows)


def test_worst_inputs_are_told(found: WorstCases, small: Dataset) -> None:
    """A row a kept input with both answers by name, and a picture of each that is the same every time."""
    grid = worst_grid(found, small.labels)
    first = found.worst[0]
    assert grid.rows[0].cells[1:4] == (first.family, "5.00", small.labels[first.reference_class])
    assert len(grid.rows) == len(found.worst) + (found.surest_flip is not None)
    figure = worst_inputs(found, small.labels)
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(found.worst) <= len(drawn) <= len(found.worst) + 1
    assert bytes(drawn[0].images[0].get_array().astype("uint8").tobytes()) == first.pixels


def test_interrupt_and_breakdown_are_told(found: WorstCases) -> None:
    """An interrupted search says so, and logits that are no numbers are not printed as one."""
    stopped = msgspec.structs.replace(found, interrupted=True)
    assert any("interrupted" in note for note in families_grid(stopped).notes)
    assert not any("interrupted" in note for note in families_grid(found).notes)
    assert difference(3.4028234663852886e38) == "not finite"
    assert difference(2.5) == "2.50"


def test_rechecks_are_told(found: WorstCases) -> None:
    """Then and now stand side by side, with a verdict where there is a limit."""
    case = RegressionCase("flat", "fp32", "a" * 64, None, 0, 5.0, is_flip=True, max_ulps=1.0, reference_margin=0.5)
    failed = Recheck(found.artifact, "somebody", [Rechecked(case, 6.0, is_flip=True)], found.checks)
    free = Recheck(found.artifact, "somebody", [Rechecked(case, 0.5, is_flip=False)], [])
    grid = rechecks_grid([failed, free])
    assert [row.cells[1:] for row in grid.rows] == [
        ("1", "5.00", "6.00", "1", "1", "FAIL"),
        ("1", "5.00", "0.500", "1", "0", "no limit"),
    ]
    assert len(grid.notes) == 1


def test_command_keeps_and_rechecks(own_run: Path, small: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    """Searching writes pictures and regression cases into the run, and the next verification answers them again."""
    artifacts = [open_artifact(own_run / f"{name}.onnx") for name in ("fp32", "int8-static")]
    assert command.recheck_all(artifacts, small) == []
    results, interrupted = command.run_search(artifacts, small, budget_s=0)
    assert not interrupted
    pictures = command.save_search(artifacts, results, list(small.labels))
    assert [picture.name for picture in pictures] == ["worst_inputs-fp32.png", "worst_inputs-int8-static.png"]
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert {case.variant for case in load_regressions(own_run).cases} == {"fp32", "int8-static"}
    rechecks = command.recheck_all(artifacts, small)
    assert [len(each.cases) >= 8 for each in rechecks] == [True, True]
    assert [each.max_abs for each in rechecks] == pytest.approx([each.max_abs for each in results], abs=1e-5)
    command.show_search(results, list(small.labels))
    command.show_rechecks(rechecks)
    printed = capsys.readouterr().out
    assert "int8-static: worst inputs found" in printed
    assert "answered again" in printed


def test_interrupted_command_keeps_the_first(
    own_run: Path, small: Dataset, found: WorstCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C no further artifact is searched, and what was found is kept."""
    stopped = msgspec.structs.replace(found, interrupted=True, artifact=open_artifact(own_run / "fp32.onnx").info)
    monkeypatch.setattr("edgefashion.verify.search.find_worst", lambda *_, **__: stopped)
    artifacts = [open_artifact(own_run / f"{name}.onnx") for name in ("fp32", "int8-static")]
    results, interrupted = command.run_search(artifacts, small, budget_s=60)
    assert interrupted
    assert results == [stopped]
    assert len(command.save_search(artifacts, results, list(small.labels))) == 1
    assert len(load_regressions(own_run)) >= 8


def test_breakdown_is_shown(fp32: Artifact, tiny_run: Path, small: Dataset) -> None:
    """Tables and pictures can be made of logits that are no numbers."""
    broken = not_a_number_when_bright(fp32, above=250)
    found = find_worst(broken, open_artifact(tiny_run / "checkpoint.safetensors"), small, budget_s=0)
    assert families_grid(found).rows[-1].cells[2] == "not finite"
    assert worst_grid(found, small.labels).rows[0].cells[2] == "not finite"
    titles = [axes.get_title(loc="center") for axes in worst_inputs(found, small.labels).axes]
    assert "not finite" in titles[0]
