"""`edgefashion quickstart`."""

from typing import Annotated

import typer

from edgefashion.cli.options import DataOption, OutOption, SeedOption, ThreadsOption

_SCHEMES = ["dynamic", "static"]


def quickstart(
    *,
    where: DataOption = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's ten.")] = None,
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="Time for measuring latency.")] = 60.0,
) -> None:
    """Do the whole line on real data in minutes.

    Gets Fashion-MNIST, trains the published seed recipe, exports fp32, dynamically and statically quantized models,
    proves each on the test pictures, measures them beside PyTorch, and ends with a table and a report. With --data
    sample it is a trial run on 3,000 pictures, in the recipe seed-sample.
    """
    from edgefashion.environment import require

    require("train", purpose="the quickstart")
    from edgefashion import runs
    from edgefashion.artifact import open_artifact
    from edgefashion.bench import Request, measure
    from edgefashion.cli import console
    from edgefashion.cli.bench import save_results, show_results
    from edgefashion.cli.export import run_export
    from edgefashion.cli.train import adapted, run_training, show_training, usual_recipe
    from edgefashion.cli.verification import run_verification, save_verification
    from edgefashion.data import load
    from edgefashion.errors import CheckFailed
    from edgefashion.files import locked
    from edgefashion.recipes import find_recipe
    from edgefashion.report.tables import parity_table

    split = load(where, note=console.note)
    console.note_sample(split.identity)
    recipe = adapted(find_recipe(usual_recipe(split)), epochs=epochs)
    folder = out or runs.new_run("quickstart", resume=False)

    show_training(run_training(recipe, split, folder, seed=seed, threads=threads), folder)
    run_export(folder, split, schemes=_SCHEMES)
    models = runs.artifacts_in(folder)
    verification = run_verification(models, split)
    console.show(parity_table(verification))
    save_verification(models, verification)
    if not verification.passed:
        raise CheckFailed("parity does not hold: see the table above")
    with locked(folder):
        with console.BenchProgress() as progress:
            checkpoint = open_artifact(folder / runs.CHECKPOINT)
            request = Request([*models, checkpoint], budget_s=budget, seed=seed)
            result = measure(request, split, progress=progress)
        page = save_results(result, folder)
    show_results(result)
    console.stdout().print(f"Report: {page.absolute()}", markup=False, soft_wrap=True)
