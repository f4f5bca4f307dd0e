"""The table and the figure of a study."""

from typing import Any

import msgspec
import pytest

from edgefashion import environment
from edgefashion.data import Dataset
from edgefashion.recipes import RECIPES
from edgefashion.records import Interval, Recipe
from edgefashion.records.tuning import CostLimits, Costs, TunedTrial, TuneReport, TuningPlan, Worth
from edgefashion.report.drawing import png
from edgefashion.report.tuning_grids import front_grid, limits_words, network_words, trials_words
from edgefashion.report.tuning_plots import tuning_front
from edgefashion.stats import wilson


def complete(number: int, right: int, size_bytes: int, latency_us: float | None, **changes: Any) -> TunedTrial:
    """A trial that came to its end."""
    latency = None if latency_us is None else Interval(latency_us * 1e-6, latency_us * 0.98e-6, latency_us * 1.02e-6)
    trial = TunedTrial(
        number=number,
        state="complete",
        recipe=msgspec.structs.replace(RECIPES["edge"], name=f"mine-{number}", augment=("flip", "shift-1")),
        why="",
        costs=Costs(size_bytes, latency, "noisy" if latency else None),
        validation_accuracies=[0.5, 0.9],
        worth=Worth(right, 5000, size_bytes),
        accuracy=wilson(right, 5000),
    )
    return msgspec.structs.replace(trial, **changes)


def other(number: int, state: str, **changes: Any) -> TunedTrial:
    """A trial that did not."""
    return msgspec.convert(
        {"number": number, "state": state, "recipe": None, "why": "", "costs": None, "worth": None, "accuracy": None}
        | {"validation_accuracies": []}
        | changes,
        TunedTrial,
    )


def study(data: Dataset, *trials: TunedTrial, timed: bool = True, **changes: Any) -> TuneReport:
    """A study of these trials."""
    plan = TuningPlan(
        recipe=msgspec.structs.replace(RECIPES["edge"], epochs=6),
        seed=3,
        data=data.for_choosing().identity,
        machine=environment.describe() if timed else None,
    )
    report = TuneReport(
        study="mine", storage="s", plan=plan, limits=CostLimits(), trials=list(trials), picked=None, interrupted=False
    )
    return msgspec.structs.replace(report, **changes)


def test_front_is_the_table(sample: Dataset) -> None:
    """Only the front and the picked trial have a row, the smallest first, with what they are and what they keep."""
    trials = (
        complete(0, 4600, 90_000, 80, on_front=True),
        complete(1, 4000, 99_000, 90),
        complete(2, 4400, 30_000, 40, on_front=True),
    )
    report = study(sample, *trials, limits=CostLimits(36_000, 41e-6), picked=2)
    grid = front_grid(report)
    recipe = trials[0].recipe
    assert recipe is not None
    edge = (network_words(recipe), "flip+shift-1", f"{recipe.learning_rate:g}", "0.1", f"{recipe.average:g}")
    assert [row.cells for row in grid.rows] == [
        ("2", *edge, "88.00 %", "30.0 kB", "40.0 ± 0.8 µs", "kept, picked"),
        ("0", *edge, "92.00 %", "90.0 kB", "80.0 ± 1.6 µs", "not kept"),
    ]
    assert [row.tone for row in grid.rows] == ["good", "quiet"]
    assert "each trained for 6 epochs with seed 3; the rest is the recipe edge's" in grid.notes
    assert "limits: size ≤ 36.0 kB, latency ≤ 41.0 µs, kept by a whole 95 % interval" in grid.notes
    assert any("machine noisy" in note for note in grid.notes)
    assert sample.for_choosing().identity.note in grid.notes


