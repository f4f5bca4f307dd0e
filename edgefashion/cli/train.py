"""`edgefashion train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import DataOption, JsonOption, OutOption, SeedOption, ThreadsOption

if TYPE_CHECKING:
    from edgefashion.data import Dataset
    from edgefashion.records import Recipe, TrainingReport


def train(
    *,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="seed (the published network), seed-wide or seed-sample. Default: seed, or seed-sample on the sample."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's number.")] = None,
    augment: Annotated[
        list[str] | None, typer.Option(help="flip or shift; may be given more than once. Instead of the recipe's.")
    ] = None,
    seed: SeedOption = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    threads: ThreadsOption = None,
    where: DataOption = None,
    out: OutOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a finished run in --out.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe and report every class.

    The report stands beside the published figures. Writes checkpoint.safetensors, reference.safetensors, train.json
    and plots/ into the run's folder (exported/RECIPE, or the first free exported/RECIPE-N). The same seed and thread
    count give the same bytes, also after an interruption and --resume.
    """
    from edgefashion.environment import require

    require("train", purpose="training")
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.data import load
    from edgefashion.recipes import find_recipe

    if recipe is not None:
        find_recipe(recipe)
    split = load(where, note=console.note)
    console.note_sample(split.identity)
    chosen = adapted(recipe or usual_recipe(split), epochs=epochs, augment=augment)
    folder = out or runs.new_run(chosen.name, resume=resume)
    result = run_training(
        chosen, split, folder, seed=seed, device=device, threads=threads, resume=resume, overwrite=overwrite
    )
    if as_json:
        console.show_json(result.to_json())
    else:
        show_training(result, folder)


def usual_recipe(split: "Dataset") -> str:
    """The recipe for these pictures when none is named: the sample needs smaller batches than the whole."""
    return "seed-sample" if split.identity.is_sample else "seed"


def adapted(name: str, *, epochs: int | None = None, augment: list[str] | None = None) -> "Recipe":
    """The preset with what the command line changes about it."""
    import msgspec

    from edgefashion.recipes import find_recipe
    from edgefashion.train.augment import compose

    recipe = find_recipe(name)
    if augment:
        compose(augment)
        recipe = msgspec.structs.replace(recipe, augment=tuple(augment))
    return recipe if epochs is None else msgspec.structs.replace(recipe, epochs=epochs)


def run_training(
    recipe: "Recipe",
    split: "Dataset",
    folder: Path,
    *,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> "TrainingReport":
    """Train with progress on stderr, then draw; returns the report that was written."""
    from edgefashion import report, runs
    from edgefashion.cli import console
    from edgefashion.records import TrainingReport
    from edgefashion.train import fit

    with console.TrainingProgress() as progress:
        fit(
            recipe,
            split,
            out=folder,
            seed=seed,
            device=device,
            threads=threads,
            resume=resume,
            overwrite=overwrite,
            progress=progress,
        )
    result = TrainingReport.load(folder / runs.TRAINING)
    report.save_training_plots(result, folder)
    return result


def show_training(result: "TrainingReport", folder: Path) -> None:
    """Print the report on stdout."""
    from edgefashion.cli import console
    from edgefashion.report.tables import training_table

    console.show(training_table(result))
    console.note(f"run: {folder} ({result.wall_s:.0f} s of training, {result.cpu_s:.0f} s of CPU)")
    console.note(f"next: edgefashion export {folder} --quantize")
