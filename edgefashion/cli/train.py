"""`edgefashion train`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import DataOption, JsonOption, OutOption, SeedOption, ThreadsOption
from edgefashion.errors import EdgefashionError

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.data import Dataset
    from edgefashion.records import Recipe, TrainingReport


def train(
    *,
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="micro, tiny, edge, large, speedrun, seed (the published network), seed-wide, seed-sample, or a file "
            "as `edgefashion recipes NAME` prints it. Default: edge.",
        ),
    ] = "edge",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's number.")] = None,
    augment: Annotated[
        list[str] | None,
        typer.Option(
            help="flip, shift, shift-1, cutout or erasing; may be given more than once. Instead of the recipe's."
        ),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(metavar="RUN", help="A finished run whose answers are taught beside the labels.")
    ] = None,
    seed: SeedOption = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="float32, bfloat16, or auto: the recipe's, where this machine computes it.")
    ] = "auto",
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
    count give the same bytes, also after an interruption and --resume. Several processes train together as
    `torchrun --standalone --nproc-per-node 2 -m edgefashion train`: the batches are shared, the result is the same.
    """
    from edgefashion.environment import require

    require("train", purpose="training")
    from edgefashion import runs
    from edgefashion.artifact import open_artifact
    from edgefashion.cli import console
    from edgefashion.data import load, silent
    from edgefashion.errors import UsageError
    from edgefashion.recipes import find_recipe
    from edgefashion.train import fit
    from edgefashion.train.world import find_world, joined

    world = find_world()
    with one_voice(leads=world.leads), joined(world):
        with world.agreed():
            if world.may_restart and out is None:
                raise UsageError("torchrun may start this training again: name its folder with --out, to be found then")
            chosen = adapted(find_recipe(recipe), epochs=epochs, augment=augment)
            master = None if teacher is None else open_artifact(runs.find_run(teacher) / runs.CHECKPOINT)
        split = world.in_turn(lambda: load(where, note=console.note if world.leads else silent))
        with world.agreed():
            folder = out or (runs.new_run(chosen.name, resume=resume) if world.leads else runs.EXPORTED)
        folder = world.told(folder)
        job = partial(
            fit,
            chosen,
            split,
            out=folder,
            seed=seed,
            teacher=master,
            device=device,
            precision=precision,
            threads=threads,
            resume=resume,
            overwrite=overwrite,
        )
        if not world.leads:
            job()
            return
        console.note_sample(split.identity)
        result = watched(job, folder)
    if as_json:
        console.show_json(result.to_json())
    else:
        show_training(result, folder)


@contextmanager
def one_voice(*, leads: bool) -> Iterator[None]:
    """Leave with an error's exit code and without its message, unless this process `leads`: the first says it."""
    try:
        yield
    except EdgefashionError as error:
        if leads:
            raise
        sys.exit(error.exit_code)


def adapted(recipe: "Recipe", *, epochs: int | None = None, augment: list[str] | None = None) -> "Recipe":
    """The recipe with what the command line changes about it."""
    import msgspec

    from edgefashion.train.augment import compose

    if augment:
        compose(augment)
        recipe = msgspec.structs.replace(recipe, augment=tuple(augment))
    return recipe if epochs is None else msgspec.structs.replace(recipe, epochs=epochs)


def run_training(
    recipe: "Recipe", split: "Dataset", folder: Path, *, seed: int = 0, threads: int | None = None
) -> "TrainingReport":
    """Train with progress on stderr, then draw; returns the report that was written."""
    from edgefashion.train import fit

    return watched(partial(fit, recipe, split, out=folder, seed=seed, threads=threads), folder)


def watched(job: "Callable[..., Artifact]", folder: Path) -> "TrainingReport":
    """Run `job`, a call of `fit` that lacks its progress, then draw; returns the report that was written."""
    from edgefashion import report, runs
    from edgefashion.cli import console
    from edgefashion.records import TrainingReport

    with console.TrainingProgress() as progress:
        job(progress=progress)
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
