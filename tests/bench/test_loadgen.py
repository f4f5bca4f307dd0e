"""MLPerf LoadGen: its logs, what is refused before it runs, and the four scenarios for real."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import psutil
import pytest

from edgefashion import environment
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.bench.points.loadgen import SCENARIOS, launch, require_scenario, run_loadgen
from edgefashion.bench.points.loadgen.child import require_memory
from edgefashion.bench.points.loadgen.job import Job
from edgefashion.bench.points.loadgen.log import read_detail
from edgefashion.bench.process.launch import WorkerFailed
from edgefashion.environment import usable_cpus
from edgefashion.errors import BadInput, CannotWrite, NotAvailable, UsageError
from edgefashion.records import LoadgenRun, SessionSpec
from edgefashion.runtimes import default_spec

# Lines that LoadGen 6.0.17 wrote here: its version, settings in effect, results and errors of real runs.
LOGS = Path(__file__).parent / "loadgen_logs"

Load = Callable[..., LoadgenRun]

needs_loadgen = pytest.mark.skipif(
    find_spec("mlperf_loadgen") is None, reason="mlcommons-loadgen is not installed: pip install 'edgefashion[mlperf]'"
)


@pytest.fixture
def load(fp32: Artifact, sample, tmp_path: Path) -> Load:
    """Run LoadGen on the tiny float32 model for a fifth of a second."""

    def run(scenario: str, **changes) -> LoadgenRun:
        request = {
            "artifact": fp32,
            "cell": "fp32",
            "session": default_spec(fp32),
            "cpus": usable_cpus()[-1:],
            "inputs": sample.test.pixels[:16],
            "seconds": 0.2,
            "logs": tmp_path / "logs",
        } | changes
        return run_loadgen(request.pop("artifact"), scenario=scenario, **request)

    return run


# Its logs


def log(name: str) -> str:
    return (LOGS / f"{name}.txt").read_text()


def test_a_stream_is_read() -> None:
    """Verdict, counts, every percentile in seconds, and the rate with LoadGen's own overhead."""
    facts = read_detail(log("single_stream"))
    assert (facts.version, facts.valid, facts.reasons) == ("6.0.17 @ d6147c7eb7", True, [])
    assert (facts.queries, facts.samples_per_query, facts.min_duration_s) == (86_229, 1, 2.0)
    assert facts.samples_per_s == 43_113.7
    assert msgspec.structs.astuple(facts.latency) == pytest.approx(
        (21_533e-9, 19_278e-9, 27_842e-9, 34_672e-9, 41_192e-9, 47_461e-9, 197_544e-9)
    )


@pytest.mark.parametrize(
    ("name", "queries", "samples", "p99_s", "rate"),
    [
        ("multi_stream", 16_773, 8, 285_835e-9, None),
        ("offline", 1, 161_622, 2_191_045_645e-9, 73_048.5),
        ("server", 58_439, 1, 5_804_316e-9, 29_065.8),
    ],
)
def test_each_scenario_is_read(name: str, queries: int, samples: int, p99_s: float, rate: float | None) -> None:
    """The rate has another name in each scenario, and none in MultiStream."""
    facts = read_detail(log(name))
    assert facts.valid
    assert (facts.queries, facts.samples_per_query, facts.samples_per_s) == (queries, samples, rate)
    assert facts.latency.p99_s == pytest.approx(p99_s)


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        (
            "server_overloaded",
            [
                "Reduce target QPS to improve latency.",
                (
                    "Run unsuccessful. Processed 233638 queries. Would need to run at least 23125111 more queries, "
                    "with the run being successful if every additional query were under latency."
                ),
            ],
        ),
        (
            "single_stream_ran_out",
            [
                "Decrease the expected latency so the loadgen pre-generates more queries.",
                (
                    "Ending early: Ran out of generated queries to issue before the minimum query count and test "
                    "duration were reached. Please update the relevant expected latency or target qps in the "
                    "TestSettings so they are more accurate."
                ),
            ],
        ),
        (
            "multi_stream_too_few",
            ["Only processed 100 queries. Need to process at least 662 queries for early stopping."],
        ),
    ],
)
def test_an_invalid_run_says_why(name: str, reasons: list[str]) -> None:
    """Recommendations, early stopping and errors are LoadGen's own words, on one line each."""
    facts = read_detail(log(name))
    assert not facts.valid
    assert facts.reasons == reasons


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MLPerf Results Summary\n",
        "\n".join(log("server").splitlines()[:4]),
        log("server").replace('"result_validity"', '"verdict"'),
        log("server")[:3000],
        ":::MLLOG 1",
    ],
)
def test_a_log_without_a_result_is_refused(text: str) -> None:
    """A test that did not end, or another kind of file, is no result."""
    with pytest.raises(BadInput, match="LoadGen's log holds no result"):
        read_detail(text)


