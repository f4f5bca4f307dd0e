"""What is searched: every choice is a recipe that can be trained, written and read again."""

import warnings
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("optuna")

from optuna.trial import FixedTrial

from edgefashion import models
from edgefashion.data.dataset import PREPROCESSING
from edgefashion.errors import UsageError
from edgefashion.recipes import RECIPES, check_recipe, find_recipe, read_recipe, recipe_text
from edgefashion.records import Architecture, Recipe
from edgefashion.train.augment import compose
from edgefashion.tune.space import check_searchable, recipe_of, suggest

BASE = RECIPES["edge"]

choices = st.fixed_dictionaries(
    {
        "width_1": st.sampled_from(range(8, 49, 8)),
        "width_2": st.sampled_from(range(16, 97, 16)),
        "width_3": st.sampled_from(range(16, 129, 16)),
        "depth_1": st.integers(1, 3),
        "depth_2": st.integers(1, 4),
        "depth_3": st.integers(0, 2),
        "learning_rate": st.floats(BASE.learning_rate / 4, BASE.learning_rate * 4),
        "label_smoothing": st.sampled_from([0.0, 0.05, 0.1, 0.15000000000000002, 0.2]),
        "augment": st.sampled_from(["flip", "flip+shift-1", "flip+shift-1+erasing"]),
        "average": st.sampled_from([0.0, 0.98, 0.99, 0.995]),
    }
)
SMALLEST: dict[str, Any] = {
    "width_1": 8, "width_2": 16, "width_3": 16, "depth_1": 1, "depth_2": 1, "depth_3": 0,
    "learning_rate": 0.05, "label_smoothing": 0.1, "augment": "flip+shift-1", "average": 0.0,
}  # fmt: skip


def made(parameters: dict[str, Any], base: Recipe = BASE) -> Recipe:
    """The recipe of trial 7 of the study small."""
    recipe = recipe_of(parameters, base, study="small", number=7)
    assert recipe is not None
    return recipe


def stages_of(recipe: Recipe) -> tuple[Any, Any]:
    """Widths and depths."""
    settings = recipe.architecture.settings
    return settings["widths"], settings["depths"]


@settings(max_examples=20)
@given(choices)
def test_every_choice_can_be_trained(parameters: dict[str, Any]) -> None:
    """Whatever is chosen within the space is a recipe without contradiction, of a network with that many layers."""
    trial = FixedTrial(parameters)
    suggest(trial, BASE)
    assert parameters == trial.params
    recipe = made(trial.params)
    check_recipe(recipe)
    compose(recipe.augment)
    model = models.build(recipe.architecture, image_shape=(28, 28), classes=10, preprocessing=PREPROCESSING)
    shapes = [list(each.shape) for each in model.parameters() if each.ndim == 4]
    stages = [(parameters[f"width_{stage}"], parameters[f"depth_{stage}"]) for stage in (1, 2, 3)]
    assert [width for width, depth in stages for _ in range(depth)] == [shape[0] for shape in shapes]


def test_recipe_can_be_written_and_read(tmp_path: Path) -> None:
    """A trial's recipe is the same when it is read from its file, and is found by the file's name."""
    recipe = made(SMALLEST | {"learning_rate": 0.0612345, "label_smoothing": 0.15000000000000002})
    path = tmp_path / "recipe.json"
    path.write_bytes(recipe_text(recipe))
    assert recipe == read_recipe(path) == find_recipe(str(path))
    assert (recipe.learning_rate, recipe.label_smoothing) == (0.0612, 0.15)
    assert (recipe.name, recipe.augment) == ("small-7", ("flip", "shift-1"))


def test_stage_without_layers_is_no_stage() -> None:
    """The width of a third stage without layers means nothing."""
    without, other = made(SMALLEST), made(SMALLEST | {"width_3": 128})
    assert without == other
    assert stages_of(without) == ([8, 16], [1, 1])
    assert stages_of(made(SMALLEST | {"width_3": 128, "depth_3": 2})) == ([8, 16, 128], [1, 1, 2])


def test_what_is_not_searched_stays() -> None:
    """Batches, optimizer, schedule, epochs and other settings of the network are those of the recipe begun with."""
    network = Architecture("compact", {"widths": [32], "depths": [1], "dropout": 0.25})
    base = msgspec.structs.replace(BASE, architecture=network, batch_size=37, epochs=3, schedule="cosine", keep="best")
    recipe = made(SMALLEST, base)
    kept = ("batch_size", "epochs", "schedule", "optimizer", "momentum", "warm_up", "precision", "mixup")
    assert [getattr(base, name) for name in kept] == [getattr(recipe, name) for name in kept]
    assert recipe.architecture.settings["dropout"] == 0.25
    assert recipe.keep == "last"


@pytest.mark.parametrize("name", ["micro", "tiny", "edge", "large"])
def test_the_presets_lie_inside(name: str) -> None:
    """A search could have found each released network: Optuna refuses a fixed choice that is outside of the space."""
    settings = RECIPES[name].architecture.settings
    widths, depths = [[int(value) for value in settings[key]] for key in ("widths", "depths")]
    shape = {f"width_{stage}": width for stage, width in enumerate(widths, 1)}
    shape |= {f"depth_{stage}": depth for stage, depth in enumerate(depths, 1)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what Optuna says of a value outside
        suggest(FixedTrial(SMALLEST | shape), BASE)


def test_cut_short_while_choosing() -> None:
    """A trial whose worker died while settings were chosen has no recipe."""
    assert recipe_of({"width_1": 8}, BASE, study="small", number=7) is None


def test_only_compact_networks_are_searched() -> None:
    """Another architecture is refused with the recipes to start from; every compact preset is taken."""
    for name in ("micro", "tiny", "edge", "large", "speedrun"):
        check_searchable(RECIPES[name])
    with pytest.raises(UsageError, match=r"the recipe seed is for the architecture seed: .*edge"):
        check_searchable(RECIPES["seed"])