def test_table_without_latency(sample: Dataset) -> None:
    """Where latency was no objective it has no column, and nothing is said of it."""
    grid = front_grid(study(sample, complete(0, 4600, 90_000, None, on_front=True), timed=False))
    assert "latency" not in grid.columns
    assert len(grid.columns) == len(grid.rows[0].cells)
    assert not any("latency" in note for note in grid.notes)


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (CostLimits(), True),
        (CostLimits(size_bytes=30_000), True),
        (CostLimits(size_bytes=29_999), False),
        (CostLimits(latency_s=40.8e-6), True),
        (CostLimits(latency_s=40.7e-6), False),  # the interval ends at 40.8
    ],
)
def test_limits_are_kept_for_certain_or_not(limits: CostLimits, kept: bool) -> None:
    """A latency keeps its limit with its whole interval; one that is not known keeps none."""
    assert complete(0, 1, 30_000, 40).keeps(limits) == kept
    assert complete(0, 1, 30_000, None).keeps(limits) == (kept and limits.latency_s is None)


def test_every_trial_is_accounted_for(sample: Dataset) -> None:
    """What became of trials is said in words that add up."""
    report = study(
        sample,
        complete(0, 4600, 90_000, 80),
        other(1, "pruned", why="too large"),
        other(2, "pruned", why="far behind", validation_accuracies=[0.1]),
        other(3, "failed"),
        complete(4, 4600, 90_000, 80, repeats=[3]),
        other(5, "failed"),
        other(6, "running"),
        other(7, "waiting"),
    )
    assert trials_words(report) == (
        "8 trials: 2 complete, 1 not trained, 1 stopped in training, 1 cut short and tried again, 1 cut short, "
        "1 running elsewhere, 1 waiting to be tried again"
    )
    assert trials_words(study(sample)) == "no trials"


def test_networks_and_limits_in_words() -> None:
    """Layers and widths stage by stage; an architecture without stages by its name; limits only if given."""
    edge = RECIPES["edge"]
    settings = edge.architecture.settings | {"widths": [16, 32], "depths": [1, 3]}
    recipe: Recipe = msgspec.structs.replace(
        edge, architecture=msgspec.structs.replace(edge.architecture, settings=settings)
    )
    assert network_words(recipe) == "1×16, 3×32"
    assert network_words(RECIPES["seed"]) == "seed"
    assert limits_words(CostLimits()) == ""
    assert limits_words(CostLimits(latency_s=4e-5)) == "latency ≤ 40.0 µs"


@pytest.mark.parametrize("timed", [True, False])
def test_figure_shows_every_complete_trial(sample: Dataset, timed: bool) -> None:
    """One marker a complete trial and panel, full on the front; limits are lines; the same study gives the same PNG."""
    latency = 40.0 if timed else None
    trials = [complete(number, 4000 + number, 30_000 + number, latency, on_front=number == 2) for number in range(3)]
    report = study(
        sample, *trials, other(3, "pruned"), timed=timed, picked=2, limits=CostLimits(40_000, 5e-5 if timed else None)
    )
    figure = tuning_front(report)
    panels = figure.axes
    assert len(panels) == (2 if timed else 1)
    for panel in panels:
        assert len(panel.collections) == 3
        assert len({str(each.get_facecolor()) for each in panel.collections}) == 2
        assert [line.get_xdata()[0] for line in panel.lines] == [40_000 if panel is panels[0] else 5e-5]
    assert png(figure) == png(tuning_front(report))


def test_figure_of_nothing(sample: Dataset) -> None:
    """A study without a complete trial says so."""
    (axes,) = tuning_front(study(sample, other(0, "running"))).axes
    assert [text.get_text() for text in axes.texts] == ["no trial is complete"]


def test_hostile_names_are_harmless(sample: Dataset) -> None:
    """Control characters in a document from elsewhere reach neither terminal nor figure."""
    report = study(sample, complete(0, 1, 9, 40, on_front=True), study="evil\x1b[31m\nname")
    assert front_grid(report).title == "evil�[31m�name: the Pareto front"
    assert tuning_front(report).get_suptitle() == "evil�[31m�name: the Pareto front"
