"""What tables and figures call cells and artifacts, and the order in which they show them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from edgefashion.records import ArtifactInfo, BenchReport, Cell, CellResult, Plan, Role
from edgefashion.report.format import clean

Setting = Callable[[Cell], str]

AA_CHECK = "A/A check"

# Cells that are there to judge the measurement, in the order in which they close a table.
_CONTROLS: Mapping[Role, str] = {"naive call": "naive call", "null model": "null model", "duplicate": AA_CHECK}
_READING_ORDER: tuple[Role, ...] = ("subject", "baseline", *_CONTROLS)

# How cells may differ; empty where a setting is what a reader takes for granted.
_SETTINGS: tuple[Setting, ...] = (
    lambda cell: cell.session.runtime,
    lambda cell: _provider(cell.session.provider),
    lambda cell: ", ".join(f"{name}={value}" for name, value in cell.session.options.items()),
    lambda cell: f"{cell.session.threads} thread{'' if cell.session.threads == 1 else 's'}",
    lambda cell: "spinning" if cell.session.spinning else "",
    lambda cell: f"batch {cell.batch}",
    lambda cell: "" if cell.scenario == "closed" else cell.scenario,
)


def reading_order(plan: Plan) -> list[Cell]:
    """Models as they were planned, then their baselines, then the cells that judge the measurement."""
    return sorted(plan.cells, key=lambda cell: _READING_ORDER.index(cell.role))


def subjects(plan: Plan) -> list[Cell]:
    """The cells that the measurement is about."""
    return [cell for cell in plan.cells if cell.role == "subject"]


def reference_words(plan: Plan) -> str:
    """Whose time the ratios refer to: one cell's name, "its baseline" or "its reference"."""
    referred = {cell.reference for cell in subjects(plan) if cell.reference != cell.label} or {plan.reference}
    if len(referred) == 1:
        return cell_names(plan)[referred.pop()]
    return "its baseline" if all(plan.cell(label).role == "baseline" for label in referred) else "its reference"


def with_names(plan: Plan, sentence: str) -> str:
    """A sentence with each cell's label replaced by the name that tables use."""
    names = cell_names(plan)
    # The label of a copy begins with that of its original: the longest come first.
    for label in sorted(names, key=len, reverse=True):
        sentence = sentence.replace(label, names[label])
    return clean(sentence)


def shared_settings(plan: Plan) -> str:
    """What holds for every model whose name says nothing else, such as "onnxruntime · CPU · 1 thread · batch 1"."""
    reference = plan.cell(plan.reference)
    return " · ".join(clean(of(reference)) for of in _SETTINGS if of not in _named(plan) and of(reference))


def with_shared_settings(plan: Plan, words: str) -> str:
    """`words`, then what holds for every model whose name says nothing else."""
    shared = shared_settings(plan)
    return f"{words}; {shared}" if shared else words


def cell_names(plan: Plan) -> dict[str, str]:
    """For each label a short name: the cell's role, or the variant with those settings that tell it from others.

    A setting is named where cells of one artifact differ in it, or where it is not the reference's. Where that does
    not tell two cells apart, both keep their labels.
    """
    reference, named = plan.cell(plan.reference), _named(plan)
    variants: dict[Role, dict[str, str]] = {
        role: variant_names(cell.artifact for cell in plan.cells if cell.role == role)
        for role in ("subject", "baseline")
    }
    names = {}
    for cell in plan.cells:
        if cell.role in _CONTROLS:
            names[cell.label] = _CONTROLS[cell.role]
        else:
            variant = variants[cell.role][cell.artifact.sha256]
            settings = [clean(of(cell)) for of in _SETTINGS if of in named or of(cell) != of(reference)]
            mark = " (baseline)" if cell.role == "baseline" else ""
            # A checkpoint is called after the runtime that it is for: once is enough.
            names[cell.label] = " · ".join([variant + mark, *(each for each in settings if each not in {"", variant})])
    taken = Counter(names.values())
    return {label: name if taken[name] == 1 else clean(label) for label, name in names.items()}


def variant_names(artifacts: Iterable[ArtifactInfo]) -> dict[str, str]:
    """For each artifact's SHA-256 its variant, or name/variant where artifacts share a variant."""
    distinct = {artifact.sha256: artifact for artifact in artifacts}
    taken = Counter(artifact.variant for artifact in distinct.values())
    return {
        digest: clean(artifact.variant if taken[artifact.variant] == 1 else f"{artifact.name}/{artifact.variant}")
        for digest, artifact in distinct.items()
    }


def results_by_cell(bench: BenchReport) -> dict[str, CellResult]:
    """Results by the label of their cell."""
    return {result.cell: result for result in bench.results}


def measured(bench: BenchReport) -> list[tuple[Cell, CellResult]]:
    """Every cell that has figures, with them, in reading order."""
    results = results_by_cell(bench)
    return [(cell, results[cell.label]) for cell in reading_order(bench.plan) if cell.label in results]


def _named(plan: Plan) -> list[Setting]:
    """The settings in which cells of one artifact differ."""
    models = [cell for cell in plan.cells if cell.role not in _CONTROLS]
    artifacts = {cell.artifact.sha256 for cell in models}
    return [
        of
        for of in _SETTINGS
        if any(len({of(cell) for cell in models if cell.artifact.sha256 == digest}) > 1 for digest in artifacts)
    ]


def _provider(name: str) -> str:
    short = name.removesuffix("ExecutionProvider")
    # PyTorch writes its devices small: its CPU is no other processor than ONNX Runtime's.
    return short.upper() if short.islower() else short
