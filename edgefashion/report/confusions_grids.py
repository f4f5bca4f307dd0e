"""What models take one class for: tables with a row a model, and what follows from them in sentences."""

from collections import Counter

from edgefashion.records.confusions import ConfusionsReport, MissedPicture, ModelConfusions
from edgefashion.report import format as fmt
from edgefashion.report.format import clean
from edgefashion.report.grids import Grid, Row
from edgefashion.report.words import data_notes

# Classes with a column of their own; the rest shares one.
_MOST_CLASSES = 4


def confusions_grids(report: ConfusionsReport) -> list[Grid]:
    """Quality and what the class is taken for, then what is taken for the class."""
    return [_taken_for_grid(report), _taken_from_grid(report)]


def confusions_sentences(report: ConfusionsReport) -> list[str]:
    """How many pictures all models miss, beside what chance would give, and how many of their labels are in doubt."""
    label, missed = clean(report.label), _of(len(report.missed), report.images)
    if len(report.models) == 1:
        found = f"{clean(report.models[0].model)} misses {missed} {label} pictures"
    else:
        found = f"all {len(report.models)} models miss {missed} {label} pictures"
    if report.missed_if_independent is not None:
        chance = fmt.significant(report.missed_if_independent)
        found += f"; if the {report.checkpoints} checkpoints erred independently of each other it would be {chance}"
    return [f"{found}.", _doubt_sentence(report)] if report.missed else [f"{found}."]


def _taken_for_grid(report: ConfusionsReport) -> Grid:
    label, others = clean(report.label), _most_confused(report)
    names = [f"→ {clean(report.data.labels[index])}" for index in others]
    return Grid(
        title=f"{label}: quality, and what it is taken for",
        columns=("model", "F1", "precision", "recall", *names, "→ others"),
        rows=tuple(Row((*_quality_cells(each), *_taken_for_cells(each, others))) for each in report.models),
        notes=(
            f"of the {fmt.count(report.images)} test pictures of the class; recall with its 95 % interval (Wilson)",
            *data_notes(report.data),
        ),
    )


def _taken_from_grid(report: ConfusionsReport) -> Grid:
    label, others = clean(report.label), _most_confused(report)
    names = [f"{clean(report.data.labels[index])} →" for index in others]
    right = report.class_index
    return Grid(
        title=f"What is taken for {label}",
        columns=("model", f"taken for {label}", "rightly", *names, "others →"),
        rows=tuple(Row((clean(each.model), *_taken_from_cells(each, others, right))) for each in report.models),
        notes=(f"shares are of all test pictures that the model takes for {label}", *data_notes(report.data)),
    )


def _most_confused(report: ConfusionsReport) -> list[int]:
    """The classes that are confused with this one most often, by all models and in both directions."""
    totals = [
        sum(each.answers[index] + each.claimed[index] for each in report.models)
        for index in range(len(report.data.labels))
    ]
    others = [index for index in range(len(totals)) if index != report.class_index and totals[index]]
    return sorted(others, key=lambda index: -totals[index])[:_MOST_CLASSES]


def _quality_cells(each: ModelConfusions) -> tuple[str, ...]:
    recall = f"{each.recall.value:.3f} ({each.recall.low:.3f} to {each.recall.high:.3f})"
    return (clean(each.model), fmt.score(each.score.f1), fmt.score(each.score.precision), recall)


def _taken_for_cells(each: ModelConfusions, others: list[int]) -> tuple[str, ...]:
    images = each.score.images
    wrong = images - round(each.recall.value * images)
    counts = [each.answers[index] for index in others]
    return tuple(_part(count, images) for count in (*counts, wrong - sum(counts)))


def _taken_from_cells(each: ModelConfusions, others: list[int], right: int) -> tuple[str, ...]:
    total = sum(each.claimed)
    counts = [each.claimed[index] for index in (right, *others)]
    return (fmt.count(total), *(_part(count, total) for count in (*counts, total - sum(counts))))


def _part(count: int, total: int) -> str:
    return f"{fmt.count(count)} ({fmt.share(count / total)})" if total else fmt.count(count)


def _of(count: int, total: int) -> str:
    return f"{fmt.count(count)} of {fmt.count(total)} ({fmt.share(count / total)})"


def _doubt_sentence(report: ConfusionsReport) -> str:
    alike = fmt.count(sum(picture.is_unanimous for picture in report.missed))
    doubted = [picture for picture in report.missed if picture.in_doubt]
    said = f"{fmt.count(len(doubted))}{f' ({_tally(doubted, report)})' if doubted else ''}"
    if len(report.models) == 1:
        found = f"{said} of them get their wrong answer"
    else:
        found = f"{alike} of them get the same wrong answer from every model, {said} of these"
    return (
        f"{found} with at least the confidence that a model usually has in pictures of the class it answers: "
        "their labels may be wrong. None was changed."
    )


def _tally(pictures: list[MissedPicture], report: ConfusionsReport) -> str:
    counts = Counter(picture.answers[0] for picture in pictures)
    return ", ".join(f"{clean(report.data.labels[index])} {fmt.count(count)}" for index, count in counts.most_common())
