"""What the kit does on a device."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import Outcome
from packing import job, npy, on_device, replace

from edgefashion.errors import CheckFailed
from edgefashion.kit.runner import command
from edgefashion.kit.runner.launching import Launch
from edgefashion.kit.runner.ort import Model
from edgefashion.kit.runner.parity import Golden, answer
from edgefashion.records.kit import Kit, KitResult

Here = Callable[..., Outcome]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    """Run a kit's command within this process."""

    def invoke(folder: Path, *arguments: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            command.main(folder, arguments)
        captured = capsys.readouterr()
        return Outcome(int(leaving.value.code or 0), captured.out, captured.err)

    return invoke


@pytest.mark.parametrize("arguments", [["selftest"], ["info"]])
def test_nothing_but_two_packages_is_needed(packed: Path, arguments: list[str]) -> None:
    """Every import beside the standard library, numpy and onnxruntime is forbidden, and nobody misses one."""
    done = on_device(packed, *arguments, only="onnxruntime")
    assert (done.returncode, done.stderr) == (0, "")
    assert "int8-static" in done.stdout if arguments == ["info"] else done.stdout.endswith("PASS\n")
    compiled = {path.name.partition(".")[0] for path in packed.rglob("*.pyc")}
    assert set() == compiled - {"__init__", "__main__"}, "what runs is what was checked, and no compiled copy of it"


def test_info_tells_the_chain(packed: Path, here: Here) -> None:
    """Every digest from the data set to the kit stands there."""
    listed = Kit.load(packed / "kit.json")
    said = here(packed, "info").out
    assert [link.what for link in listed.chain if link.sha256 not in said] == []
    assert listed.seal in said


@pytest.mark.parametrize(
    ("change", "equal"),
    [
        (lambda logits: logits[:, ::-1], 0),
        (lambda logits: logits + np.float32(0.06) * np.abs(logits).max(), 10),
    ],
    ids=["other decisions", "other logits"],
)
def test_wrong_answers_fail(own_kit: Path, here: Here, change: Callable[..., np.ndarray], equal: int) -> None:
    """A decision that differs, and a logit that is off by more than the limit alone, end in exit code 1."""
    logits = np.load(own_kit / "golden-logits.npy")
    replace(own_kit, "golden-logits.npy", npy(change(logits)))
    done = here(own_kit, "selftest")
    assert done.code == 1
    assert f"{equal} of 10 decisions equal" in done.out
    assert "PASS" not in done.out
    assert "the model answers wrongly here" in done.err


@pytest.mark.parametrize("wrong", [np.full((1, 3), np.nan, np.float32), np.zeros((1, 2), np.float32)])
def test_what_is_no_answer_fails(wrong: np.ndarray) -> None:
    """Logits that are no numbers, or too few of them, are never within a limit."""

    class Broken:
        def run(self, _: object) -> np.ndarray:
            return wrong

        def bind(self, _: object) -> Callable[[], object]:
            raise NotImplementedError

    golden = Golden(np.zeros((2, 4, 4), np.uint8), np.zeros((2, 3), np.float32), max_logit_error=1e9, max_flips=2)
    assert not answer(Broken(), golden).passed


def test_a_refused_model_says_so(own_kit: Path, here: Here) -> None:
    """Where the runtime cannot open the file the exit code is 4, and its words and version stand in one line."""
    replace(own_kit, "int8-static.onnx", b"no model")
    done = here(own_kit, "selftest")
    assert (done.code, len(done.err.splitlines())) == (4, 1)
    assert "refuses the model" in done.err


@pytest.mark.parametrize("package", ["numpy", "onnxruntime"])
def test_a_missing_package_is_named(packed: Path, package: str) -> None:
    """With what installs it; exit code 5."""
    hide = f"import sys; sys.modules[{package!r}] = None; sys.path.insert(0, {str(packed)!r})"
    start = "import runpy; runpy.run_module('edgefashion_kit', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-B", "-c", f"{hide}; sys.argv[1:] = ['selftest']; {start}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, f"pip install {package}" in done.stderr) == (5, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench", "--launches", "9"], "at least 10"),
        (["bench", "--cpus", "4096"], "--cpus 4096: expected some of"),
        (["bench", "--cpus", "a"], "--cpus a: expected some of"),
        (["dance"], "invalid choice"),
    ],
)
def test_nonsense_is_refused(
    packed: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """Before anything is measured; exit code 2."""
    with pytest.raises(SystemExit) as leaving:
        command.main(packed, arguments)
    assert (leaving.value.code, words in capsys.readouterr().err) == (2, True)


def test_a_result_has_raw_samples_and_the_device(result: KitResult, packed: Path) -> None:
    """Launches of model and copy in each generation, pinned to one processor, and what ties the result to its kit."""
    listed = Kit.load(packed / "kit.json")
    assert (listed.seal, listed.artifact) == (result.kit, result.artifact)
    assert {("model", 0), ("model", 1), ("second copy", 0), ("second copy", 1)} == {
        (launch.cell, launch.generation) for launch in result.launches
    }
    for launch in result.launches:
        assert (len(launch.cpus), len(launch.blocks_ns), len(launch.switches)) == (1, 6, 6)
        assert launch.threads_seen >= 1
        assert min(map(len, launch.blocks_ns)) >= 20
    assert len(result.order) == 2 * 2 * 6
    assert {"edgefashion", "numpy", "onnxruntime"} == result.environment.versions.keys()
    assert (len(result.canaries), result.selftest.passed) == (2, True)
    assert result.device == "bench of the tests"


def test_a_worker_that_answers_wrongly_is_not_timed(own_kit: Path, tmp_path: Path) -> None:
    """Correct before fast, in every launch."""
    logits = np.load(own_kit / "golden-logits.npy")
    replace(own_kit, "golden-logits.npy", npy(logits[:, ::-1]))
    with pytest.raises(CheckFailed, match="a launch ended: the model answers wrongly"):
        Launch(job(own_kit), tmp_path / "errors")


def test_a_worker_opens_what_was_checked(own_kit: Path, tmp_path: Path) -> None:
    """A model that changed after its digest was checked is not opened."""
    asked = job(own_kit)
    with (own_kit / "int8-static.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(CheckFailed, match="changed since it was checked"):
        Launch(asked, tmp_path / "errors")


def test_a_worker_that_dies_is_named(packed: Path, tmp_path: Path) -> None:
    """With the signal that ended it."""
    with Launch(job(packed), tmp_path / "errors") as launch:
        assert len(launch.block()["samples_ns"]) >= 20
        os.killpg(launch._process.pid, signal.SIGKILL)
        with pytest.raises(CheckFailed, match="was ended by signal 9"):
            launch.block()


def test_a_bound_call_is_held_to_the_plain_one(packed: Path) -> None:
    """What is timed must be what was checked: a binding that leaves other answers is refused."""
    model = Model((packed / "int8-static.onnx").read_bytes(), threads=1)
    picture = np.load(packed / "golden-pictures.npy")[:1]
    model.bind(picture)()
    plain = model.run(picture)
    model.run = lambda _: -plain  # type: ignore[method-assign]
    with pytest.raises(CheckFailed, match="through bound input"):
        model.bind(picture)


@pytest.mark.parametrize(("low", "high", "alarm"), [(0.99, 1.02, False), (1.001, 1.02, True), (0.9, 0.999, True)])
def test_a_false_alarm_is_said(capsys: pytest.CaptureFixture[str], *, low: float, high: float, alarm: bool) -> None:
    """Where the second copy's interval leaves out 1, whoever measures reads it at once."""
    interval = {"value": 1e-4, "low": 0.9e-4, "high": 1.1e-4}
    command._summarize(
        {
            "latency": {"median_s": interval, "p90_s": interval, "p99_s": None},
            "duplicate": {"value": 1.0, "low": low, "high": high},
            "launches": [{"cell": "model", "steady": True}],
            "startup": dict.fromkeys(("spawn_s", "import_s", "session_s", "first_run_s", "second_run_s"), 0.01),
        }
    )
    said = capsys.readouterr().out
    assert ("FALSE ALARM" in said, "p99: not told" in said) == (alarm, True)
