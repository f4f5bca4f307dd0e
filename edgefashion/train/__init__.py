"""Train a recipe: a data set in, a checkpoint out.

checkpoint = train.fit("seed", split, out="exported/mine")
"""

from edgefashion.recipes import RECIPES, find_recipe
from edgefashion.train.progress import Progress
from edgefashion.train.training import fit

__all__ = ["RECIPES", "Progress", "find_recipe", "fit"]
