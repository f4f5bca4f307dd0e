"""`edgefashion quickstart`."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgefashion.cli.options import DataOption, OutOption, SeedOption, ThreadsOption

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact


def quickstart(
    *,
    where: DataOption = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the seed, instead of its ten.")] = None,
    edge_epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the recipe edge. Default: 3, or 20 on the sample; whole, it has more.")
    ] = None,
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="Time for measuring latency.")] = 60.0,
) -> None:
    """Do the whole line on real data in minutes.

    Gets Fashion-MNIST, trains the published seed recipe, exports fp32, dynamically and statically quantized models,
    and does the same with a few epochs of the recipe edge, into a second run. Proves each model on the test pictures,
    measures all of them beside PyTorch, and ends with a table and a report. With --data sample it is a trial run on
    3,000 pictures, in the recipe seed-sample.
    """
    from edgefashion.environment import require

    require("train", purpose="the quickstart")
    from edgefashion import runs
    from edgefashion.artifact import open_artifact
    from edgefashion.bench import Request, measure
    from edgefashion.cli import console
    from edgefashion.cli.bench import save_results, show_results
    from edgefashion.cli.export import run_export
    from edgefashion.cli.train import adapted, run_training, show_training
    from edgefashion.cli.verification import run_verification, save_verification
    from edgefashion.data import load
    from edgefashion.errors import CheckFailed
    from edgefashion.files import locked
    from edgefashion.recipes import find_recipe
    from edgefashion.report.tables import parity_table

    split = load(where, note=console.note)
    console.note_sample(split.identity)
    # Batches of the published size would leave the sample twenty steps.
    published, few = ("seed-sample", 20) if split.identity.is_sample else ("seed", 3)
    first = adapted(find_recipe(published), epochs=epochs)
    second = adapted(find_recipe("edge"), epochs=edge_epochs or few)
    folder = out or runs.new_run("quickstart", resume=False)

    models: list[Artifact] = []
    for recipe, run, schemes in ((first, folder, ["dynamic", "static"]), (second, folder / "edge", ["static"])):
        show_training(run_training(recipe, split, run, seed=seed, threads=threads), run)
        run_export(run, split, schemes=schemes)
        made = runs.artifacts_in(run)
        verification = run_verification(made, split)
        console.show(parity_table(verification))
        save_verification(made, verification)
        if not verification.passed:
            raise CheckFailed("parity does not hold: see the table above")
        models += made
    with locked(folder):
        with console.BenchProgress() as progress:
            checkpoint = open_artifact(folder / runs.CHECKPOINT)
            request = Request([*models, checkpoint], budget_s=budget, seed=seed)
            result = measure(request, split, progress=progress)
        page = save_results(result, folder)
    show_results(result)
    console.stdout().print(f"Report: {page.absolute()}", markup=False, soft_wrap=True)
