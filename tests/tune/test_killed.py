"""Real trials: a worker is killed while it trains, and another one finishes what it began."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("optuna")

import worker

from edgefashion import train
from edgefashion.data import Dataset
from edgefashion.recipes import find_recipe, recipe_text
from edgefashion.records.tuning import CostLimits, TuneReport
from edgefashion.tune.results import report_of
from edgefashion.tune.storage import opened, read_url
from edgefashion.tune.study import begin

EPOCHS = 2


def killed_in_training(url: str) -> list[str]:
    """Start a worker, kill it with SIGKILL after the first epoch of its first trial; what it said until then."""
    command = [sys.executable, worker.__file__, url, "1", str(EPOCHS), "hang"]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            said.append(line.strip())
            if line.startswith("epoch"):
                child.kill()
                break
    assert child.returncode == -9
    return said


@pytest.fixture(scope="module")
def said_by_the_killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """The storage that a killed worker left, and what it said."""
    url = f"sqlite:///{tmp_path_factory.mktemp('killed')}/trials.db"
    return url, killed_in_training(url)


@pytest.fixture(scope="module")
def recovered(said_by_the_killed: tuple[str, list[str]]) -> TuneReport:
    """The study after another worker went on with it."""
    url, _ = said_by_the_killed
    worker.work(url, trials=1, epochs=EPOCHS)
    plan = worker.plan_of(EPOCHS)
    with opened(read_url(url)) as storage:
        return report_of(begin(storage, worker.STUDY, plan), plan, CostLimits(), storage=url)


def test_trial_of_a_killed_worker_is_recovered(
    said_by_the_killed: tuple[str, list[str]], recovered: TuneReport
) -> None:
    """What it began is given up when its heartbeat is missing, and the same recipe is tried again to its end."""
    assert [line.split()[:2] for line in said_by_the_killed[1]] == [["begun", "0"], ["epoch", "0"]]
    first, again = recovered.trials
    assert (first.state, again.state) == ("failed", "complete")
    assert again.repeats == [0]
    assert first.recipe is not None
    assert again.recipe is not None
    assert first.recipe.architecture == again.recipe.architecture
    assert first.recipe.learning_rate == again.recipe.learning_rate
    assert f"begun 0 {again.recipe.learning_rate}" == said_by_the_killed[1][0]


def test_trial_is_judged_by_its_int8_model_on_validation_pictures(recovered: TuneReport) -> None:
    """Of 120 pictures there are only validation ones; the file is hardly larger than was known before training."""
    trial = recovered.trials[1]
    assert trial.worth is not None
    assert trial.costs is not None
    assert trial.worth.images == 120
    assert 0 <= trial.worth.right <= 120
    assert len(trial.validation_accuracies) == EPOCHS
    assert abs(trial.worth.size_bytes - trial.costs.size_bytes) < 0.02 * trial.worth.size_bytes
    assert recovered.plan.data.name.endswith(", validation pictures")


def test_picked_recipe_can_be_trained(recovered: TuneReport, small: Dataset, tmp_path: Path) -> None:
    """The recipe of the best trial is a file, and the file is what a training takes."""
    assert recovered.picked == 1
    recipe = recovered.trial(1).recipe
    assert recipe is not None
    path = tmp_path / "recipe.json"
    path.write_bytes(recipe_text(recipe))
    checkpoint = train.fit(find_recipe(str(path)), small, out=tmp_path / "run", device="cpu", threads=1)
    assert checkpoint.manifest.recipe == recipe
    assert checkpoint.manifest.recipe.name == "shared-1"
