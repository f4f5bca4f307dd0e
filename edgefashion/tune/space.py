"""What is searched: the shape of a compact network, and the choices of a recipe that short trainings can tell apart."""

from collections.abc import Mapping
from typing import Any

import msgspec
from optuna.trial import BaseTrial

from edgefashion.errors import UsageError
from edgefashion.records import Architecture, Recipe

_AUGMENT = {
    "flip": ("flip",),
    "flip+shift-1": ("flip", "shift-1"),
    "flip+shift-1+erasing": ("flip", "shift-1", "erasing"),
}
_AVERAGE = (0.0, 0.98, 0.99, 0.995)
# How far the learning rate may be from that of the recipe, either way.
_RATE_FACTOR = 4.0


def check_searchable(recipe: Recipe) -> None:
    """Refuse a recipe whose architecture is not what is searched.

    Raises:
        UsageError: It is for another architecture than compact.
    """
    if recipe.architecture.name != "compact":
        raise UsageError(
            f"the recipe {recipe.name} is for the architecture {recipe.architecture.name}: "
            "tuning searches compact networks; start from micro, tiny, edge or large"
        )


def suggest(trial: BaseTrial, base: Recipe) -> None:
    """Let `trial` choose every setting; `recipe_of` makes a recipe of its parameters.

    The space is the same for every trial: a third stage of no layers is no stage, and its width then means nothing.
    Widths are multiples of 8 or 16, which integer kernels like.
    """
    trial.suggest_int("width_1", 8, 48, step=8)
    trial.suggest_int("width_2", 16, 96, step=16)
    trial.suggest_int("width_3", 16, 128, step=16)
    trial.suggest_int("depth_1", 1, 3)
    trial.suggest_int("depth_2", 1, 4)
    trial.suggest_int("depth_3", 0, 2)
    rate = base.learning_rate
    trial.suggest_float("learning_rate", rate / _RATE_FACTOR, rate * _RATE_FACTOR, log=True)
    trial.suggest_float("label_smoothing", 0.0, 0.2, step=0.05)
    trial.suggest_categorical("augment", list(_AUGMENT))
    trial.suggest_categorical("average", _AVERAGE)


def recipe_of(parameters: Mapping[str, Any], base: Recipe, *, study: str, number: int) -> Recipe | None:
    """The recipe that a trial's parameters mean; None where some of them were never chosen.

    Args:
        parameters: What `suggest` let a trial choose, by name.
        base: Everything else is taken from it.
        study: The name of the study, which the recipe is called after.
        number: Of the trial.
    """
    try:
        stages = [(parameters[f"width_{stage}"], parameters[f"depth_{stage}"]) for stage in (1, 2, 3)]
        widths, depths = zip(*((width, depth) for width, depth in stages if depth), strict=True)
        return msgspec.structs.replace(
            base,
            name=f"{study}-{number}",
            summary=f"trial {number} of the study {study}",
            architecture=Architecture(
                name=base.architecture.name,
                settings=base.architecture.settings | {"widths": list(widths), "depths": list(depths)},
            ),
            # Three digits are all that a learning rate is worth, and what is tried is what is written.
            learning_rate=float(f"{parameters['learning_rate']:.3g}"),
            label_smoothing=round(parameters["label_smoothing"], 2),
            augment=_AUGMENT[parameters["augment"]],
            average=parameters["average"],
            keep="last",
        )
    except KeyError:
        return None
