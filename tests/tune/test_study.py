"""Studies in a database: addresses, what a study is begun with, and several workers at once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import msgspec
import pytest

optuna = pytest.importorskip("optuna")
pytest.importorskip("torch")

from optuna.storages import RDBStorage  # noqa: E402 - after the skip
from simulated import EPOCHS, Listener, Simulated, objective_on, plan_for  # noqa: E402
from sqlalchemy.exc import OperationalError  # noqa: E402

from edgefashion import environment  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, CannotWrite, EdgefashionError, NotAvailable, UsageError  # noqa: E402
from edgefashion.recipes import RECIPES  # noqa: E402
from edgefashion.records.tuning import CostLimits, TuningPlan  # noqa: E402
from edgefashion.tune import tune  # noqa: E402
from edgefashion.tune.results import check_wanted, report_of  # noqa: E402
from edgefashion.tune.search import search  # noqa: E402
from edgefashion.tune.storage import opened, read_url, shown  # noqa: E402
from edgefashion.tune.study import begin  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.mark.parametrize("text", ["nonsense", "", "sqlite://", "sqlite:///:memory:"])
def test_address_must_be_that_of_a_database_that_lasts(text: str) -> None:
    """What is no address, or would forget everything, is refused with an example."""
    with pytest.raises(UsageError, match=r"expected sqlite:///FILE or postgresql://"):
        read_url(text)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("redis://localhost", UsageError, "Can't load plugin"),
        ("postgresql+no_driver://me:secret@localhost/x", UsageError, "Can't load plugin"),
        ("mysql+mysqldb://me:secret@localhost/x", NotAvailable, "needs a driver that is not installed"),
        ("postgresql://me:secret@localhost:1/x", CannotWrite, "port 1 failed: Connection refused"),
        ("sqlite:////proc/trials.db", CannotWrite, "unable to open database file"),
        ("sqlite:////proc/none/trials.db", CannotWrite, "cannot make the folder /proc/none"),
        ("sqlite:///FOLDER/no.db", BadInput, "file is not a database"),
    ],
)
def test_storage_that_cannot_be_opened(tmp_path: Path, text: str, error: type[EdgefashionError], words: str) -> None:
    """The reason is one line, with the right exit code and without the password."""
    if text.startswith("postgresql:"):
        pytest.importorskip("psycopg")
    (tmp_path / "no.db").write_text("no database at all, but long enough to be looked at" * 10)
    with (
        pytest.raises(error) as raised,
        opened(read_url(text.replace("FOLDER", str(tmp_path)))),
    ):
        pass
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_driver_of_postgresql_is_the_one_that_is_installed() -> None:
    """Without a driver's name psycopg is taken; whoever names one gets that one."""
    assert shown(read_url("postgresql://me:secret@host/x")) == "postgresql+psycopg://me:***@host/x"
    assert shown(read_url("postgresql+asyncpg://host/x")) == "postgresql+asyncpg://host/x"


def test_study_goes_on_where_it_was(sample: Dataset, tmp_path: Path) -> None:
    """What one process left in the file another one reads, to the last figure; Optuna prints nothing."""
    url = read_url(f"sqlite:///{tmp_path}/deep/trials.db")
    reports = []
    for trials in (2, 2):
        with opened(url) as storage:
            objective = objective_on(storage, plan_for(sample), Simulated(timed=True))
            search(objective, trials=trials)
            reports.append(report_of(objective.study, objective.plan, CostLimits(), storage=shown(url)))
    assert reports[0] == reports[1]
    assert [each.state for each in reports[0].trials] == ["complete"] * 2
    assert reports[0].picked in {0, 1}
    assert reports[0].storage == f"sqlite:///{tmp_path}/deep/trials.db"


