"""The tables of a benchmark: what came out, what was measured, and how."""

from edgefashion.records import BenchReport, Cell, CellResult, Plan
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.grids import Grid, Row, Tone
from edgefashion.report.names import (
    AA_CHECK,
    cell_names,
    reading_order,
    reference_words,
    results_by_cell,
    shared_settings,
)
from edgefashion.report.samples import canary_medians_s
from edgefashion.report.words import data_notes, half_width, variant_qualities, verdict_on

_TONES: dict[str, Tone] = {"reference": "strong", "faster": "good", "slower": "bad"}


def summary_grid(bench: BenchReport) -> Grid:
    """One row a cell; settings that all models share are said once, below the table."""
    results = results_by_cell(bench)
    return Grid(
        title="Summary",
        columns=(
            "cell",
            "size",
            "accuracy",
            "worst class F1",
            "median latency",
            "precision",
            "p99",
            "ratio",
            "against reference",
        ),
        rows=tuple(_summary_row(bench, cell, results.get(cell.label)) for cell in reading_order(bench.plan)),
        words=frozenset({0, 3, 8}),
        notes=_terms(bench),
    )


def per_class_grid(bench: BenchReport) -> Grid | None:
    """F1 by class (rows) and distinct artifact (columns); None where no quality is known."""
    qualities = variant_qualities(bench)
    if not qualities:
        return None
    labels = [clean(each.label) for each in next(iter(qualities.values())).per_class]
    scores = [[fmt.score(each.f1) for each in quality.per_class] for quality in qualities.values()]
    rows = [Row(cells) for cells in zip(labels, *scores, strict=True)]
    macro = Row(("macro avg", *(fmt.score(quality.macro_f1) for quality in qualities.values())), "strong")
    return Grid(
        title="F1 per class",
        columns=("class", *qualities),
        rows=(*rows, macro),
        notes=tuple(data_notes(bench.data)),
    )


def cells_grid(bench: BenchReport) -> Grid:
    """Every setting of every cell, and where its nodes were really placed."""
    results, names = results_by_cell(bench), cell_names(bench.plan)
    rows = tuple(_cell_row(names[cell.label], cell, results.get(cell.label)) for cell in reading_order(bench.plan))
    return Grid(
        title="Cells",
        columns=("cell", "runtime", "provider", "threads", "spinning", "batch", "scenario", "placement"),
        rows=rows,
        words=frozenset({0, 1, 2, 4, 6, 7}),
    )


def method_grid(bench: BenchReport) -> Grid:
    """How it was measured, one fact a row."""
    plan, launches = bench.plan, bench.launches
    calls = sum(len(block) * launch.calls_per_sample for launch in launches for block in launch.blocks_ns)
    steady = sum(launch.steady for launch in launches)
    facts = {
        "data": f"{clean(bench.data.name)}, {fmt.count(bench.data.test_images)} test pictures"
        if bench.data
        else "none: no model could be judged by pictures",
        "generations": f"{len({launch.generation for launch in launches})}; a cell needs {plan.min_generations} "
        f"to count as precise and gets at most {fmt.count(plan.max_generations)}",
        "launches": f"{fmt.count(len(launches))}, each a process of its own, pinned to its processors",
        "blocks": f"{plan.rounds} a launch, each {fmt.duration(plan.block_s)} long, in an order drawn anew each round",
        "timed calls": fmt.count(calls),
        "inputs": "rotate from call to call",
        "warm-up": f"until it is steady, at most {fmt.duration(plan.warmup_cap_s)}: "
        f"{fmt.count(steady)} of {fmt.count(len(launches))} launches were",
        "precision goal": f"{fmt.precision(plan.precision)}: half of a 95 % interval",
        "page cache": "warm: files had been read before",
        "canary": _canary_words(bench),
        "seed of the order": str(plan.seed),
        "budget": fmt.duration(plan.budget_s),
        "time taken": fmt.duration(bench.wall_s),
        "finished": "no: stopped early" if bench.partial else "yes",
    }
    rows = tuple(Row(fact) for fact in facts.items())
    return Grid(title="How it was measured", columns=("what", "value"), rows=rows, words=frozenset({0, 1}))


