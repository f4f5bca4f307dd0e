"""The presets."""

import pytest

from edgefashion.data.dataset import LABELS
from edgefashion.errors import UsageError
from edgefashion.recipes import PUBLISHED_SCORES, RECIPES, find_recipe


def test_published_recipe() -> None:
    """The seed is the published recipe: ten epochs of Adam at 1e-3 in batches of 1,024, nothing augmented."""
    recipe = find_recipe("seed")
    assert (
        recipe.epochs,
        recipe.batch_size,
        recipe.learning_rate,
        recipe.optimizer,
        recipe.augment,
    ) == (10, 1024, 1e-3, "adam", ())


def test_recipes_are_found_under_their_own_names() -> None:
    """A recipe is called in its results what it is called on the command line."""
    assert list(RECIPES) == [recipe.name for recipe in RECIPES.values()]


def test_published_scores_cover_the_classes() -> None:
    """There is one published figure for each class, under the data set's names, and for the two summary rows."""
    assert {*LABELS, "accuracy", "weighted avg"} == set(PUBLISHED_SCORES)


def test_unknown_recipe() -> None:
    """A misspelt recipe is answered with the nearest."""
    with pytest.raises(UsageError, match="unknown recipe 'seed-wid': did you mean 'seed-wide'"):
        find_recipe("seed-wid")