def test_a_moment_s_lock_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite gives up at once, because another worker is making the file, it is tried again."""
    refusals = iter([True, True, False])

    def locked_at_first(*arguments: Any, **settings: Any) -> Any:
        if next(refusals):
            raise OperationalError("PRAGMA", None, sqlite3.OperationalError("database is locked"))
        return RDBStorage(*arguments, **settings)

    monkeypatch.setattr("edgefashion.tune.storage.RDBStorage", locked_at_first)
    with opened(read_url(f"sqlite:///{tmp_path}/trials.db")) as found:
        assert found.get_all_studies() == []
    assert next(refusals, None) is None


def test_workers_may_begin_at_the_same_moment(sample: Dataset, tmp_path: Path) -> None:
    """Whoever comes second to a new database finds the tables that the first one makes."""
    url, barrier = read_url(f"sqlite:///{tmp_path}/trials.db"), Barrier(3)

    def work(_: int) -> str:
        barrier.wait()
        with opened(url) as storage:
            return begin(storage, "shared", plan_for(sample)).study_name

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == ["shared"] * 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": msgspec.structs.replace(RECIPES["edge"], epochs=EPOCHS + 1)}, "choice of recipe: .*--epochs"),
        ({"pictures": False}, "choice of pictures: .*--no-pictures"),
        ({"seed": 1}, "choice of seed: .*--seed"),
        ({"machine": environment.describe()}, "without latency as an objective: .*--measure"),
    ],
)
def test_study_is_not_mixed(sample: Dataset, changes: dict[str, Any], words: str) -> None:
    """Trials of another recipe, seed, data or objective are not comparable, and are refused with the way out."""
    storage, plan = optuna.storages.InMemoryStorage(), plan_for(sample)
    begin(storage, "mine", plan)
    begin(storage, "mine", plan)
    with pytest.raises(UsageError, match=rf"the study was begun .*{words}.*another study than mine"):
        begin(storage, "mine", msgspec.structs.replace(plan, **changes))
    other_data = msgspec.structs.replace(plan.data, sha256="0" * 64)
    with pytest.raises(UsageError, match=r"choice of data: .*--data"):
        begin(storage, "mine", msgspec.structs.replace(plan, data=other_data))


def test_latencies_of_another_machine_are_refused(sample: Dataset) -> None:
    """A worker on another processor may not add to a study whose latencies were measured here."""
    storage, here = optuna.storages.InMemoryStorage(), environment.describe()
    plan: TuningPlan = plan_for(sample, machine=here)
    begin(storage, "mine", plan)
    elsewhere = msgspec.structs.replace(plan, machine=msgspec.structs.replace(here, cpu="another one"))
    with pytest.raises(UsageError, match=r"not comparable with the study's: processor was .*, is another one"):
        begin(storage, "mine", elsewhere)


def test_study_of_another_program_is_left_alone(sample: Dataset) -> None:
    """A study with trials that were not made here is refused."""
    storage = optuna.storages.InMemoryStorage()
    theirs = optuna.create_study(storage=storage, study_name="theirs", directions=["maximize", "minimize"])
    theirs.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=1)
    with pytest.raises(BadInput, match="theirs was not made by edgefashion"):
        begin(storage, "theirs", plan_for(sample))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"study": "../elsewhere"}, "'../elsewhere' is no name for a study"),
        ({"study": ""}, "'' is no name for a study"),
        ({"recipe": RECIPES["seed"]}, "the recipe seed is for the architecture seed"),
        ({"measure_s": 0.0, "limits": CostLimits(latency_s=1e-5)}, "a limit on latency needs latency"),
    ],
)
def test_what_makes_no_sense_is_refused(sample: Dataset, tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    """Nothing is written for a request that makes no sense."""
    usual: dict[str, Any] = {"recipe": RECIPES["edge"], "study": "mine", "trials": 1, "progress": Listener()}
    with pytest.raises(UsageError, match=words):
        tune(sample, url=read_url(f"sqlite:///{tmp_path}/trials.db"), **(usual | settings))
    assert list(tmp_path.iterdir()) == []


def test_only_complete_trials_can_be_picked(sample: Dataset) -> None:
    """A number that is no complete trial's is refused with those that are; a complete one is picked as it is."""
    objective = objective_on(optuna.storages.InMemoryStorage(), plan_for(sample), Simulated())
    with pytest.raises(UsageError, match="no complete trial 0 in the study simulated: none is complete yet"):
        check_wanted(objective.study, 0)
    search(objective, trials=2)
    with pytest.raises(UsageError, match=r"no complete trial 2 .*: complete are 0, 1"):
        check_wanted(objective.study, 2)
    best = report_of(objective.study, objective.plan, CostLimits(), storage="memory").picked
    assert best is not None
    check_wanted(objective.study, 1 - best)
    asked = report_of(objective.study, objective.plan, CostLimits(), storage="memory", wanted=1 - best)
    assert asked.picked == 1 - best
