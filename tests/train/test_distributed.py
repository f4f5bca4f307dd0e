"""Several processes train one model: the result of one process, also after one of them was killed."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if not torch.distributed.is_gloo_available():
    pytest.skip("this torch was built without gloo", allow_module_level=True)

import group  # noqa: E402 - after the skips
import small_nets  # noqa: E402

from edgefashion import runs  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import ExitCode  # noqa: E402
from edgefashion.recipes import recipe_text  # noqa: E402
from edgefashion.records import TrainingReport  # noqa: E402
from edgefashion.tensors import Arrays  # noqa: E402

# One worker of pytest, so that the group is started once.
pytestmark = pytest.mark.xdist_group("processes")

HERE = Path(__file__).parent

# Relative distance of the weights after six steps in float32. Another order of sums changes the last bit of a gradient,
# and the steps amplify it: 2e-7 to 5e-7 was seen, and 1e-7 to 7e-5 where the last bit of every first weight was changed
# in one process. Each of the faults moves the weights by 1e-3 or more.
TOLERANCE = 2e-4

LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def two_processes(*command: str) -> list[subprocess.Popen[str]]:
    """Two processes that take each other for what torchrun has started."""
    shared = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "TORCHELASTIC_RUN_ID": "test",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_MAX_RESTARTS": "0",
    }
    return [
        subprocess.Popen(
            [sys.executable, *command],
            env=os.environ | LOOPBACK | shared | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]


def torchrun(*command: str) -> subprocess.CompletedProcess[str]:
    """A command in two processes that torchrun starts, and starts once again if one ends."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    return subprocess.run(
        [*launch, *command], env=os.environ | LOOPBACK, capture_output=True, text=True, timeout=300, check=False
    )