def _summary_row(bench: BenchReport, cell: Cell, result: CellResult | None) -> Row:
    names = cell_names(bench.plan)
    name, size = names[cell.label], fmt.size(cell.artifact.size_bytes)
    if result is None:
        return Row((name, size, *[MISSING] * 6, "not measured"), "bad")
    unknown = "" if cell.role == "null model" else "unknown"
    quality, median, p99 = result.quality, result.latency.median_s, result.latency.p99_s
    is_reference = cell.reference == cell.label
    cells = (
        name,
        size,
        fmt.percent(quality.accuracy) if quality else unknown,
        f"{clean(quality.worst.label)} {fmt.score(quality.worst.f1)}" if quality else unknown,
        fmt.duration_interval(median) if median else MISSING,
        fmt.precision(half_width(result)),
        fmt.duration(p99.value) if p99 else MISSING,
        fmt.ratio(result.comparison.ratio) if result.comparison else "" if is_reference else MISSING,
        _verdict(bench.plan, cell, result),
    )
    return Row(cells, _TONES.get(result.rank, "plain") if cell.role == "subject" else "quiet")


def _verdict(plan: Plan, cell: Cell, result: CellResult) -> str:
    """Rank and labels, and the reference that the rank is about where neither the notes nor the cell's name say it."""
    if cell.role == "null model":
        return ""  # nobody chooses between a model and none
    is_own_baseline = plan.cell(cell.reference).artifact.variant == cell.artifact.variant
    is_obvious = is_own_baseline or cell.reference in {cell.label, plan.reference}
    return verdict_on(result) + ("" if is_obvious else f" (beside {cell_names(plan)[cell.reference]})")


def _terms(bench: BenchReport) -> tuple[str, ...]:
    """What the words in the table mean, as far as they occur in it."""
    plan = bench.plan
    shared, common = shared_settings(plan), cell_names(plan)[plan.reference]
    others = "" if reference_words(plan) == common else f"; the other rows' over that of {common}"
    roles = {cell.role for cell in plan.cells}
    terms = {
        "duplicate": f"{AA_CHECK}: a second copy of the reference, whose ratio must be 1",
        "naive call": "naive call: the reference through its runtime's everyday call, without buffers made beforehand",
        "null model": "null model: an empty graph, the least that any call takes here",
    }
    return (
        *([f"{shared}, unless a name says otherwise"] if shared else []),
        "median latency: of one call, ± half of its 95 % interval",
        f"ratio: time a picture over that of {reference_words(plan)}, ± half of its 95 % interval{others}",
        f"precision: half of the wider of these two intervals, as a share; the goal is {fmt.precision(plan.precision)}",
        *(term for role, term in terms.items() if role in roles),
        *data_notes(bench.data),
    )


def _cell_row(name: str, cell: Cell, result: CellResult | None) -> Row:
    session = cell.session
    options = ", ".join(f"{key}={value}" for key, value in session.options.items())
    placement = result.placement if result else None
    return Row(
        (
            name,
            clean(f"{session.runtime} {result.runtime_version}".strip() if result else session.runtime),
            clean(f"{session.provider} ({options})" if options else session.provider),
            str(session.threads),
            "yes" if session.spinning else "no",
            str(cell.batch),
            clean(cell.scenario),
            clean(f"{placement.text}, by {placement.source}") if placement else "unknown",
        )
    )


def _canary_words(bench: BenchReport) -> str:
    medians_s = canary_medians_s(bench.canaries)
    if not len(medians_s):
        return "none"
    middle_s = float(sorted(medians_s)[len(medians_s) // 2])
    low, high = (fmt.points(float(end) / middle_s - 1) for end in (medians_s.min(), medians_s.max()))
    return f"fixed work of {fmt.duration(middle_s)} between the blocks, {low} % to {high} % about its median"
