"""The tables of a benchmark."""

from edgefashion.records import BenchReport, Cell, CellResult
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.grids import Grid, Row, Tone
from edgefashion.report.words import (
    AA_CHECK,
    bench_notes,
    cell_names,
    data_notes,
    results_by_cell,
    shared_settings,
    variant_qualities,
)

_TONES: dict[str, Tone] = {"reference": "strong", "faster": "good", "slower": "bad"}


def summary_grid(bench: BenchReport) -> Grid:
    """One row a cell; settings that all cells share are said once, below the table."""
    results, names = results_by_cell(bench), cell_names(bench.plan)
    shared = shared_settings(bench.plan)
    return Grid(
        title="Summary",
        columns=(
            "cell",
            "size",
            "accuracy",
            "macro F1",
            "worst class F1",
            "median latency",
            "p90",
            "p99",
            "images/s",
            "ratio",
            "against reference",
        ),
        rows=tuple(
            _summary_row(names[cell.label], cell, results.get(cell.label), is_copy=cell.label == bench.plan.duplicate)
            for cell in _duplicate_last(bench)
        ),
        words=frozenset({0, 4, 10}),
        notes=(
            *([f"every row: {shared}"] if shared else []),
            "latency: of one call, ± half of its 95 % interval",
            f"ratio: time a picture over that of {names[bench.plan.reference]}, ± half of its 95 % interval",
            f"{AA_CHECK}: a second copy of the reference, whose ratio must be 1",
            *bench_notes(bench),
        ),
    )


def per_class_grid(bench: BenchReport) -> Grid:
    """F1 by class (rows) and distinct artifact (columns)."""
    qualities = variant_qualities(bench)
    labels = [clean(label) for label in bench.data.labels]
    scores = [[fmt.score(each.f1) for each in quality.per_class] for quality in qualities.values()]
    rows = [Row(cells) for cells in zip(labels, *scores, strict=True)]
    macro = Row(("macro avg", *(fmt.score(quality.macro_f1) for quality in qualities.values())), "strong")
    return Grid(
        title="F1 per class",
        columns=("class", *qualities),
        rows=(*rows, macro),
        notes=tuple(data_notes(bench.data)),
    )


def timing_grid(bench: BenchReport) -> Grid:
    """What stands behind each latency: launches, calls, intervals, start-up, memory, placement."""
    results = results_by_cell(bench)
    names = cell_names(bench.plan)
    rows = tuple(
        _timing_row(names[cell.label], results[cell.label]) for cell in _duplicate_last(bench) if cell.label in results
    )
    return Grid(
        title="Latency",
        columns=(
            "cell",
            "launches",
            "calls",
            "median, 95 % interval",
            "mean",
            "p90",
            "p99",
            "ratio, 95 % interval",
            "session start",
            "peak memory",
            "placement",
        ),
        rows=rows,
        words=frozenset({0, 10}),
        notes=tuple(data_notes(bench.data)),
    )


def method_grid(bench: BenchReport) -> Grid:
    """How it was measured, one fact a row."""
    plan = bench.plan
    generations = len({launch.generation for launch in bench.launches})
    calls = sum(len(block) for launch in bench.launches for block in launch.blocks_ns)
    facts = {
        "data": f"{clean(bench.data.name)}, {fmt.count(bench.data.test_images)} test pictures",
        "generations": f"{generations} of at most {plan.max_generations}",
        "launches": f"{fmt.count(len(bench.launches))}, each a process of its own",
        "blocks": f"{plan.rounds} a launch, each {fmt.duration(plan.block_s)} long",
        "timed calls": fmt.count(calls),
        "seed of the order": str(plan.seed),
        "budget": fmt.duration(plan.budget_s),
        "time taken": fmt.duration(bench.wall_s),
        "finished": "no: stopped early" if bench.partial else "yes",
    }
    rows = tuple(Row(fact) for fact in facts.items())
    return Grid(title="How it was measured", columns=("what", "value"), rows=rows, words=frozenset({0, 1}))


def _duplicate_last(bench: BenchReport) -> list[Cell]:
    return sorted(bench.plan.cells, key=lambda cell: cell.label == bench.plan.duplicate)


def _summary_row(name: str, cell: Cell, result: CellResult | None, *, is_copy: bool) -> Row:
    size = fmt.size(cell.artifact.size_bytes)
    if result is None:
        return Row((name, size, *[MISSING] * 8, "not measured"), "bad")
    quality = result.quality
    cells = (
        name,
        size,
        fmt.percent(quality.accuracy),
        fmt.score(quality.macro_f1),
        f"{clean(quality.worst.label)} {fmt.score(quality.worst.f1)}",
        fmt.duration_interval(result.median_s) if result.median_s else MISSING,
        _duration(result.p90_s),
        _duration(result.p99_s),
        fmt.significant(result.throughput_per_s),
        fmt.ratio(result.ratio) if result.ratio else "",
        result.rank,
    )
    return Row(cells, "quiet" if is_copy else _TONES.get(result.rank, "plain"))


def _timing_row(name: str, result: CellResult) -> Row:
    return Row(
        (
            name,
            fmt.count(result.launches),
            fmt.count(result.calls),
            fmt.duration_range(result.median_s) if result.median_s else MISSING,
            fmt.duration(result.mean_s),
            _duration(result.p90_s),
            _duration(result.p99_s),
            fmt.ratio_range(result.ratio) if result.ratio else MISSING,
            fmt.duration(result.session_s),
            fmt.size(result.peak_rss_bytes),
            clean(result.placement.text),
        )
    )


def _duration(seconds: float | None) -> str:
    return MISSING if seconds is None else fmt.duration(seconds)
