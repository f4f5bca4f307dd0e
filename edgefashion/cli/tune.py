"""`edgefashion tune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from edgefashion.cli.options import DataOption, JsonOption, SeedOption, ThreadsOption

if TYPE_CHECKING:
    from types import TracebackType

    from edgefashion.records import EpochMetrics, Recipe
    from edgefashion.records.tuning import CostLimits, TuneReport

_FOLDER = "tune"
_REPORT, _FIGURE, _RECIPE, _TRIALS = "tune.json", "front.png", "recipe.json", "trials.db"


def tune(
    *,
    trials: Annotated[int, typer.Option(min=0, help="How many the study shall have, those there are included.")] = 50,
    budget: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Begin no trial after that. Default: no end.")
    ] = None,
    study: Annotated[str, typer.Option(metavar="NAME", help="A study that is there is taken up again.")] = "study",
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Database of the trials, as postgresql://USER:PASSWORD@HOST/NAME. "
            "Default: the file exported/tune/NAME/trials.db.",
        ),
    ] = None,
    recipe: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="What everything else is taken from; its network must be compact.")
    ] = "edge",
    epochs: Annotated[int, typer.Option(min=1, help="Of every training.")] = 6,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Largest int8 file, as 36kB. Larger networks are not trained.")
    ] = None,
    max_latency: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Longest median call, as 40us. Slower networks are not trained."),
    ] = None,
    measure: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="Time for measuring the latency of each network; 0 measures none."),
    ] = 5.0,
    no_pictures: Annotated[
        bool, typer.Option("--no-pictures", help="Leave the golden pictures out of the int8 files, as export does.")
    ] = False,
    pick: Annotated[
        int | None,
        typer.Option(
            metavar="TRIAL", help="The trial whose recipe is written. Default: the most accurate within the limits."
        ),
    ] = None,
    where: DataOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search networks and recipes for accuracy per byte and per microsecond.

    Tries shapes of the compact network with learning rate, label smoothing, augmentation and averaging of weights.
    What counts is the int8 model: accuracy on validation pictures, bytes, and latency, measured in ONNX Runtime.
    Networks beyond a limit are not trained, and trainings that can no longer win are stopped. The same command goes on
    with an interrupted study, and shares it where it runs several times at once, here or on machines of the same kind.
    Writes tune.json, front.png and recipe.json, which `edgefashion train --recipe FILE` takes, into exported/tune/NAME.
    """
    from edgefashion.environment import require

    require("train", purpose="tuning")
    require("tune", purpose="tuning")
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.cli.train import adapted
    from edgefashion.data import load
    from edgefashion.recipes import find_recipe
    from edgefashion.tune import read_url
    from edgefashion.tune import tune as run

    base = adapted(find_recipe(recipe), epochs=epochs)
    limits = cost_limits(max_size=max_size, max_latency=max_latency)
    folder = runs.EXPORTED / _FOLDER / study
    url = read_url(storage if storage is not None else f"sqlite:///{folder / _TRIALS}")
    split = load(where, note=console.note)
    console.note_sample(split.identity)
    with TuningProgress(epochs=epochs) as progress:
        report = run(
            split,
            recipe=base,
            study=study,
            url=url,
            trials=trials,
            progress=progress,
            limits=limits,
            budget_s=budget,
            measure_s=measure,
            seed=seed,
            threads=threads,
            pictures=not no_pictures,
            wanted=pick,
        )
    save_tuning(report, folder)
    if as_json:
        console.show_json(report.to_json())
    else:
        show_tuning(report)
    leave_as(report, folder)


def cost_limits(*, max_size: str | None, max_latency: str | None) -> "CostLimits":
    """The limits as people write them.

    Raises:
        UsageError: One of them cannot be read.
    """
    from edgefashion.pick.limits import parse_duration, parse_size
    from edgefashion.records.tuning import CostLimits

    return CostLimits(
        size_bytes=None if max_size is None else parse_size(max_size, option="--max-size"),
        latency_s=None if max_latency is None else parse_duration(max_latency, option="--max-latency"),
    )


class TuningProgress:
    """A line for each trial that begins and ends, and on a terminal the epoch that runs."""

    def __init__(self, *, epochs: int) -> None:
        from edgefashion.cli import console

        self._console = console.stderr()
        self._status = self._console.status("")
        self._epochs = epochs

    def begun(self, number: int, recipe: "Recipe") -> None:
        """A trial begins."""
        from edgefashion.report.tuning_grids import network_words

        augment, rate = "+".join(recipe.augment), recipe.learning_rate
        self.note(
            f"trial {number}: {network_words(recipe)}; learning rate {rate:g}, smoothing {recipe.label_smoothing:g}, "
            f"{augment}, average {recipe.average:g}"
        )

    def epoch(self, number: int, metrics: "EpochMetrics") -> None:
        """One epoch of its training is done."""
        accuracy = f"validation accuracy {metrics.validation_accuracy:.2%}"
        self._status.update(f"trial {number}: epoch {metrics.epoch} of {self._epochs}, {accuracy}")

    def ended(self, number: int, words: str) -> None:
        """This came of it."""
        self._status.update("")
        self._console.print(f"trial {number}: {words}", markup=False)

    def note(self, text: str) -> None:
        """Something worth a line."""
        self._console.print(text, style="dim", markup=False)

    def __enter__(self) -> Self:
        """Show what runs, on a terminal."""
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        """Take it away."""
        self._status.stop()


def save_tuning(report: "TuneReport", folder: Path) -> None:
    """Write the document and the figure, and the recipe that was picked if there is one."""
    from edgefashion.files import atomic_write
    from edgefashion.recipes import recipe_text
    from edgefashion.report.drawing import save
    from edgefashion.report.tuning_plots import tuning_front

    report.save(folder / _REPORT)
    save(tuning_front(report), folder / _FIGURE)
    picked = None if report.picked is None else report.trial(report.picked).recipe
    if picked is None:
        # That of an earlier call kept other limits.
        (folder / _RECIPE).unlink(missing_ok=True)
    else:
        atomic_write(folder / _RECIPE, recipe_text(picked))


def show_tuning(report: "TuneReport") -> None:
    """Print the table of the front."""
    from edgefashion.cli import console
    from edgefashion.report.tables import table
    from edgefashion.report.tuning_grids import front_grid

    console.show(table(front_grid(report)))


def leave_as(report: "TuneReport", folder: Path) -> None:
    """Say what to do next, or raise what the exit code must say.

    Raises:
        KeyboardInterrupt: It was stopped by Ctrl-C.
        CheckFailed: No complete trial keeps the limits.
        Inconclusive: No trial is complete.
    """
    from edgefashion.cli import console
    from edgefashion.errors import CheckFailed, Inconclusive
    from edgefashion.report.tuning_grids import limits_words

    if report.interrupted:
        console.note(f"what is done is kept in {report.storage}: the same command goes on with it")
        raise KeyboardInterrupt
    if report.picked is not None:
        console.note(f"written: {folder / _REPORT}, {folder / _FIGURE} and {folder / _RECIPE} (trial {report.picked})")
        console.note(f"next: edgefashion train --recipe {folder / _RECIPE} --epochs 40")
        return
    if any(each.state == "complete" for each in report.trials):
        raise CheckFailed(f"no complete trial certainly keeps {limits_words(report.limits)}: see {folder / _REPORT}")
    raise Inconclusive("no trial is complete: give more --trials, or a longer --budget")
