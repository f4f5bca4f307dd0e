"""Who a process is among several, what it computes on, and what it is refused."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import small_nets  # noqa: E402 - after the skip

from edgefashion import train  # noqa: E402
from edgefashion.cli.train import train as train_command  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, NotAvailable, UsageError  # noqa: E402
from edgefashion.records import EpochMetrics, Recipe, ResumeState  # noqa: E402
from edgefashion.train import loop  # noqa: E402
from edgefashion.train.augment import compose  # noqa: E402
from edgefashion.train.checks import check_training  # noqa: E402
from edgefashion.train.device import find_device  # noqa: E402
from edgefashion.train.loop import deterministic, train_epoch  # noqa: E402
from edgefashion.train.progress import Progress, Silent  # noqa: E402
from edgefashion.train.state import check_same_run, seed_epoch  # noqa: E402
from edgefashion.train.world import ALONE, World, find_world  # noqa: E402

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "TORCHELASTIC_RUN_ID": "none",
    "TORCHELASTIC_RESTART_COUNT": "2",
    "TORCHELASTIC_MAX_RESTARTS": "3",
}


@pytest.mark.parametrize("variables", [{}, {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}], ids=["none", "others"])
def test_one_process(variables: dict[str, str]) -> None:
    """Without torchrun there is one process, also where a cluster's own variables of the same names are set."""
    assert find_world(variables) == ALONE
    assert ALONE.leads
    assert slice(0, 7) == ALONE.share(7)


def test_what_torchrun_tells() -> None:
    """A process takes its place from torchrun's variables, and only the first one leads."""
    world = find_world(os.environ | TORCHRUN)
    assert World(rank=5, size=8, local_rank=1, local_size=4, restarts=2, may_restart=True) == world
    assert not world.leads


@given(count=st.integers(0, 1000), size=st.integers(1, 16))
def test_shares_are_a_partition(count: int, size: int) -> None:
    """The shares follow each other, leave nothing out, and differ by one row at most."""
    shares = [World(rank=rank, size=size).share(count) for rank in range(size)]
    assert [0, *(share.stop for share in shares)] == [*(share.start for share in shares), count]
    lengths = {share.stop - share.start for share in shares}
    assert max(lengths) - min(lengths) <= 1


def test_alone_everything_passes_through() -> None:
    """One process agrees with itself, and its own errors stay what they are."""
    rows = torch.arange(3)
    assert ALONE.shared_out(lambda part: part, rows) is rows
    assert ALONE.add(rows) is rows
    assert ALONE.told("this") == ALONE.in_turn(lambda: "this") == "this"
    ALONE.check_same("nothing", b"")
    with pytest.raises(BadInput, match="mine"), ALONE.agreed():
        raise BadInput("mine")


def test_batches_smaller_than_the_group(small: Dataset) -> None:
    """A last batch that leaves a process without a picture is refused, and one that does not is taken."""
    recipe = small_nets.changed(batch_size=126)  # 126, 126 and 4 of 256 pictures
    check_training(recipe, small, seed=0, teacher=None, processes=4)
    with pytest.raises(UsageError, match="the last batch has 4 of 256 pictures, fewer than the 5 processes"):
        check_training(recipe, small, seed=0, teacher=None, processes=5)


