"""What tables, pages and figures say in words: names of cells, remarks, and the headline."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from edgefashion.records import ArtifactInfo, BenchReport, Cell, CellResult, DataIdentity, Plan, Quality
from edgefashion.report.format import clean, points, ratio_range, significant, size

AA_CHECK = "A/A check"

# How cells of one artifact may differ.
_SETTINGS: Mapping[str, Callable[[Cell], str]] = {
    "runtime": lambda cell: cell.session.runtime,
    "provider": lambda cell: _provider(cell.session.provider),
    "threads": lambda cell: f"{cell.session.threads} thread{'' if cell.session.threads == 1 else 's'}",
    "batch": lambda cell: f"batch {cell.batch}",
}


def shared_settings(plan: Plan) -> str:
    """What holds for every cell, such as "onnxruntime · CPU · 1 thread · batch 1"; may be empty."""
    return " · ".join(clean(values[0]) for values in _values(plan) if len(set(values)) == 1)


def with_shared_settings(plan: Plan, words: str) -> str:
    """`words`, then what holds for every cell."""
    shared = shared_settings(plan)
    return f"{words}; {shared}" if shared else words


def cell_names(plan: Plan) -> dict[str, str]:
    """For each label a short name: the variant, and only those settings in which cells differ.

    Where that does not tell two cells apart, both keep their labels; the reference's second copy is the A/A check.
    """
    variants = variant_names(cell.artifact for cell in plan.cells)
    varying = [values for values in _values(plan) if len(set(values)) > 1]
    names = {
        cell.label: " · ".join([variants[cell.artifact.sha256], *(clean(values[index]) for values in varying)])
        for index, cell in enumerate(plan.cells)
        if cell.label != plan.duplicate
    }
    taken = Counter(names.values())
    unique = {label: name if taken[name] == 1 else clean(label) for label, name in names.items()}
    return unique | {plan.duplicate: AA_CHECK}


def variant_names(artifacts: Iterable[ArtifactInfo]) -> dict[str, str]:
    """For each artifact's SHA-256 its variant, or name/variant where artifacts share a variant."""
    distinct = {artifact.sha256: artifact for artifact in artifacts}
    taken = Counter(artifact.variant for artifact in distinct.values())
    return {
        digest: clean(artifact.variant if taken[artifact.variant] == 1 else f"{artifact.name}/{artifact.variant}")
        for digest, artifact in distinct.items()
    }


def variant_qualities(bench: BenchReport) -> dict[str, Quality]:
    """Quality by variant, one for each distinct artifact that was measured, in the plan's order."""
    names = variant_names(cell.artifact for cell in bench.plan.cells)
    results = results_by_cell(bench)
    measured = [cell for cell in bench.plan.cells if cell.label in results]
    # Runtimes may differ in the last digit of a logit: the first cell of an artifact speaks for it.
    first = {cell.artifact.sha256: cell for cell in reversed(measured)}
    ordered = dict.fromkeys(cell.artifact.sha256 for cell in measured)
    return {names[digest]: results[first[digest].label].quality for digest in ordered}


def results_by_cell(bench: BenchReport) -> dict[str, CellResult]:
    """Results by the label of their cell."""
    return {result.cell: result for result in bench.results}


def data_notes(data: DataIdentity) -> list[str]:
    """The remark that belongs beside every figure made with the sample; empty otherwise."""
    return [data.note] if data.note else []


def bench_notes(bench: BenchReport) -> list[str]:
    """Everything a reader must know before reading a figure of this report."""
    names = cell_names(bench.plan)
    notes = data_notes(bench.data)
    if bench.partial:
        notes.append("partial: measuring was stopped before the plan was finished")
    notes += [f"warning: {clean(warning)}" for warning in bench.warnings]
    notes += [f"not measured: {names[failure.cell]}: {clean(failure.reason)}" for failure in bench.failures]
    return notes


def headline(bench: BenchReport) -> str:
    """What came out, in one sentence: the fastest of the cells that rank as faster, beside the reference."""
    names, results = cell_names(bench.plan), results_by_cell(bench)
    reference = names[bench.plan.reference]
    compared = [result for label, result in results.items() if result.ratio and label != bench.plan.duplicate]
    faster = [result for result in compared if result.rank == "faster"]
    if faster:
        best = min(faster, key=lambda result: result.ratio.value if result.ratio else 0.0)
        sentence = _comparison(bench, best, names)
    elif compared:
        sentence = f"nothing was found to be faster than {reference} ({_tally(compared)})"
    else:
        sentence = f"nothing could be compared with {reference}: there are not enough launches"
    duplicate = results.get(bench.plan.duplicate)
    if duplicate and duplicate.ratio:
        sentence += f"; A/A ratio {duplicate.ratio.value:.3f}"
    remarks = [*(["partial run"] if bench.partial else []), *data_notes(bench.data)]
    return sentence + (f" ({'; '.join(remarks)})" if remarks else "")


def _comparison(bench: BenchReport, result: CellResult, names: Mapping[str, str]) -> str:
    cells = {cell.label: cell for cell in bench.plan.cells}
    mine, reference = cells[result.cell], cells[bench.plan.reference]
    said = []
    if result.ratio:
        said.append(
            f"{names[mine.label]} is ×{significant(result.ratio.value)} of {names[reference.label]}'s latency "
            f"a picture (95 % interval {ratio_range(result.ratio)})"
        )
    if mine.artifact.sha256 != reference.artifact.sha256:
        said.append(f"{size(mine.artifact.size_bytes)} instead of {size(reference.artifact.size_bytes)}")
        base = results_by_cell(bench).get(reference.label)
        if base:
            said.append(f"accuracy {points(result.quality.accuracy - base.quality.accuracy)} points")
    return ", ".join(said)


def _tally(results: list[CellResult]) -> str:
    counts = Counter(result.rank for result in results)
    return ", ".join(f"{number} {rank}" for rank, number in counts.items())


def _values(plan: Plan) -> list[list[str]]:
    """One list a setting, one text a cell."""
    return [[of(cell) for cell in plan.cells] for of in _SETTINGS.values()]


def _provider(name: str) -> str:
    short = name.removesuffix("ExecutionProvider")
    # PyTorch writes its devices small: its CPU is no other processor than ONNX Runtime's.
    return short.upper() if short.islower() else short
