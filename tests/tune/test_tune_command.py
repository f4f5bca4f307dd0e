"""`edgefashion tune`, with simulated trainings and a real database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")

from commands import in_this_process
from simulated import Simulated

from edgefashion import environment
from edgefashion.recipes import find_recipe
from edgefashion.records import Recipe, decode
from edgefashion.records.tuning import TuneReport
from edgefashion.tune import study as room

Run = Callable[..., tuple[int, str, list[str]]]
FOLDER = Path("exported/tune/mine")


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Simulated:
    """What trains instead of torch."""
    simulated = Simulated()
    monkeypatch.setattr(room, "Workbench", lambda *_, **__: simulated)
    return simulated


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Tune the study mine on the bundled sample, in an empty folder; exit code, stdout, and lines on stderr."""
    monkeypatch.chdir(tmp_path)
    command = in_this_process(capsys, monkeypatch)

    def invoke(*arguments: object) -> tuple[int, str, list[str]]:
        outcome = command("tune", "--study", "mine", "--measure", "0", "--epochs", "4", *arguments)
        return outcome.code, outcome.out, outcome.err.splitlines()

    return invoke


def test_study_and_what_comes_of_it(run: Run, tools: Simulated) -> None:
    """The document, the figure, and a recipe that training takes; the same command again only shows the table."""
    code, out, lines = run("--trials", 2, "--json")
    assert code == 0
    report = decode(out.encode(), TuneReport, Path("stdout"))
    assert report == TuneReport.load(FOLDER / "tune.json")
    assert [each.state for each in report.trials] == ["complete"] * 2
    assert (FOLDER / "front.png").read_bytes().startswith(b"\x89PNG")
    assert report.picked is not None
    assert find_recipe(str(FOLDER / "recipe.json")) == report.trial(report.picked).recipe
    assert report.storage == "sqlite:///exported/tune/mine/trials.db"
    assert sum(line.startswith(("trial 0: ", "trial 1: ")) for line in lines) == 4
    assert not any("[I " in line for line in lines)
    assert lines[-1] == "next: edgefashion train --recipe exported/tune/mine/recipe.json --epochs 40"
    code, out, _ = run("--trials", 2)
    assert (code, len(tools.trained)) == (0, 2)
    assert "mine: the Pareto front" in out
    assert "2 trials: 2 complete" in out
    code, _, _ = run("--trials", 2, "--pick", 1 - report.picked)
    assert find_recipe(str(FOLDER / "recipe.json")) == report.trial(1 - report.picked).recipe


def test_ctrl_c_says_how_to_go_on(run: Run, tools: Simulated) -> None:
    """What is done is kept and shown, with exit code 130; the same command finishes the rest."""

    def interrupt(_: Recipe) -> None:
        if len(tools.trained) == 2:
            raise KeyboardInterrupt

    tools.before = interrupt
    code, out, lines = run("--trials", 2)
    assert code == 130
    assert "2 trials: 1 complete" not in out
    assert "1 complete, 1 cut short and tried again, 1 waiting to be tried again" in out
    words = "what is done is kept in sqlite:///exported/tune/mine/trials.db: the same command goes on with it"
    assert lines[-2:] == [words, "edgefashion: interrupted"]
    assert TuneReport.load(FOLDER / "tune.json").interrupted
    code, out, _ = run("--trials", 2)
    assert code == 0
    assert "3 trials: 2 complete, 1 cut short and tried again" in out


def test_limit_that_nothing_keeps(run: Run, tools: Simulated) -> None:
    """Exit code 1, and no recipe of an earlier call is left that keeps another limit."""
    assert run("--trials", 1)[0] == 0
    assert (FOLDER / "recipe.json").is_file()
    code, _, lines = run("--trials", 1, "--max-size", "9kB")
    assert code == 1
    assert lines[-1] == f"edgefashion: no complete trial certainly keeps size ≤ 9.00 kB: see {FOLDER}/tune.json"
    assert not (FOLDER / "recipe.json").exists()
    assert len(tools.trained) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--budget", "0"), 3, "no trial is complete: give more --trials, or a longer --budget"),
        (("--storage", "nonsense"), 2, "'nonsense' is no address of a database"),
        (("--storage", ""), 2, "'' is no address of a database"),
        (("--max-latency", "40us"), 2, "a limit on latency needs latency to be measured: not with --measure 0"),
        (("--max-size", "small"), 2, "--max-size=small: expected a size above 0"),
        (("--recipe", "seed-wide"), 2, "tuning searches compact networks"),
        (("--pick", "3"), 2, "there is no complete trial 3 in the study mine: none is complete yet"),
    ],
)
@pytest.mark.usefixtures("tools")
def test_errors_are_one_line(run: Run, arguments: tuple[Any, ...], code: int, words: str) -> None:
    """What cannot be done is said in one line, with its exit code."""
    found, out, lines = run(*arguments)
    assert found == code
    errors = [line for line in lines if line.startswith("edgefashion: ")]
    assert [line for line in errors if words in line] == lines[-1:]
    assert out == "" or code == 3


def test_missing_optuna(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages of the extra, the message names it."""
    monkeypatch.setitem(environment.EXTRAS, "tune", ("a_package_that_nobody_has",))
    code, _, lines = run()
    assert code == 5
    assert lines == [
        "edgefashion: tuning needs a_package_that_nobody_has, which is not installed: pip install 'edgefashion[tune]'"
    ]
