"""Results that come back: what is refused, how they relate to the host, and the table that shows them."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from packing import RUN, model

from edgefashion import environment
from edgefashion.bench.analyse import samples_ns
from edgefashion.cli.report import report
from edgefashion.errors import BadInput
from edgefashion.kit import beside_host, load_results
from edgefashion.records import BenchReport, Canary, Cell, HostLoad, Interval, Noise, Plan, SessionSpec
from edgefashion.records.kit import KitResult
from edgefashion.report.kit_grids import devices_grid


def host_of(result: KitResult, *, slower: float = 1.0, threads: int = 1, variant: str = "int8-static") -> BenchReport:
    """This machine's own figures of a model: those of the device, with every call `slower` times as long."""
    cell = Cell(
        label="host",
        artifact=model(variant).info,
        session=SessionSpec("onnxruntime", "CPUExecutionProvider", threads=threads),
        batch=1,
        reference="host",
    )
    launches = [
        msgspec.structs.replace(
            launch,
            cell="host",
            blocks_ns=[[round(slower * sample) for sample in block] for block in launch.blocks_ns],
        )
        for launch in result.launches
        if launch.cell == "model"
    ]
    return BenchReport(
        data=None,
        plan=Plan([cell], "host", "", 1.0, 2, 2, 6, 0.03, 0.01, 1.0, 0),
        launches=launches,
        canaries=[],
        order=[],
        host=HostLoad(1.0, None, None, None, None),
        results=[],
        failures=[],
        noise=Noise("quiet", []),
        warnings=[],
        partial=False,
        wall_s=1.0,
        environment=msgspec.structs.replace(environment.describe(), cpu="the host's processor"),
    )


def test_a_result_of_this_model_is_read(carried_back: Path, result: KitResult) -> None:
    """The runner writes with json alone what edgefashion reads strictly."""
    assert [result] == load_results([carried_back], expected=[model("fp32").info, model().info])


def test_a_result_of_another_model_is_refused(carried_back: Path) -> None:
    """By the digest of its file: a name and a variant are no proof."""
    other = msgspec.structs.replace(model().info, sha256="0" * 64)
    with pytest.raises(BadInput, match="which is none of the models here"):
        load_results([carried_back], expected=[other])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content.replace(b'"threads": 1', b'"threads": 2'), "damaged or edited"),
        (lambda content: content[:-20], "damaged or edited"),
        (lambda _: (RUN / "train.json").read_bytes(), "not a valid KitResult"),
    ],
    ids=["edited", "cut", "another kind"],
)
def test_a_damaged_result_is_refused(
    carried_back: Path, tmp_path: Path, damage: Callable[[bytes], bytes], words: str
) -> None:
    """A figure that was changed on the way is no figure."""
    path = tmp_path / "result.json"
    path.write_bytes(damage(carried_back.read_bytes()))
    with pytest.raises(BadInput, match=words):
        load_results([path], expected=[model().info])


def test_a_device_that_answers_wrongly_is_refused(result: KitResult, tmp_path: Path) -> None:
    """However fast it is."""
    wrong = msgspec.structs.replace(result.selftest, equal_decisions=9)
    path = msgspec.structs.replace(result, selftest=wrong).save(tmp_path / "result.json")
    with pytest.raises(BadInput, match="where the model answers wrongly"):
        load_results([path], expected=[model().info])


@pytest.mark.parametrize("slower", [0.5, 1.0, 4.0])
def test_the_ratio_is_device_over_host(result: KitResult, slower: float) -> None:
    """A host that takes four times as long makes the device a quarter of it; the interval is that of both spreads."""
    table = beside_host([result], host_of(result, slower=slower))
    ratio = table.rows[0].to_host
    assert ratio is not None
    assert ratio.value == pytest.approx(1 / slower, rel=1e-3)
    medians = [float(np.median(samples_ns(launch))) for launch in result.launches if launch.cell == "model"]
    assert (ratio.low < ratio.value < ratio.high) == (len(set(medians)) > 1)
    assert table.host == "the host's processor"


@pytest.mark.parametrize("changes", [{"threads": 2}, {"variant": "fp32"}])
def test_only_the_same_setting_is_compared(result: KitResult, changes: dict[str, object]) -> None:
    """Another model's figure, or one with other threads, is none of this model here."""
    table = beside_host([result], host_of(result, **changes))
    assert (table.rows[0].to_host, table.host) == (None, None)


def test_the_table_says_what_it_compares(result: KitResult) -> None:
    """One row a device, the ratio beside words that say it is unpaired and about machines."""
    grid = devices_grid(beside_host([result], host_of(result, slower=4.0)))
    (row,) = grid.rows
    cells = dict(zip(grid.columns, row.cells, strict=True))
    assert (cells["device"], cells["decisions equal"]) == ("bench of the tests", "10 of 10")
    assert cells["device / host"].startswith("×0.2")
    assert any("unpaired" in note and "the host's processor" in note for note in grid.notes)


def test_without_a_host_there_is_no_ratio(result: KitResult) -> None:
    """And the table says why."""
    grid = devices_grid(beside_host([result], None))
    assert grid.rows[0].cells[-1] == "n/a"
    assert any("this machine has no figure" in note for note in grid.notes)


def test_what_was_wrong_with_a_run_is_said(result: KitResult) -> None:
    """A false alarm, launches without a steady state, a drifting canary, and nothing of the kind for a calm device."""
    calm = msgspec.structs.replace(
        result,
        duplicate=Interval(1.0, 0.99, 1.01),
        launches=[msgspec.structs.replace(launch, steady=True) for launch in result.launches],
        canaries=[Canary(0, 0.0, [100]), Canary(1, 1.0, [100])],
    )
    wild = msgspec.structs.replace(
        calm,
        device="wild\n",
        duplicate=Interval(1.1, 1.05, 1.15),
        launches=[msgspec.structs.replace(launch, steady=False) for launch in result.launches],
        canaries=[Canary(0, 0.0, [100, 100]), Canary(1, 1.0, [100, 150])],
    )
    said = "\n".join(devices_grid(beside_host([calm], None)).notes)
    assert ("false alarm" in said, "steady" in said) == (False, False)
    said = "\n".join(devices_grid(beside_host([calm, wild], None)).notes)
    assert re.search("wild�: a false alarm", said)
    assert re.search("wild�: 4 of 4 launches came to no steady state", said)
    assert re.search("wild�: .* drifted by 25 %", said)
    assert devices_grid(beside_host([calm, wild], None)).rows[1].cells[0] == "wild�"


def test_the_report_shows_devices(
    carried_back: Path, result: KitResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`report --device` prints the table of devices below the run's own, and refuses what is of another run."""
    run = Path(shutil.copytree(RUN, tmp_path / "run"))
    host_of(result, slower=2).save(run / "bench.json")
    report(str(run), device=[carried_back, carried_back])
    said = capsys.readouterr().out
    assert said.count("10 of 10") == 2
    assert "the host's processor" in " ".join(said.split())
    other = Path(shutil.copytree(RUN.parent / "tiny", tmp_path / "other"))
    foreign = msgspec.structs.replace(host_of(result), plan=Plan([], "", "", 1.0, 2, 2, 6, 0.03, 0.01, 1.0, 0))
    foreign.save(other / "bench.json")
    with pytest.raises(BadInput, match="none of the models here"):
        report(str(other), device=[carried_back])