# What is refused before it runs


def test_an_unknown_scenario_is_refused(load: Load, tmp_path: Path) -> None:
    """The four are named, the nearest is suggested, and nothing was done."""
    with pytest.raises(UsageError, match=r"did you mean 'Offline'.*SingleStream, MultiStream, Offline, Server"):
        load("Ofline")
    assert not (tmp_path / "logs").exists()


def test_a_scenario_is_known_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """People write singlestream; the record has MLPerf's spelling."""
    monkeypatch.setattr(environment, "find_spec", lambda _: object())
    assert tuple(require_scenario(name.lower()) for name in SCENARIOS) == SCENARIOS


def test_a_missing_package_is_named(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it is in the message, and nothing was done."""
    monkeypatch.setattr(environment, "find_spec", lambda _: None)
    with pytest.raises(NotAvailable, match=r"^mlperf:Server needs .*: pip install 'edgefashion\[mlperf\]'$"):
        load("Server")
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    "change", [{"seconds": 0.0}, {"batch": 0}, {"latency_bound_s": -1.0}, {"target_qps": 0.0}, {"batch": 17}]
)
def test_senseless_numbers_are_refused(change: dict, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Durations, rates and sizes are above zero, and there are pictures for a whole query."""
    monkeypatch.setattr(environment, "find_spec", lambda _: object())
    with pytest.raises(UsageError):
        load("MultiStream", **change)


def test_logs_need_a_folder(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in its place is refused before anything runs."""
    monkeypatch.setattr(environment, "find_spec", lambda _: object())
    (tmp_path / "logs").write_text("in the way")
    with pytest.raises(CannotWrite, match="cannot keep logs"):
        load("Server")


@pytest.mark.parametrize(
    ("scenario", "queries"), [("SingleStream", 120e6), ("MultiStream", 120e6), ("Offline", 66e6), ("Server", 30e6)]
)
def test_a_test_that_does_not_fit_into_memory_is_refused(
    scenario: str, queries: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes of calls of ten microseconds are many queries; the need and the remedy are named."""
    job = Job("", "", SessionSpec("", ""), [0], "", "", 1, scenario, 600.0, None, 0.015, "")
    needed = queries * 330
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=needed * 1.01))
    require_memory(job, fastest_s=1e-5, target_qps=50_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=needed * 0.99))
    with pytest.raises(NotAvailable, match=f"{queries:,.0f} queries beforehand.*fewer seconds"):
        require_memory(job, fastest_s=1e-5, target_qps=50_000)


# For real


@needs_loadgen
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_runs(scenario: str, load: Load, tmp_path: Path) -> None:
    """A verdict with its reasons, figures that fit each other, and the logs that they come from."""
    run = load(scenario)
    assert run.scenario == scenario
    assert run.valid == (not run.reasons)
    assert "not an official submission" in run.verdict
    assert run.min_duration_s == 0.2
    assert run.closed_loop_s > 0
    assert run.threads_seen >= 2  # LoadGen has one of its own
    assert run.samples == run.queries * run.samples_per_query > 0
    assert (run.latency is None) == (scenario == "Offline")
    if run.latency is not None:
        assert sorted(msgspec.structs.astuple(run.latency)[1:]) == list(msgspec.structs.astuple(run.latency)[1:])
    assert run.logs == "logs"
    assert "Result is : " + ("VALID" if run.valid else "INVALID") in (
        (tmp_path / "logs" / "mlperf_log_summary.txt").read_text()
    )
    assert run == msgspec.json.decode(msgspec.json.encode(run), type=LoadgenRun)


