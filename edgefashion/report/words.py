"""What tables, pages and figures say in words: remarks, and the headline."""

from collections import Counter

from edgefashion.records import BenchReport, Cell, CellResult, DataIdentity, Quality
from edgefashion.report import format as fmt
from edgefashion.report.format import clean
from edgefashion.report.names import (
    cell_names,
    measured,
    reference_words,
    results_by_cell,
    subjects,
    variant_names,
    with_names,
)


def variant_qualities(bench: BenchReport) -> dict[str, Quality]:
    """Quality by variant, one for each distinct artifact whose quality is known, in the plan's order."""
    names = variant_names(cell.artifact for cell in subjects(bench.plan))
    results = results_by_cell(bench)
    found: dict[str, Quality] = {}
    for cell in subjects(bench.plan):
        result = results.get(cell.label)
        # Runtimes may differ in the last digit of a logit: the first cell of an artifact speaks for it.
        if result and result.quality:
            found.setdefault(names[cell.artifact.sha256], result.quality)
    return found


def data_notes(data: DataIdentity | None) -> list[str]:
    """The remark that belongs beside every figure made with the sample; empty otherwise."""
    return [data.note] if data and data.note else []


def warnings(bench: BenchReport) -> list[str]:
    """What went wrong while this was measured, one sentence each."""
    names = cell_names(bench.plan)
    notes = ["partial: measuring was stopped before the plan was finished"] if bench.partial else []
    notes += [f"warning: {with_names(bench.plan, warning)}" for warning in bench.warnings]
    notes += [f"not measured: {names[failure.cell]}: {clean(failure.reason)}" for failure in bench.failures]
    return notes


def bench_notes(bench: BenchReport) -> list[str]:
    """Everything a reader must know before reading a figure of this report."""
    return [*data_notes(bench.data), *warnings(bench)]


def half_width(result: CellResult) -> float | None:
    """How precise a cell is: the wider of its two intervals, halved, as a share of its centre."""
    intervals = [result.latency.median_s, result.comparison and result.comparison.ratio]
    return max((interval.relative_half_width for interval in intervals if interval), default=None)


def verdict_on(result: CellResult) -> str:
    """A cell's rank and whatever restricts it, such as "slower, imprecise"."""
    return ", ".join([result.rank, *(label.replace("_", " ") for label in result.labels)])


def headline(bench: BenchReport) -> str:
    """What came out, in one sentence: the fastest of the cells that rank as faster, beside its reference."""
    remarks = [*(["partial run"] if bench.partial else []), *data_notes(bench.data)]
    return finding(bench) + (f" ({'; '.join(remarks)})" if remarks else "")


def finding(bench: BenchReport) -> str:
    """The headline without its remarks, for where they stand beside it."""
    models = [(cell, result) for cell, result in measured(bench) if cell.role == "subject"]
    if not models:
        return "nothing could be measured"
    if bench.noise.level == "invalid":
        return f"nothing is ranked: the measurement is invalid ({clean('; '.join(bench.noise.reasons))})"
    if len(subjects(bench.plan)) == 1 and models[0][1].rank == "reference":
        return _alone(*models[0]) + _duplicate_words(bench)
    compared = [result for _, result in models if result.comparison]
    faster = [result for result in compared if result.rank == "faster"]
    reference = reference_words(bench.plan)
    if faster:
        best = min(faster, key=lambda result: result.comparison.ratio.value if result.comparison else 1.0)
        sentence = _comparison(bench, best)
    elif compared:
        sentence = f"nothing was found to be faster than {reference}: {_tally(compared)}"
    else:
        sentence = f"nothing could be compared with {reference}: there are not enough launches"
    return sentence + _duplicate_words(bench)


def insights(bench: BenchReport) -> list[str]:
    """What was found beside latencies: whether the ranking holds elsewhere, and what bounds each profiled model."""
    points = [with_names(bench.plan, bench.operating_points)] if bench.operating_points else []
    return [*points, *(clean(each.sentence) for each in bench.rooflines)]


def _alone(cell: Cell, result: CellResult) -> str:
    name, median = variant_names([cell.artifact])[cell.artifact.sha256], result.latency.median_s
    latency = f"takes {fmt.duration_interval(median)} a call" if median else "was launched too rarely for an interval"
    quality = f"accuracy {fmt.percent(result.quality.accuracy)}" if result.quality else "accuracy unknown"
    throughput = f"{fmt.significant(result.throughput_per_s)} images/s"
    return f"{name} {latency}, {throughput}, {quality}, {fmt.size(cell.artifact.size_bytes)}"


def _comparison(bench: BenchReport, result: CellResult) -> str:
    names = cell_names(bench.plan)
    mine = bench.plan.cell(result.cell)
    reference = bench.plan.cell(mine.reference)
    said = []
    if result.comparison:
        ratio = result.comparison.ratio
        said.append(
            f"{names[mine.label]} is ×{fmt.significant(ratio.value)} of {names[reference.label]}'s latency "
            f"a picture (95 % interval {fmt.ratio_range(ratio)})"
        )
    if mine.artifact.sha256 != reference.artifact.sha256:
        said.append(f"{fmt.size(mine.artifact.size_bytes)} instead of {fmt.size(reference.artifact.size_bytes)}")
        base = results_by_cell(bench).get(reference.label)
        if base and base.quality and result.quality:
            said.append(f"accuracy {fmt.points(result.quality.accuracy - base.quality.accuracy)} points")
    return ", ".join(said)


def _tally(results: list[CellResult]) -> str:
    counts = Counter(result.rank for result in results)
    return ", ".join(f"{number} {rank}" for rank, number in counts.items())


def _duplicate_words(bench: BenchReport) -> str:
    copy = results_by_cell(bench).get(bench.plan.duplicate)
    return f"; A/A ratio {copy.comparison.ratio.value:.3f}" if copy and copy.comparison else ""
