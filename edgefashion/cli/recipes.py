"""`edgefashion recipes`."""

from typing import Annotated

import typer


def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME|FILE]", help="Print this recipe as JSON instead of the list.")
    ] = None,
) -> None:
    """List the recipes, or print one to edit.

    `edgefashion recipes edge > mine.json` writes down every choice of the recipe edge; after editing, train it with
    `edgefashion train --recipe mine.json`. Give it a name of its own in the file: results are called by it.
    """
    from rich.table import Table

    from edgefashion.cli import console
    from edgefashion.recipes import RECIPES, find_recipe, recipe_text

    if name is not None:
        console.show_json(recipe_text(find_recipe(name)))
        return
    table = Table(title="recipes")
    for heading in ("recipe", "what it is", "network", "epochs", "optimizer"):
        table.add_column(heading, justify="right" if heading == "epochs" else "left")
    for recipe in RECIPES.values():
        shape = ", ".join(f"{key} {value}" for key, value in recipe.architecture.settings.items())
        network = f"{recipe.architecture.name}: {shape}"
        table.add_row(recipe.name, recipe.summary, network, str(recipe.epochs), recipe.optimizer)
    console.show(table)
