"""The command in a model card: it means the recipe, and the command line understands it."""

import shlex

import msgspec
import pieces
import pytest
import typer

from edgefashion.cli.app import build_app
from edgefashion.recipes import RECIPES
from edgefashion.records import Recipe, TrainingReport
from edgefashion.report.card_command import Trained, digests_to_check, recipe_files, reproduction

LARGE_SHA256 = "ab" * 32


def trained(name: str, recipe: Recipe, **changes: object) -> Trained:
    return Trained(name, msgspec.structs.replace(pieces.training(), recipe=recipe, **changes))


def taught(name: str = "edge-1") -> Trained:
    """A run taught by `large`."""
    return trained(name, RECIPES["edge"], precision="bfloat16", teacher="large", teacher_sha256=LARGE_SHA256, seed=1)


def options(command: str) -> dict[str, object]:
    """What the command line makes of a command; fails where it does not know an option."""
    program, name, *arguments = shlex.split(command)
    assert program == "edgefashion"
    group = typer.main.get_command(build_app())
    return group.commands[name].make_context(name, arguments).params


def test_a_preset_is_named_with_all_that_decides_its_bytes() -> None:
    """Seed, threads, device, precision, and a folder of the run's own name, which is part of its files."""
    train, export = reproduction([trained("seed-ref", RECIPES["seed"], seed=7)], schemes=["dynamic"], opset=20)
    given = options(train)
    wanted = {"recipe": "seed", "seed": 7, "threads": 2, "device": "cpu", "precision": "float32", "epochs": None}
    assert wanted.items() <= given.items()
    assert (str(given["out"]), given["where"], given["teacher"]) == ("again/seed-ref", None, None)
    exported = options(export)
    assert (exported["run"], *exported["scheme"], exported["opset"]) == ("again/seed-ref", "dynamic", 20)


def test_another_number_of_epochs_is_an_option() -> None:
    """It needs no file."""
    shorter = msgspec.structs.replace(RECIPES["edge"], epochs=3)
    run = trained("short", shorter)
    given = options(reproduction([run], schemes=[], opset=None)[0])
    assert (given["recipe"], given["epochs"], recipe_files([run])) == ("edge", 3, {})


@pytest.mark.parametrize("change", [{"batch_size": 77}, {"name": "mine"}, {"augment": ()}])
def test_any_other_recipe_is_a_file(change: dict[str, object]) -> None:
    """Also one that shares a preset's name and differs from it."""
    own = msgspec.structs.replace(RECIPES["edge"], **change)
    run = trained("tuned", own)
    assert options(reproduction([run], schemes=[], opset=None)[0])["recipe"] == "tuned.json"
    assert recipe_files([run]) == {"tuned.json": own}


def test_teachers_are_trained_first() -> None:
    """The pupil learns from the one that the command before made."""
    large = trained("large", RECIPES["large"], checkpoint_sha256=LARGE_SHA256)
    first, second, _ = reproduction([large, taught()], schemes=["static"], opset=20)
    assert (str(options(first)["out"]), options(second)["teacher"]) == ("again/large", "again/large")


@pytest.mark.parametrize("before", [[], [trained("large", RECIPES["large"], checkpoint_sha256="cd" * 32)]])
def test_a_teacher_that_is_not_known_is_looked_for_in_exported(before: list[Trained]) -> None:
    """Another run of its name is another teacher."""
    *_, train, _ = reproduction([*before, taught()], schemes=[], opset=20)
    assert options(train)["teacher"] == "exported/large"


def test_the_sample_is_asked_for() -> None:
    """In both commands: otherwise they would fetch all of the data."""
    sample: TrainingReport = pieces.training(is_sample=True)
    train, export = reproduction([Trained("s", sample)], schemes=[], opset=None)
    assert [options(command)["where"] for command in (train, export)] == ["sample", "sample"]


def test_names_are_quoted_for_the_shell() -> None:
    """A run may be called anything that a folder may."""
    train, export = reproduction([trained("my run; rm *", RECIPES["seed"])], schemes=["static:method=mse"], opset=20)
    assert str(options(train)["out"]) == options(export)["run"] == "again/my run; rm *"


def test_digests_are_lines_for_sha256sum() -> None:
    """Digest, two blanks, path."""
    assert digests_to_check("r", {"a.onnx": "00", "b.onnx": "11"}) == "00  again/r/a.onnx\n11  again/r/b.onnx"
