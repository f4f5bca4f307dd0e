"""What a whole report consists of, in its order: the page and the Markdown dress the same sections."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgefashion.records import BenchReport, TrainingReport, VerifyReport
from edgefashion.report.bench_grids import cells_grid, method_grid, per_class_grid, summary_grid
from edgefashion.report.beside import Beside
from edgefashion.report.decisions_grids import checks_grid, class_drops_grid, overview_grids
from edgefashion.report.elsewhere import elsewhere_grids
from edgefashion.report.flips import galleries
from edgefashion.report.grids import Grid, environment_grid, epochs_grid, flips_grid, parity_grid, training_grid
from edgefashion.report.judgement_grids import gate_grids, noise_grid
from edgefashion.report.latency_grids import energy_grid, latency_grid, memory_grid, samples_grid, startup_grid
from edgefashion.report.operating_grids import operating_grids
from edgefashion.report.profile_grids import ceilings_grid, operators_grid
from edgefashion.report.words import data_notes, headline, variant_qualities
from edgefashion.report.worst_case_grids import families_grid, rechecks_grid


@dataclass(frozen=True)
class Picture:
    """A figure by its name in `plots`, and what it shows in words."""

    name: str
    alt: str


@dataclass(frozen=True)
class Section:
    """A heading with its tables and pictures; `folded` tables are details that few readers want."""

    anchor: str
    title: str
    grids: Sequence[Grid] = ()
    pictures: Sequence[Picture] = ()
    folded: Sequence[Grid] = ()


def sections(bench: BenchReport, beside: Beside, *, most_flips: int) -> list[Section]:
    """Every section for which there is something to say.

    Args:
        bench: What was measured.
        beside: Adds a section for each document.
        most_flips: How many flipped decisions of one artifact are listed; the rest is counted.
    """
    gate, elsewhere = gate_grids(bench), elsewhere_grids(beside)
    return [
        _summary(bench),
        *([Section("gate", "Gate", gate)] if gate else []),
        _latency(bench),
        _startup(bench),
        *_operating(bench),
        *_profiled(bench),
        *_classes(bench),
        *([Section("elsewhere", "On devices and emulated processors", elsewhere)] if elsewhere else []),
        *([_verified(beside.verification, most_flips)] if beside.verification else []),
        *([_trained(beside.training)] if beside.training else []),
        Section("noise", "Noise", [noise_grid(bench.noise)]),
        Section("method", "How it was measured", [method_grid(bench), cells_grid(bench)]),
        Section("environment", "Environment", [environment_grid(bench.environment)]),
    ]


def _summary(bench: BenchReport) -> Section:
    note = _note(bench)
    pictures = [Picture("ratio_intervals", f"Ratios to the reference with intervals, as in the summary table{note}")]
    if variant_qualities(bench):
        words = f"Accuracy against median latency, one marker an artifact: {headline(bench)}"
        pictures.insert(0, Picture("tradeoff", words))
    return Section("summary", "Summary", [summary_grid(bench)], pictures)


def _latency(bench: BenchReport) -> Section:
    note = _note(bench)
    pictures = [
        Picture("latency_distributions", f"Distribution of all timed calls, one row a cell, as in the table{note}"),
        Picture("generations", f"Median of each launch over time, and the canary below: drift is seen here{note}"),
    ]
    return Section("latency", "Latency", [latency_grid(bench), samples_grid(bench)], pictures)


def _startup(bench: BenchReport) -> Section:
    bars = Picture("cold_starts", f"Cold start of each cell, part by part, as in the table{_note(bench)}")
    grids = [startup_grid(bench), memory_grid(bench), energy_grid(bench)]
    return Section("start", "Cold start, memory, energy", grids, [bars])


def _operating(bench: BenchReport) -> list[Section]:
    grids = operating_grids(bench)
    if not grids:
        return []
    pictures = [Picture("sustained", "Speed of each cell over a long run, one row a cell")] if bench.sustained else []
    return [Section("operating", "Other operating points", grids, pictures)]


def _profiled(bench: BenchReport) -> list[Section]:
    if not bench.rooflines:
        return []
    ceilings = {str(grid): grid for grid in (ceilings_grid(each.ceilings) for each in bench.rooflines)}
    pictures = [
        Picture(f"roofline-{number}", f"Operators under the ceilings of this machine: {each.sentence}")
        for number, each in enumerate(bench.rooflines, 1)
    ]
    grids = [*ceilings.values(), *map(operators_grid, bench.rooflines)]
    return [Section("profile", "Where the time goes", grids, pictures)]


def _classes(bench: BenchReport) -> list[Section]:
    grid = per_class_grid(bench)
    if grid is None:
        return []
    scores = Picture("f1_by_variant", f"F1 of each class by artifact, as in the table{_note(bench)}")
    return [Section("classes", "Quality per class", [grid], [scores])]


def _verified(report: VerifyReport, most_flips: int) -> Section:
    note = f" ({report.data.note})" if report.data.note else ""
    pictures = [
        Picture(name, f"Pictures on which {parity.artifact.variant} decides differently, as in its table{note}")
        for name, parity in galleries(report).items()
    ]
    details = []
    for parity in report.results:
        # Where nothing flips, no class can have changed.
        if parity.flips:
            details += [class_drops_grid(parity, parity.decisions)] if parity.decisions else []
            details.append(flips_grid(parity, report.data.labels, limit=most_flips))
    kept = [rechecks_grid(report.rechecks)] if report.rechecks else []
    grids = [
        parity_grid(report),
        *overview_grids(report),
        checks_grid(report),
        *map(families_grid, report.searches),
        *kept,
    ]
    return Section("parity", "Parity", grids, pictures, folded=details)


def _trained(report: TrainingReport) -> Section:
    note = f" ({report.data.note})" if report.data.note else ""
    pictures = [
        Picture("training_validation_loss", f"Training and validation loss by epoch, as in the table of epochs{note}"),
        Picture("confusion_matrix", f"Confusion matrix of the test pictures, true class by predicted class{note}"),
    ]
    return Section("training", "Training", [training_grid(report)], pictures, folded=[epochs_grid(report)])


def _note(bench: BenchReport) -> str:
    notes = data_notes(bench.data)
    return f" ({notes[0]})" if notes else ""
