"""The tables of a model card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from edgefashion.records import ArtifactInfo, BenchReport, CellResult, Interval, Manifest, Quality, TrainingReport
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.grids import Grid, Row
from edgefashion.report.names import cell_names, measured, reference_words, with_shared_settings
from edgefashion.report.words import data_notes, verdict_on

# Facts of a recipe that have a row, or a place in one, of their own.
_ELSEWHERE = frozenset({"name", "summary", "architecture"})


@dataclass(frozen=True)
class CardModel:
    """An exported model with what its verification found.

    Attributes:
        info: How results name it.
        manifest: What it says about itself.
        scheme: As `edgefashion export --scheme` takes it; empty for float32.
        quality: On the test pictures.
        accuracy: The same figure as in `quality`, with its Wilson interval.
    """

    info: ArtifactInfo
    manifest: Manifest
    scheme: str
    quality: Quality
    accuracy: Interval


def models_grid(models: Sequence[CardModel], *, hardest: str) -> Grid:
    """A row a model: bytes, accuracy with its interval, F1; `hardest` is the class whose F1 has a column."""
    return Grid(
        title="Models",
        columns=("file", "precision", "bytes", "accuracy, %", "F1, weighted", "F1, macro", f"F1 of {clean(hardest)}"),
        rows=tuple(Row(_model_cells(each, hardest)) for each in models),
        words=frozenset({0, 1}),
        notes=("accuracy: on all test pictures, with its 95 % interval (Wilson)",),
    )


def classes_grid(models: Sequence[CardModel]) -> Grid:
    """F1 by class (rows) and model (columns)."""
    labels = [clean(each.label) for each in models[0].quality.per_class]
    columns = [[fmt.score(each.f1) for each in model.quality.per_class] for model in models]
    rows = [Row(cells) for cells in zip(labels, *columns, strict=True)]
    names = tuple(clean(model.info.file) for model in models)
    return Grid(title="F1 by class", columns=("class", *names), rows=tuple(rows))


def training_facts_grid(report: TrainingReport, *, teachers: Sequence[TrainingReport] = ()) -> Grid:
    """How the checkpoint was trained, one fact a row; every choice of the recipe that is not its default."""
    recipe = {name: value for name, value in msgspec.to_builtins(report.recipe).items() if name not in _ELSEWHERE}
    teacher = f"{report.teacher}, checkpoint {report.teacher_sha256}" if report.teacher else ""
    theirs = sum(each.wall_s for each in teachers), sum(each.cpu_s for each in teachers)
    facts = {
        "recipe": f"{report.recipe.name}: {report.recipe.summary}",
        "network": _settings(report.recipe.architecture.name, report.recipe.architecture.settings),
        "parameters": fmt.count(report.parameters),
        **{name.replace("_", " "): _text(value) for name, value in recipe.items()},
        "data": f"{report.data.name}: {fmt.count(report.data.train_images)} pictures to train, "
        f"{fmt.count(report.data.validation_images)} to choose by, {fmt.count(report.data.test_images)} to report on",
        "kept": f"epoch {report.best_epoch} of {report.recipe.epochs}",
        "time": f"{_time(report.wall_s, report.cpu_s)}, threads: {report.threads}, device: {report.device}, "
        f"precision: {report.precision}",
        "teacher": teacher,
        "time for teachers": _time(*theirs) if teachers else "",
        "machine": f"{report.environment.cpu}, {report.environment.system}",
    }
    rows = tuple(Row((name, clean(value))) for name, value in facts.items() if value)
    return Grid(title="Training", columns=("what", "value"), rows=rows, words=frozenset({0, 1}))


def card_latency_grid(bench: BenchReport, models: Sequence[CardModel]) -> Grid | None:
    """Latency of these models as it was measured; None where the benchmark is of other files."""
    digests = {model.info.sha256 for model in models}
    names = cell_names(bench.plan)
    found = [
        _latency_row(names[cell.label], result)
        for cell, result in measured(bench)
        if cell.role == "subject" and cell.artifact.sha256 in digests
    ]
    if not found:
        return None
    machine = f"on {clean(bench.environment.cpu)}, noise: {bench.noise.level}"
    return Grid(
        title="Latency",
        columns=("model", "median of a call", "p99", "ratio", "verdict"),
        rows=tuple(found),
        words=frozenset({0, 4}),
        notes=(
            with_shared_settings(bench.plan, machine),
            f"ratio: time a picture over that of {reference_words(bench.plan)}, with its 95 % interval",
            *data_notes(bench.data),
        ),
    )


def accuracy_words(accuracy: Interval) -> str:
    """In hundredths with both ends of the interval: "86.60 (85.92 to 87.25)"."""
    return f"{100 * accuracy.value:.2f} ({100 * accuracy.low:.2f} to {100 * accuracy.high:.2f})"


def _model_cells(model: CardModel, hardest: str) -> tuple[str, ...]:
    is_telling = model.info.scheme not in {None, model.info.precision}
    precision = f"{model.info.precision} ({model.info.scheme})" if is_telling else model.info.precision
    quality = model.quality
    scores = [quality.weighted_f1, quality.macro_f1, *(each.f1 for each in quality.per_class if each.label == hardest)]
    size = fmt.count(model.info.size_bytes)
    return (clean(model.info.file), precision, size, accuracy_words(model.accuracy), *map(fmt.score, scores))


def _latency_row(name: str, result: CellResult) -> Row:
    median, p99, comparison = result.latency.median_s, result.latency.p99_s, result.comparison
    return Row(
        (
            name,
            fmt.duration_interval(median) if median else MISSING,
            fmt.duration(p99.value) if p99 else MISSING,
            fmt.ratio(comparison.ratio) if comparison else "",
            verdict_on(result),
        )
    )


def _settings(name: str, settings: Mapping[str, object]) -> str:
    return ", ".join([name, *(f"{key} {_text(value)}" for key, value in settings.items())])


def _time(wall_s: float, cpu_s: float) -> str:
    return f"{fmt.duration(wall_s)}, {fmt.duration(cpu_s)} of CPU"


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
