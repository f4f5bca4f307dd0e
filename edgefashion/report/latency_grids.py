"""The tables that stand behind the summary: every percentile, the samples, cold starts, memory, energy."""

from collections.abc import Callable

from edgefashion.records import BenchReport, CellResult, Interval
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.grids import Grid, Row
from edgefashion.report.names import cell_names, measured
from edgefashion.report.words import data_notes

Cells = Callable[[CellResult], tuple[str, ...]]


def latency_grid(bench: BenchReport) -> Grid:
    """Median, mean and percentiles of one call, each with its interval across launches."""
    return Grid(
        title="Latency of one call",
        columns=("cell", "median", "clean median", "mean", "p90", "p99", "p99.9"),
        rows=_rows(bench, _latency_cells),
        notes=(
            "clean median: of the blocks in which no involuntary context switch took the processor away",
            "n/a: fewer than two launches, or too few calls a launch to bound the percentile",
            *data_notes(bench.data),
        ),
    )


def samples_grid(bench: BenchReport) -> Grid:
    """How much was measured, and the ratio to the reference in three ways that should agree."""
    return Grid(
        title="Samples and ratios",
        columns=(
            "cell",
            "launches",
            "calls",
            "blocks",
            "disturbed",
            "images/s",
            "ratio, 95 % interval",
            "Hodges–Lehmann",
            "Wilcoxon p",
        ),
        rows=_rows(bench, _samples_cells),
        notes=(
            "disturbed: blocks with an involuntary context switch; none is left out of any figure but the clean median",
            "ratio: geometric mean over generations, with Student's t-interval",
            "Hodges–Lehmann's estimate and Wilcoxon's two-sided p for “no difference” assume no shape of the spread",
        ),
    )


def startup_grid(bench: BenchReport) -> Grid:
    """Seconds from nothing to the first answer, part by part."""
    return Grid(
        title="Cold start",
        columns=("cell", "spawn", "imports", "session", "first run", "total", "second run"),
        rows=_rows(bench, _startup_cells),
        notes=(
            "each part begins where the one before it ends; total: from nothing to the first answer",
            "median over launches, with the files in the page cache",
        ),
    )


def memory_grid(bench: BenchReport) -> Grid:
    """Resident memory of a worker, and bytes on disk: what the model adds, and what its runtime brings."""
    peaks: dict[str, list[tuple[int, int]]] = {}
    for launch in bench.launches:
        peaks.setdefault(launch.cell, []).append((launch.memory.session_peak_bytes, launch.memory.run_peak_bytes))
    apart = all(launch.memory.phases_apart for launch in bench.launches)

    def cells(result: CellResult) -> tuple[str, ...]:
        loading, running = (fmt.size(max(each)) for each in zip(*peaks[result.cell], strict=True))
        files = fmt.size(bench.plan.cell(result.cell).artifact.size_bytes)
        runtime = MISSING if result.runtime_bytes is None else fmt.size(result.runtime_bytes)
        return fmt.size(result.model_bytes), loading, running, fmt.size(result.peak_bytes), files, runtime

    return Grid(
        title="Memory and disk",
        columns=(
            "cell",
            "model",
            "peak while loading",
            "peak while running",
            "peak",
            "model's files",
            "runtime's files",
        ),
        rows=_rows(bench, cells),
        notes=(
            "model: what resident memory grows by through the session and its first run, median over launches",
            "peaks: largest of any launch; "
            + ("the kernel's mark was reset between phases" if apart else "phases could not be told apart"),
            "runtime's files: of the packages that a device needs to run the model, their own dependencies left out",
        ),
    )


def energy_grid(bench: BenchReport) -> Grid:
    """Joules a picture above the idle machine, or why they are unknown; said once where it holds for every cell."""
    rows = _rows(bench, _energy_cells)
    said = {row.cells[1:] for row in rows}
    return Grid(
        title="Energy",
        columns=("cell", "energy a picture", "source, or why it is unknown"),
        rows=(Row(("every cell", *said.pop())),) if len(said) == 1 else rows,
        words=frozenset({0, 2}),
    )


def _rows(bench: BenchReport, cells: Cells) -> tuple[Row, ...]:
    names = cell_names(bench.plan)
    return tuple(
        Row((names[cell.label], *cells(result)), "plain" if cell.role == "subject" else "quiet")
        for cell, result in measured(bench)
    )


def _latency_cells(result: CellResult) -> tuple[str, ...]:
    latency = result.latency
    intervals = (
        latency.median_s,
        latency.clean_median_s,
        latency.mean_s,
        latency.p90_s,
        latency.p99_s,
        latency.p999_s,
    )
    return tuple(map(_duration, intervals))


def _samples_cells(result: CellResult) -> tuple[str, ...]:
    comparison = result.comparison
    ratios = (
        (
            fmt.ratio_range(comparison.ratio),
            f"×{fmt.significant(comparison.hodges_lehmann, 4)}",
            fmt.probability(comparison.wilcoxon_p),
        )
        if comparison
        else (MISSING,) * 3
    )
    return (
        fmt.count(result.launches),
        fmt.count(result.calls),
        fmt.count(result.blocks),
        fmt.count(result.disturbed_blocks),
        fmt.significant(result.throughput_per_s),
        *ratios,
    )


def _startup_cells(result: CellResult) -> tuple[str, ...]:
    start = result.startup
    parts_s = (
        start.spawn_s,
        start.import_s,
        start.session_s,
        start.first_run_s,
        start.total_s,
        start.second_run_s,
    )
    return tuple(map(fmt.duration, parts_s))


def _energy_cells(result: CellResult) -> tuple[str, ...]:
    energy = result.energy
    if energy is None:
        return "unknown", "not measured"
    joules = energy.joules_per_image
    return "unknown" if joules is None else fmt.energy(joules), clean(energy.source)


def _duration(interval: Interval | None) -> str:
    return fmt.duration_interval(interval) if interval else MISSING