@needs_loadgen
def test_queries_have_the_size_of_their_scenario(load: Load) -> None:
    """MultiStream asks for eight pictures at once, or as many as are given; SingleStream for one, whatever is given."""
    assert load("MultiStream").samples_per_query == 8
    assert load("MultiStream", batch=5).samples_per_query == 5
    assert load("SingleStream", batch=5).samples_per_query == 1


@needs_loadgen
def test_a_bound_that_no_machine_keeps_is_invalid(load: Load) -> None:
    """One nanosecond is too short for any answer: the verdict is INVALID, with LoadGen's advice, and no error."""
    run = load("Server", latency_bound_s=1e-9, target_qps=500.0)
    assert not run.valid
    assert "Reduce target QPS to improve latency." in run.reasons
    assert (run.target_qps, run.latency_bound_s) == (500.0, 1e-9)
    assert run.verdict.startswith("INVALID (Reduce target QPS")


@needs_loadgen
def test_server_is_loaded_by_half(load: Load) -> None:
    """Without a target the rate is about half of what a closed loop answers; other scenarios have none."""
    run = load("Server")
    assert run.target_qps is not None
    assert 0 < run.target_qps * run.closed_loop_s < 1
    assert run.latency_bound_s == 0.015
    other = load("SingleStream", target_qps=5.0, latency_bound_s=1.0)
    assert (other.target_qps, other.latency_bound_s) == (None, None)


@needs_loadgen
def test_a_cell_that_answers_wrongly_is_not_tested(load: Load, tmp_path: Path) -> None:
    """Answers that differ from those expected end it before LoadGen starts."""
    with pytest.raises(WorkerFailed, match="answers wrongly"):
        load("SingleStream", expected=np.zeros((16, 10), np.float32))
    assert list((tmp_path / "logs").iterdir()) == []


@needs_loadgen
def test_a_model_that_changed_is_refused(own_run: Path, load: Load) -> None:
    """What is measured is what was named."""
    artifact = open_artifact(own_run / "fp32.onnx")
    shutil.copy(own_run / "fp16.onnx", own_run / "fp32.onnx")
    with pytest.raises(WorkerFailed, match="changed while it was measured"):
        load("SingleStream", artifact=artifact)


@needs_loadgen
@pytest.mark.skipif(len(usable_cpus()) < 2, reason="needs two cores")
def test_an_escaped_thread_is_found(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was not pinned has threads outside its cores, and its figures are refused."""

    @contextmanager
    def unpinned(_: list[int]) -> Iterator[None]:
        yield

    monkeypatch.setattr(launch.isolation, "pinned", unpinned)
    with pytest.raises(WorkerFailed, match="outside"):
        load("SingleStream", cpus=usable_cpus()[:1])


@needs_loadgen
def test_settings_in_the_working_directory_are_ignored(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LoadGen would obey a file audit.config that happens to lie where it is started."""
    (tmp_path / "audit.config").write_text("*.SingleStream.min_duration = 400\n")
    monkeypatch.chdir(tmp_path)
    assert load("SingleStream").min_duration_s == 0.2


def python_that(tmp_path: Path, script: str) -> str:
    """An interpreter that runs something else instead."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_process_that_crashes_says_why(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of its stderr becomes the reason."""
    monkeypatch.setattr(environment, "find_spec", lambda _: object())
    monkeypatch.setattr(sys, "executable", python_that(tmp_path, "echo no interpreter here >&2; exit 3"))
    with pytest.raises(WorkerFailed, match="ended with code 3: no interpreter here"):
        load("SingleStream")


def test_a_process_that_hangs_is_ended(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent waits only so long."""
    monkeypatch.setattr(environment, "find_spec", lambda _: object())
    monkeypatch.setattr(sys, "executable", python_that(tmp_path, "exec sleep 60"))
    monkeypatch.setattr(launch, "_GRACE_S", 0.2)
    with pytest.raises(WorkerFailed, match="did not end within"):
        load("SingleStream", seconds=0.01)
