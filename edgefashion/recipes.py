"""Recipes: frozen presets, and the published figures that the first of them reproduces."""

from edgefashion.errors import UsageError
from edgefashion.records import Architecture, Recipe, TrainingReport
from edgefashion.registry import unknown


def _published(name: str, widths: list[int], hidden: int, summary: str, *, batch_size: int = 1024) -> Recipe:
    """The homework's recipe in given widths: Adam at 1e-3, batches of 1,024, ten epochs."""
    return Recipe(
        name=name,
        summary=summary,
        architecture=Architecture(name="seed", settings={"widths": widths, "hidden": hidden}),
        epochs=10,
        batch_size=batch_size,
        learning_rate=1e-3,
    )


# The publication gives no widths. These come closest to its two losses and to its F1 of every class: hidden 32
# ends at .47 / .46 (training / validation loss), hidden 64 at .38 / .40; published are .386 / .387.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        _published("seed", [4, 8, 16], 64, "the published homework network, in widths that reproduce its figures"),
        _published("seed-wide", [32, 64, 128], 128, "the same network, eight times wider"),
        # Batches of 1,024 would leave the 1,600 training pictures of the sample twenty steps in all.
        _published("seed-sample", [4, 8, 16], 64, "the seed in batches of 32, for the bundled sample", batch_size=32),
    )
}

# What the homework reported: losses of the last epoch, then F1 of each class and the two summary rows.
PUBLISHED_LOSSES = (0.3860, 0.3870)  # training, validation
PUBLISHED_SCORES: dict[str, float] = {
    "T-shirt/top": 0.81,
    "Trouser": 0.97,
    "Pullover": 0.77,
    "Dress": 0.86,
    "Coat": 0.76,
    "Sandal": 0.95,
    "Shirt": 0.62,
    "Sneaker": 0.92,
    "Bag": 0.95,
    "Ankle boot": 0.95,
    "accuracy": 0.86,
    "weighted avg": 0.86,
}


def published_scores(report: TrainingReport) -> dict[str, float] | None:
    """The published F1 scores where they belong beside a result: the unchanged seed on all of the data."""
    return PUBLISHED_SCORES if _is_published(report) else None


def published_losses(report: TrainingReport) -> tuple[float, float] | None:
    """The published training and validation loss where they belong beside a result."""
    return PUBLISHED_LOSSES if _is_published(report) else None


def _is_published(report: TrainingReport) -> bool:
    return report.recipe == RECIPES["seed"] and not report.data.is_sample


def find_recipe(name: str) -> Recipe:
    """The preset of that name.

    Raises:
        UsageError: There is none; the message lists those that exist.
    """
    if name not in RECIPES:
        raise UsageError(unknown("recipe", name, tuple(RECIPES)))
    return RECIPES[name]
