"""Figures of trainings, verifications and benchmarks by name; drawing one needs no screen.

figures = plots.bench_figures(bench)
plots.save(figures["tradeoff"](), Path("tradeoff.png"))
"""

from collections.abc import Callable, Mapping
from functools import partial

from matplotlib.figure import Figure

from edgefashion.records import BenchReport, TrainingReport, VerifyReport
from edgefashion.report.drawing import png, save
from edgefashion.report.flips import galleries
from edgefashion.report.gallery import flips_gallery
from edgefashion.report.latency_plots import latency_distributions, ratio_intervals
from edgefashion.report.quality_plots import f1_by_variant, tradeoff
from edgefashion.report.roofline import roofline
from edgefashion.report.startup_plot import cold_starts
from edgefashion.report.timelines import generations, sustained
from edgefashion.report.training_plots import confusion_matrix, losses

__all__ = ["ALWAYS", "bench_figures", "png", "save", "training_figures", "verification_figures"]

Draw = Callable[[], Figure]

# What every benchmark has, whatever else was asked for.
ALWAYS: Mapping[str, Callable[[BenchReport], Figure]] = {
    "tradeoff": tradeoff,
    "ratio_intervals": ratio_intervals,
    "latency_distributions": latency_distributions,
    "generations": generations,
    "cold_starts": cold_starts,
    "f1_by_variant": f1_by_variant,
}


def bench_figures(bench: BenchReport) -> dict[str, Draw]:
    """Every figure of a benchmark: `ALWAYS`, one roofline a profile, and that of sustained load."""
    figures: dict[str, Draw] = {name: partial(draw, bench) for name, draw in ALWAYS.items()}
    figures |= {f"roofline-{number}": partial(roofline, each) for number, each in enumerate(bench.rooflines, 1)}
    return figures | ({"sustained": partial(sustained, bench)} if bench.sustained else {})


def training_figures(training: TrainingReport) -> dict[str, Draw]:
    """Both figures of a training."""
    return {
        "confusion_matrix": partial(confusion_matrix, training),
        "training_validation_loss": partial(losses, training),
    }


def verification_figures(verification: VerifyReport) -> dict[str, Draw]:
    """One gallery for each artifact that decides differently, if its flips come with their pictures."""
    return {name: partial(flips_gallery, parity, verification.data) for name, parity in galleries(verification).items()}
