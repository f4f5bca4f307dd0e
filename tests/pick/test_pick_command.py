"""`edgefashion pick`: which benchmark it reads, what it prints, and how it leaves."""

import shutil
from pathlib import Path

import msgspec
import pytest
from picking import bench, model

from edgefashion.artifact import open_artifact
from edgefashion.cli.pick import find_benchmark, find_file, pick
from edgefashion.errors import BadInput, CheckFailed, Inconclusive, UsageError
from edgefashion.records import BenchReport
from edgefashion.records.pick import Choice

SEED = Path(__file__).parents[2] / "exported" / "seed-reference" / "fp32.onnx"


@pytest.fixture
def measured() -> BenchReport:
    """A benchmark of the committed float32 model; its accuracy is 90 %."""
    return bench(model("fp32", artifact=msgspec.to_builtins(open_artifact(SEED).info)))


@pytest.fixture
def run_folder(tmp_path: Path, measured: BenchReport, monkeypatch: pytest.MonkeyPatch) -> Path:
    """exported/mine: the committed float32 model and a benchmark of it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path("exported/mine")
    folder.mkdir(parents=True)
    shutil.copy(SEED, folder / "fp32.onnx")
    measured.save(folder / "bench.json", indent=0)
    return folder


@pytest.mark.parametrize("source", [[], ["mine"], ["exported/mine"], ["exported/mine/bench.json"]])
def test_the_choice_is_printed_with_its_file(
    run_folder: Path, source: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The only benchmark in exported/, a run or a stored result: the file that was measured comes first."""
    (run_folder / "checkpoint.safetensors").write_bytes(b"")  # what makes a folder under exported/ a run
    pick(source, max_size="1MB", min_accuracy="1%")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "exported/mine/fp32.onnx"
    size = f"{SEED.stat().st_size / 1000:.1f} kB"
    assert lines[1].startswith(f"fp32 is the only one of 1 that keeps size ≤ 1.00 MB, accuracy ≥ 1.00 %: {size}, ")


def test_a_file_that_has_changed_is_not_passed_off(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The name alone is no proof: another file in its place is not what was measured."""
    (run_folder / "fp32.onnx").write_bytes(b"something else")
    pick([])
    assert f"not in exported/mine: SHA-256 {open_artifact(SEED).sha256}" in capsys.readouterr().out.replace("\n", " ")


def test_a_file_is_looked_for_in_its_own_run(run_folder: Path, tmp_path: Path, measured: BenchReport) -> None:
    """A benchmark of several runs lies in a folder of its own; no name in it leads out of the runs."""
    elsewhere = tmp_path / "elsewhere"
    info = msgspec.structs.replace(measured.plan.cells[0].artifact, name="mine")
    assert Path("exported/mine/fp32.onnx") == find_file(info, elsewhere)
    shutil.copy(SEED, tmp_path / "outside.onnx")
    assert find_file(msgspec.structs.replace(info, file="../../outside.onnx"), run_folder) is None


def test_a_limit_out_of_reach_is_exit_code_1(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table is printed all the same, and the error says which limit and by how much."""
    beyond = f"{(SEED.stat().st_size - 50_000) / 1000:.2f} kB"
    with pytest.raises(CheckFailed, match=rf"^nothing keeps size ≤ 50.0 kB: .* beyond it by {beyond}$"):
        pick([str(run_folder)], max_size="50kB")
    assert capsys.readouterr().out.startswith("Candidates")


def test_what_cannot_be_told_is_exit_code_3(run_folder: Path) -> None:
    """A limit inside the interval of the accuracy decides nothing."""
    with pytest.raises(Inconclusive, match=r"^fp32: accuracy ≥ 89.90 % cannot be told from 90.00 % .* pictures would"):
        pick([str(run_folder)], min_accuracy="89.9%")


def test_json_is_one_document(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get the whole judgement on stdout and nothing else, also where it fails."""
    with pytest.raises(CheckFailed):
        pick([], max_size="50kB", as_json=True)
    found = msgspec.json.decode(capsys.readouterr().out, type=Choice)
    assert ("FAIL", BenchReport.load(run_folder / "bench.json").seal) == (found.verdict, found.bench_seal)


def test_several_benchmarks_are_not_mixed(run_folder: Path, measured: BenchReport) -> None:
    """Latencies of two runs are not compared: the error names both with their machines."""
    other = msgspec.structs.replace(
        measured, environment=msgspec.structs.replace(measured.environment, cpu="Another CPU")
    )
    other.save(run_folder.with_name("other") / "bench.json", indent=0)
    cpu = measured.environment.cpu
    named = rf"exported/mine/bench.json \({cpu}\), exported/other/bench.json \(Another CPU\)"
    with pytest.raises(UsageError, match=rf"^2 benchmarks, whose latencies are not comparable: {named}"):
        find_benchmark([])
    # The same one named twice is one.
    absolute = run_folder.resolve() / "bench.json"
    assert find_benchmark([str(run_folder), str(absolute)])[0].resolve() == absolute


def test_a_model_stands_for_the_benchmark_beside_it(run_folder: Path) -> None:
    """Its digest narrows the choice, in the benchmark beside it or in another one that is named."""
    digests = {open_artifact(SEED).sha256}
    beside = run_folder / "bench.json"
    assert (beside, digests) == find_benchmark([str(run_folder / "fp32.onnx")])
    assert (beside, digests) == find_benchmark([str(beside), str(SEED)])


def test_nothing_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any benchmark the way to one is shown; a model without one beside it names the file that is missing."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="measure first with `edgefashion bench`"):
        pick([])
    shutil.copy(SEED, "alone.onnx")
    with pytest.raises(BadInput, match=r"bench\.json"):
        pick(["alone.onnx"])


def test_the_figure_lies_beside_the_benchmark(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--plot writes plots/pick.png and says so; without it nothing is written."""
    pick([])
    assert not (run_folder / "plots").exists()
    pick([], plot=True)
    assert (run_folder / "plots" / "pick.png").read_bytes().startswith(b"\x89PNG")
    assert "written: exported/mine/plots/pick.png" in capsys.readouterr().err
