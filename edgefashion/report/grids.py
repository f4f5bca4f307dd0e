"""Every table once, as plain text in cells; `tables`, `html` and `text` only dress it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgefashion.recipes import published_scores
from edgefashion.records import Environment, EpochMetrics, Parity, TrainingReport, VerifyReport
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.names import variant_names
from edgefashion.report.words import data_notes

Tone = Literal["plain", "strong", "quiet", "good", "bad", "doubtful"]


@dataclass(frozen=True)
class Row:
    """Cells of text; the tone says how the row is shown: good, bad and doubtful colour its last cell."""

    cells: tuple[str, ...]
    tone: Tone = "plain"


@dataclass(frozen=True)
class Grid:
    """A table without its looks.

    Attributes:
        title: What it shows.
        columns: Headers, with units where cells have none.
        rows: One text a column.
        words: Indices of the columns that hold words; the others hold numbers and are aligned right.
        notes: Remarks below the table, one a line.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    words: frozenset[int] = frozenset({0})
    notes: tuple[str, ...] = ()


def training_grid(report: TrainingReport) -> Grid:
    """A classification report of the test pictures, beside the published F1 scores where they belong."""
    known = published_scores(report) or {}
    quality = report.test
    scores = [
        Row((clean(each.label), *map(fmt.score, (each.precision, each.recall, each.f1)), fmt.count(each.images)))
        for each in quality.per_class
    ]
    weighted = map(fmt.score, (quality.weighted_precision, quality.weighted_recall, quality.weighted_f1))
    images = fmt.count(quality.images)
    rows = [
        *scores,
        Row(("accuracy", "", "", fmt.score(quality.accuracy), images), "strong"),
        Row(("weighted avg", *weighted, images), "strong"),
    ]
    names = [*(each.label for each in quality.per_class), "accuracy", "weighted avg"]
    columns: tuple[str, ...] = ("class", "precision", "recall", "F1", "images")
    if known:
        columns = (*columns, "published F1")
        rows = [
            Row((*row.cells, f"{known[name]:.2f}" if name in known else ""), row.tone)
            for row, name in zip(rows, names, strict=True)
        ]
    return Grid(
        title=f"{clean(report.recipe.name)}: quality on the test pictures",
        columns=columns,
        rows=tuple(rows),
        notes=tuple(data_notes(report.data)),
    )


def epochs_grid(report: TrainingReport) -> Grid:
    """One row an epoch; the one whose weights were kept is strong."""
    return Grid(
        title="Epochs",
        columns=("epoch", "training loss", "validation loss", "training accuracy", "validation accuracy", "images/s"),
        rows=tuple(_epoch(metrics, best=metrics.epoch == report.best_epoch) for metrics in report.history),
        notes=(f"epoch {report.best_epoch} has the lowest validation loss and was kept", *data_notes(report.data)),
    )


def parity_grid(report: VerifyReport) -> Grid:
    """One row an artifact beside its reference: figures, then the verdict; failed checks are notes."""
    variants = variant_names(parity.artifact for parity in report.results)
    failed = [
        f"{variants[parity.artifact.sha256]} fails: {clean(check.name)} is {fmt.small(check.value)}, "
        f"must be {check.relation} {fmt.small(check.limit)}"
        for parity in report.results
        for check in parity.checks
        if not check.passed
    ]
    references = dict.fromkeys(f"reference: {clean(parity.reference)}" for parity in report.results)
    return Grid(
        title="Parity with the reference",
        columns=(
            "variant",
            "size",
            "images",
            "agreement",
            "flips",
            "max |Δ|",
            "mean |Δ|",
            "accuracy",
            "change, points",
            "worst class F1",
            "verdict",
        ),
        rows=tuple(_parity(parity, variants[parity.artifact.sha256]) for parity in report.results),
        words=frozenset({0, 9, 10}),
        notes=(*failed, *references, *data_notes(report.data)),
    )


