"""What a training is refused for, before anything is touched."""

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.errors import UsageError
from edgefashion.recipes import check_recipe
from edgefashion.records import Recipe
from edgefashion.train.loop import batch_bounds
from edgefashion.train.state import MAX_SEED
from edgefashion.train.teacher import check_teacher


def check_training(recipe: Recipe, data: Dataset, *, seed: int, teacher: Artifact | None, processes: int) -> None:
    """Refuse what cannot be trained with.

    Raises:
        UsageError: The seed is out of range, or a batch has fewer pictures than there are processes.
        BadInput: The recipe contradicts itself, or the teacher knows other classes or pictures.
    """
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"the seed {seed} is out of range: expected 0 to {MAX_SEED}")
    check_recipe(recipe)
    if teacher is not None:
        check_teacher(teacher, data)
    last = batch_bounds(len(data.train), recipe.batch_size)[-1]
    if last.stop - last.start < processes:
        raise UsageError(
            f"the last batch has {last.stop - last.start} of {len(data.train):,} pictures, fewer than the "
            f"{processes} processes: choose another batch_size, or fewer processes"
        )