def distance(weights: Arrays, other: Arrays) -> float:
    """Length of the difference, as a share of the length of `other`."""
    names = [name for name, array in other.items() if array.dtype.kind == "f"]
    difference, length = (
        sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays)
        for arrays in ([weights[name] - other[name] for name in names], [other[name] for name in names])
    )
    return (difference / length) ** 0.5


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left in a folder after all that group.py has them do."""
    folder = tmp_path_factory.mktemp("group")
    processes = two_processes(str(HERE / "group.py"), str(folder))
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 9], errors
    return folder


def weights(seen: Path, name: str, rank: int = 0) -> Arrays:
    with np.load(seen / f"{name} {rank}.npz") as arrays:
        return dict(arrays)


def said(seen: Path, rank: int) -> dict[str, Any]:
    return json.loads((seen / f"{rank}.json").read_text())


each_recipe = pytest.mark.parametrize("name", list(group.TRIED))


@each_recipe
def test_two_processes_train_like_one(name: str, seen: Path, sample: Dataset) -> None:
    """Batches that two processes share, evenly or not, give the weights that one process gives, to the tolerance."""
    assert distance(weights(seen, name), group.trained(group.TRIED[name], sample)) < TOLERANCE


@each_recipe
def test_both_processes_have_the_same_weights(name: str, seen: Path) -> None:
    """What is added up has the same bits in both processes, so their weights stay the same without being sent."""
    first, second = (weights(seen, name, rank) for rank in (0, 1))
    assert {key: array.tobytes() for key, array in first.items()} == {
        key: array.tobytes() for key, array in second.items()
    }


@each_recipe
def test_tolerance_is_what_the_last_bit_does(name: str, sample: Dataset) -> None:
    """The tolerance is no narrower than what the last bit of the first weights changes in one process."""
    recipe = group.TRIED[name]
    assert distance(group.trained(recipe, sample, disturbed=True), group.trained(recipe, sample)) < TOLERANCE


@pytest.mark.parametrize("fault", list(group.FAULTS))
def test_tolerance_shows_faults(fault: str, seen: Path, sample: Dataset) -> None:
    """Batch-norm over a share, gradients that stay apart and a plain mean over unequal shares exceed the tolerance."""
    assert distance(weights(seen, fault), group.trained(group.SGD, sample)) > 3 * TOLERANCE


def test_processes_that_come_apart_are_stopped(seen: Path) -> None:
    """Processes whose weights differ after an epoch end with the same error, and leave neither checkpoint nor state."""
    expected = "CheckFailed: the 2 processes of this training differ in their weights after epoch 1"
    assert all(said(seen, rank)["fit with a fault"].startswith(expected) for rank in (0, 1))
    assert not list((seen / "faulty").glob("*.safetensors"))


def test_evaluation_is_shared_out(seen: Path, sample: Dataset) -> None:
    """Half of the pictures each, and both processes have loss and accuracy of all of them."""
    alone = group.validation(sample)
    for rank in (0, 1):
        assert pytest.approx(alone, rel=1e-6) == said(seen, rank)["validation"]


def test_what_passes_between_processes(seen: Path) -> None:
    """The first tells, an error of one is raised in both, and what should be the same is compared."""
    first, second = (said(seen, rank) for rank in (0, 1))
    assert first["told"] == second["told"] == "by 0"
    assert first["agreed"] == second["agreed"] == "BadInput: only here"
    assert first["same"] == second["same"] == "nothing"
    differ = "CheckFailed: the 2 processes of this training differ in their ranks: start all of them with the same"
    assert first["not same"].startswith(differ)
    assert first["not same"] == second["not same"]


def test_lost_process_is_noticed(seen: Path) -> None:
    """Who waits for a process that was killed ends with a remedy."""
    assert said(seen, 0)["lost"].startswith("PeerLost: another process of this training has ended")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_connections_are_closed(seen: Path) -> None:
    """Afterwards no thread of the group is left, which would abort the interpreter if it woke up while that ends."""
    assert not [name for name in said(seen, 0)["threads"] if "gloo" in name or "store" in name]


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    """Three epochs of seven steps."""
    file = tmp_path / "recipe.json"
    recipe = small_nets.changed(epochs=3, batch_size=256, augment=("flip",), average=0.5, keep="last")
    file.write_bytes(recipe_text(recipe))
    return file


def training(recipe_file: Path, out: Path) -> list[str]:
    """Arguments of the command line."""
    where = ["--data", "sample", "--device", "cpu", "--out", str(out)]
    return ["train", "--recipe", str(recipe_file), "--json", *where]


def test_one_report(recipe_file: Path, tmp_path: Path) -> None:
    """Two processes write one run and print one report: standard output is one JSON document."""
    processes = two_processes("-m", "edgefashion", *training(recipe_file, tmp_path / "run"))
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert (tmp_path / "run" / runs.TRAINING).read_bytes().rstrip() == said[0][0].encode().rstrip()
    assert said[1] == ("", "")
    report = TrainingReport.load(tmp_path / "run" / runs.TRAINING)
    assert (report.processes, len(report.history)) == (2, 3)


@pytest.mark.slow
def test_killed_process_changes_nothing(recipe_file: Path, tmp_path: Path) -> None:
    """After one of two processes was killed, torchrun's restart ends in the bytes of a training that was left alone."""
    out = tmp_path / "whole" / "run", tmp_path / "killed" / "run"
    whole = torchrun("-m", "edgefashion", *training(recipe_file, out[0]))
    killed = torchrun(str(HERE / "killed_once.py"), *training(recipe_file, out[1]))
    assert (whole.returncode, killed.returncode) == (0, 0), whole.stderr + killed.stderr
    assert ", resumed at epoch 2" not in whole.stderr
    assert killed.stderr.count(", resumed at epoch 2") == 1
    for folder, output in zip(out, (whole.stdout, killed.stdout), strict=True):
        assert (folder / runs.TRAINING).read_bytes().rstrip() == output.encode().rstrip()
    reports = [TrainingReport.load(folder / runs.TRAINING) for folder in out]
    assert [report.processes for report in reports] == [2, 2]
    assert (out[0] / runs.CHECKPOINT).read_bytes() == (out[1] / runs.CHECKPOINT).read_bytes()


def test_one_message(own_run: Path) -> None:
    """A refusal is said once, and both processes leave with its exit code."""
    processes = two_processes("-m", "edgefashion", "train", "--data", "sample", "--out", str(own_run))
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [ExitCode.USAGE] * 2
    assert "holds a finished run" in said[0][1]
    assert said[1] == ("", "")
