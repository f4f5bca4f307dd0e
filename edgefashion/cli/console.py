"""Where output goes: results to stdout, everything else to stderr; and progress that people can watch."""

import os
import sys
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from edgefashion.errors import UsageError
from edgefashion.records import DataIdentity, EpochMetrics, Plan, Recipe

if TYPE_CHECKING:
    from edgefashion.bench.analyse import Medians, Standing

# Wide enough for the widest table: what is piped into a file must not be cut to a terminal's width.
_PIPED_WIDTH = 160


class _Console(Console):
    """A console that leaves a broken pipe to the command line, which knows the exit code."""

    def on_broken_pipe(self) -> None:
        """Raise it again."""
        raise  # noqa: PLE0704 - rich calls this while it handles the error


def stdout() -> Console:
    """A console on stdout."""
    return _Console(emoji=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def stderr() -> Console:
    """A console on stderr, for progress and notes."""
    return _Console(stderr=True, highlight=False, emoji=False, width=None if sys.stderr.isatty() else _PIPED_WIDTH)


def note(text: str) -> None:
    """One line on stderr."""
    stderr().print(text, style="dim", markup=False)


def note_sample(identity: DataIdentity) -> None:
    """Say aloud that results rest on the sample, if they do."""
    if identity.note:
        stderr().print(f"note: {identity.note}", style="yellow", markup=False)


def show(*parts: RenderableType) -> None:
    """Print results on stdout, an empty line between them."""
    console = stdout()
    for part in parts:
        console.print(part)
        console.print()


def show_json(document: bytes) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.buffer.write(document.rstrip(b"\n") + b"\n")
    sys.stdout.buffer.flush()


class TrainingProgress:
    """A bar for the epoch that runs, and a line for each that is done."""

    def __init__(self) -> None:
        self._console = stderr()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._images = 0
        self._epoch = 0
        self._epochs = 0
        self._task = self._bar.add_task("", total=None, speed="")

    def start(self, recipe: Recipe, images: int, first_epoch: int) -> None:
        """Training starts, or goes on, with `first_epoch`."""
        self._images, self._epoch, self._epochs = images, first_epoch, recipe.epochs
        again = f", resumed at epoch {first_epoch}" if first_epoch > 1 else ""
        self.note(f"training {recipe.name}: {recipe.epochs} epochs of {images:,} pictures{again}")
        self._bar.reset(self._task, total=(recipe.epochs - first_epoch + 1) * images)

    def step(self, images_done: int, loss: float) -> None:
        """One batch of the current epoch is done."""
        before = self._bar.tasks[self._task].completed // self._images * self._images
        description = f"epoch {self._epoch}/{self._epochs}  loss {loss:.4f}"
        speed = self._bar.tasks[self._task].speed
        self._bar.update(
            self._task,
            completed=before + min(images_done, self._images - 1),
            description=description,
            speed=f"{speed:,.0f} images/s" if speed else "",
        )

    def epoch(self, metrics: EpochMetrics) -> None:
        """One epoch is done."""
        self._console.print(
            f"epoch {metrics.epoch:>3}/{self._epochs}"
            f"  loss {metrics.train_loss:.4f}  accuracy {metrics.train_accuracy:.2%}"
            f"  | validation loss {metrics.validation_loss:.4f}  accuracy {metrics.validation_accuracy:.2%}"
            f"  | {metrics.images_per_s:,.0f} images/s  {metrics.wall_s:.1f} s",
            markup=False,
        )
        self._epoch = metrics.epoch + 1
        done = self._bar.tasks[self._task].completed // self._images + 1
        self._bar.update(self._task, completed=done * self._images)

    def note(self, text: str) -> None:
        """Something worth a line."""
        self._console.print(text, style="dim", markup=False)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._bar.stop()


class BenchProgress:
    """Each cell's interval as it shrinks, and a bar for the budget."""

    def __init__(self) -> None:
        self._console = stderr()
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._plan: Plan | None = None

    def planned(self, plan: Plan) -> None:
        """This is what will be measured."""
        self._plan = plan

    def evaluating(self, cell: str) -> None:
        """Quality of this cell is being measured."""
        self._say(f"quality of {cell}")

    def generation(self, number: int, spent_s: float, medians: "Medians") -> None:
        """A generation is done."""
        from edgefashion.bench.analyse import standings

        if self._plan is None:
            return
        found = standings(self._plan, medians)
        widest = max(standing.half_width for standing in found)
        precision = f", widest interval ±{widest:.1%}" if isfinite(widest) else ""
        words = f"generation {number}{precision}, {spent_s:.0f} of {self._plan.budget_s:.0f} s"
        if self._console.is_terminal:
            self._live.update(_standings_table(found, words), refresh=True)
        else:
            self._say(words)

    def phase(self, words: str) -> None:
        """Something is measured beside the generations."""
        self._say(words)

    def _say(self, words: str) -> None:
        if self._console.is_terminal:
            self._live.update(Text(words, style="dim"), refresh=True)
        else:
            self._console.print(words, style="dim", markup=False)

    def __enter__(self) -> Self:
        """Show what is known."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it away."""
        if self._console.is_terminal:
            self._live.stop()


def _standings_table(found: "Sequence[Standing]", words: str) -> Table:
    from edgefashion.report import format as fmt

    table = Table("cell", "launches", "median a picture", "ratio", box=None, caption=words, caption_justify="left")
    for standing in found:
        table.add_row(
            Text(standing.label),
            str(standing.launches),
            fmt.duration_interval(standing.median_s) if standing.median_s else "",
            fmt.ratio(standing.ratio) if standing.ratio else "",
        )
    return table


def step_summary() -> Path:
    """The file to which a step of a GitHub workflow appends its summary.

    Raises:
        UsageError: There is none: this is no such step.
    """
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        raise UsageError(
            "--summary appends to the file in GITHUB_STEP_SUMMARY, which is not set: use --out and `report`"
        )
    return Path(name)


def append(path: Path, text: str) -> None:
    """Append `text` to a file that others write as well."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
