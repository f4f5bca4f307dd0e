"""The table behind a choice: every candidate, where it stands, and what came of each limit."""

from edgefashion.records import Plan
from edgefashion.records.pick import Candidate, Choice
from edgefashion.report import format as fmt
from edgefashion.report.format import clean
from edgefashion.report.grids import Grid, Row, Tone
from edgefashion.report.names import cell_names, shared_settings
from edgefashion.report.pick_words import figure_words, finding_words, limit_words, quantity_words
from edgefashion.report.words import data_notes

# Those that have no column of their own already.
_EXTRA = {"p99", "F1"}
_DECISIVE = "met or missed: the whole 95 % interval is on one side of the limit; any other cannot be told"


def candidates_grid(choice: Choice, plan: Plan) -> Grid:
    """One row a candidate; `plan` is that of the benchmark, and gives them the names that its tables use."""
    names = cell_names(plan)
    extra = [quantity_words(each) for each in choice.constraints if each.quantity in _EXTRA]
    columns = ("candidate", "size", "accuracy", "median", *extra, "front", "limits")
    return Grid(
        title="Candidates",
        columns=columns,
        rows=tuple(_row(each, choice, names) for each in choice.candidates),
        words=frozenset({0, len(columns) - 2, len(columns) - 1}),
        notes=_notes(choice, plan),
    )


def _row(candidate: Candidate, choice: Choice, names: dict[str, str]) -> Row:
    extra = [
        figure_words(each.constraint.quantity, each.figure, is_floor=each.is_floor)
        for each in candidate.findings
        if each.constraint.quantity in _EXTRA
    ]
    cells = (
        names[candidate.cell],
        fmt.size(candidate.artifact.size_bytes),
        figure_words("accuracy", candidate.accuracy),
        figure_words("p50", candidate.p50_s),
        *extra,
        _standing(candidate, names),
        _outcome(candidate, choice),
    )
    return Row(cells, _tone(candidate, choice))


def _standing(candidate: Candidate, names: dict[str, str]) -> str:
    if candidate.unplaced:
        return f"unknown: {clean(candidate.unplaced)}"
    return f"behind {names[candidate.dominated_by]}" if candidate.dominated_by else "on it"


def _outcome(candidate: Candidate, choice: Choice) -> str:
    """Whether it was chosen, or else every limit that it does not certainly keep; then what restricts its figures."""
    doubts = [finding_words(each) for each in candidate.findings if each.verdict != "met"]
    kept = ["met"] if choice.constraints else []
    outcome = ["chosen"] if candidate.cell == choice.chosen else doubts or kept
    return "; ".join([*outcome, *(label.replace("_", " ") for label in candidate.labels)])


def _tone(candidate: Candidate, choice: Choice) -> Tone:
    if candidate.cell == choice.chosen:
        return "good"
    if candidate.missed:
        return "bad"
    return "doubtful" if candidate.undecided else "plain"


def _notes(choice: Choice, plan: Plan) -> tuple[str, ...]:
    shared = shared_settings(plan)
    limits = ", ".join(map(limit_words, choice.constraints))
    noise, machine = choice.noise, choice.environment
    return (
        *([f"{shared}, unless a name says otherwise"] if shared else []),
        *([f"limits: {limits}", _DECISIVE] if limits else []),
        "front: nothing on it was measured worse in one of size, accuracy and median without being better in another",
        "latency: of one call, on this machine: its interval holds for further launches in the same run",
        f"machine {noise.level}: {clean('; '.join([machine.cpu, *noise.reasons]))}",
        *data_notes(choice.data),
    )