def flips_grid(parity: Parity, labels: Sequence[str], *, limit: int = 10) -> Grid:
    """The pictures on which the artifact decides differently, those that the reference was surest of first."""
    surest = sorted(parity.flips, key=lambda flip: flip.reference_margin, reverse=True)
    shown = surest[:limit]
    rows = tuple(
        Row(
            (
                str(flip.index),
                _class_name(labels, flip.label),
                _class_name(labels, flip.reference_class),
                fmt.significant(flip.reference_margin),
                _class_name(labels, flip.candidate_class),
                fmt.significant(flip.candidate_margin),
            )
        )
        for flip in shown
    )
    count = len(parity.flips)
    return Grid(
        title=f"{clean(parity.artifact.variant)}: {fmt.count(count)} of {fmt.count(parity.images)} decisions differ",
        columns=("picture", "true class", "reference says", "margin", "artifact says", "margin"),
        rows=rows,
        words=frozenset({1, 2, 4}),
        notes=(f"{len(shown)} of {fmt.count(count)} shown, largest reference margin first",) if count > limit else (),
    )


def environment_grid(environment: Environment) -> Grid:
    """The machine and the versions, one fact a row; what an older file does not hold is not told."""
    limit = "none found" if environment.cpu_quota is None else f"{environment.cpu_quota:g} cores"
    dirty = " with changes" if environment.git_dirty else ""
    facts = {
        "machine": environment.board,
        "processor": environment.cpu,
        "instruction sets": ", ".join(environment.cpu_flags),
        "microcode": environment.microcode,
        "cores": f"{environment.usable_cores} usable of {environment.cores}",
        "usable processors": ", ".join(map(str, environment.usable_cpus)),
        "CPU quota": limit,
        "frequency governor": environment.governor,
        "boost": _switch(environment.boost),
        "SMT": _switch(environment.smt),
        "memory": fmt.size(environment.memory_bytes),
        "transparent huge pages": environment.huge_pages,
        "clock source": environment.clock_source,
        "system": environment.system,
        "container": environment.container or "none found",
        "hypervisor": environment.hypervisor_name or ("yes" if environment.hypervisor else "none found"),
        "accelerators": ", ".join(environment.accelerators) or "none found",
        "NVIDIA driver": environment.nvidia_driver or "none found",
        "sources": f"commit {environment.git_commit}{dirty}" if environment.git_commit else None,
        "Python": environment.python,
        **environment.versions,
    }
    rows = tuple(Row((clean(name), clean(value or "not told"))) for name, value in facts.items())
    return Grid(title="Environment", columns=("what", "value"), rows=rows, words=frozenset({0, 1}))


def _switch(on: bool | None) -> str | None:
    return None if on is None else "on" if on else "off"


def _epoch(metrics: EpochMetrics, *, best: bool) -> Row:
    losses = (f"{metrics.train_loss:.4f}", f"{metrics.validation_loss:.4f}")
    accuracies = (fmt.percent(metrics.train_accuracy), fmt.percent(metrics.validation_accuracy))
    speed = fmt.significant(metrics.images_per_s)
    return Row((str(metrics.epoch), *losses, *accuracies, speed), "strong" if best else "plain")


def _parity(parity: Parity, name: str) -> Row:
    quality, reference = parity.quality, parity.reference_quality
    change = fmt.points(quality.accuracy - reference.accuracy) if quality and reference else MISSING
    cells = (
        name,
        fmt.size(parity.artifact.size_bytes),
        fmt.count(parity.images),
        fmt.percent(parity.agreement),
        fmt.count(len(parity.flips)),
        fmt.small(parity.max_abs),
        fmt.small(parity.mean_abs),
        fmt.percent(quality.accuracy) if quality else MISSING,
        change,
        f"{clean(quality.worst.label)} {fmt.score(quality.worst.f1)}" if quality else MISSING,
        "PASS" if parity.passed else "FAIL",
    )
    return Row(cells, "good" if parity.passed else "bad")


def _class_name(labels: Sequence[str], index: int) -> str:
    return clean(labels[index]) if 0 <= index < len(labels) else str(index)
