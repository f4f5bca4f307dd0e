"""Train a recipe: a data set in, a checkpoint out.

checkpoint = train.fit("seed", split, out="exported/mine")
"""

from edgefashion.train.fit import Progress, fit
from edgefashion.train.recipes import RECIPES, find_recipe

__all__ = ["RECIPES", "Progress", "find_recipe", "fit"]