@pytest.mark.parametrize(
    ("name", "world", "refused"),
    [
        ("cuda", World(rank=1, size=2, local_rank=1, local_size=2), "2 processes on this machine want a GPU each"),
        ("auto", World(rank=3, size=4, local_rank=1, local_size=2), "--nproc-per-node 1, or use --device cpu"),
        ("mps", World(size=2), "2 processes cannot train on mps together"),
    ],
)
def test_devices_that_cannot_be_shared(name: str, world: World, refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process has a GPU of its own, or there is no training."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(NotAvailable, match=refused):
        find_device(name, world)


def test_device_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process computes on the GPU of its number, and without torchrun on the usual one."""
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert torch.device("cuda", 1) == find_device("auto", World(rank=3, size=4, local_rank=1, local_size=2))
    assert chosen == [1]
    assert torch.device("cuda") == find_device("cuda")
    assert torch.device("cpu") == find_device("cpu", World(rank=3, size=4, local_rank=3, local_size=4))


def test_other_number_of_processes_is_noted(small: Dataset) -> None:
    """A training that goes on in another number of processes says that its last bits may differ."""
    state = ResumeState(
        recipe=small_nets.RECIPE,
        seed=0,
        threads=1,
        device="cpu",
        data=small.identity,
        history=[],
        best_epoch=0,
        wall_s=0.0,
        cpu_s=0.0,
    )
    warnings = check_same_run(state, msgspec.structs.replace(state, processes=2))
    assert warnings == ["processes was 1 and is 2: the result may differ in its last bits"]


@pytest.fixture
def restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process was started by torchrun, for the second time."""
    alone = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    for name, value in (TORCHRUN | alone).items():
        monkeypatch.setenv(name, value)


def test_restarted_training_goes_on(small: Dataset, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """What torchrun starts again goes on by itself, with the options of the first time, --overwrite among them."""

    class Stop(Silent):
        first_epoch = 0

        def start(self, recipe: Recipe, images: int, first_epoch: int) -> None:  # noqa: ARG002 - a protocol's signature
            self.first_epoch = first_epoch

        def epoch(self, metrics: EpochMetrics) -> None:
            if metrics.epoch < 2:
                raise KeyboardInterrupt

    def fit(place: str, progress: Progress | None = None) -> bytes:
        settings: dict[str, Any] = {"device": "cpu", "threads": 1, "overwrite": True, "progress": progress}
        return train.fit(small_nets.RECIPE, small, out=tmp_path / place / "run", **settings).content

    whole, watcher = fit("whole"), Stop()
    with pytest.raises(KeyboardInterrupt):
        fit("broken", watcher)
    request.getfixturevalue("restarted")
    assert whole == fit("broken", watcher)
    assert watcher.first_epoch == 2


@pytest.mark.usefixtures("restarted")
def test_restarts_need_a_folder() -> None:
    """Where torchrun may start a training again its folder has to be named: a second start would find another one."""
    with pytest.raises(UsageError, match="name its folder with --out"):
        train_command(recipe="micro", where="sample")


@pytest.mark.parametrize("patience", [2, 50])
def test_late_readings_change_nothing(patience: int, sample: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read after every step or after many, as on a GPU, loss, accuracy and what is told of them are the same."""
    assert loop._patience(torch.device("cpu")) == 1 < loop._patience(torch.device("cuda"))

    def epoch() -> tuple[Any, list[tuple[int, float]]]:
        told: list[tuple[int, float]] = []
        learner = small_nets.learner(small_nets.changed(batch_size=16), sample)
        seed_epoch(0, 1)
        lessons = small_nets.lessons(sample, 77)
        return train_epoch(learner, compose(()), lessons, epoch=1, step_done=lambda *step: told.append(step)), told

    at_once = epoch()
    monkeypatch.setattr(loop, "_patience", lambda _: patience)
    assert at_once == epoch()


def test_float32_is_float32() -> None:
    """While a training runs no convolution of a GPU rounds to TF32, and afterwards the setting is what it was."""
    before = torch.backends.cudnn.allow_tf32
    with deterministic(1):
        assert torch.backends.cudnn.allow_tf32 is False
        assert torch.backends.cuda.matmul.allow_tf32 is False
    assert before == torch.backends.cudnn.allow_tf32


def test_evaluation_of_fewer_pictures_than_processes(small: Dataset) -> None:
    """A process whose share is empty answers with no rows."""
    model = small_nets.fresh(small)
    answers = loop.predict(model, torch.zeros(0, 28, 28, dtype=torch.uint8))
    assert tuple(answers.shape) == (0, 10)
