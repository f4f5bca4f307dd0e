"""Tables of the worst inputs that a search found, and of those kept from earlier ones."""

from collections.abc import Sequence

from edgefashion.records import Check
from edgefashion.records.worst_case import FamilyWorst, Recheck, WorstCases, WorstInput
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.grids import Grid, Row

# What stands for logits that are not finite is float32's largest number, 3.4e38; no honest difference is near it.
_NOT_FINITE = 3e38


def families_grid(found: WorstCases) -> Grid:
    """One row a kind of input, in the order tried; those with the largest difference and all together are strong."""
    worst = max(found.families, key=lambda family: family.max_abs)
    everything = FamilyWorst(
        name="all",
        tried=found.tried,
        max_abs=found.max_abs,
        max_ulps=found.largest_in_ulps.max_ulps,
        flips=found.flips,
        surest_flip=found.surest_flip.reference_margin if found.surest_flip else None,
    )
    # Only where formats differ by nothing but rounding is a difference in units of rounding worth reading.
    columns, shown = ("inputs", "tried", "max |Δ logit|", "float32 ulps", "flips", "surest flip"), [0, 1, 2, 3, 4, 5]
    if found.artifact.precision != "float32":
        shown.remove(3)

    def row(family: FamilyWorst, *, strong: bool) -> Row:
        cells = _family(family)
        return Row(tuple(cells[index] for index in shown), "strong" if strong else "plain")

    return Grid(
        title=f"{clean(found.artifact.variant)}: worst inputs found",
        columns=tuple(columns[index] for index in shown),
        rows=(*(row(family, strong=family is worst) for family in found.families), row(everything, strong=True)),
        notes=tuple(_remarks(found)),
    )


def worst_grid(found: WorstCases, labels: Sequence[str]) -> Grid:
    """One row a kept input: the largest differences, then the flip of which the reference was surest."""
    shown = [*found.worst, *([found.surest_flip] if found.surest_flip else [])]
    names = [*(str(place) for place in range(1, len(found.worst) + 1)), "surest flip"]
    return Grid(
        title=f"{clean(found.artifact.variant)}: what both answer",
        columns=("", "inputs", "max |Δ logit|", "reference says", "margin", "candidate says", "margin"),
        rows=tuple(Row((name, *_answers(each, labels))) for name, each in zip(names, shown, strict=False)),
        words=frozenset({0, 1, 3, 5}),
    )


def rechecks_grid(rechecks: Sequence[Recheck]) -> Grid:
    """One row an artifact: its kept inputs then and now."""
    return Grid(
        title="Worst inputs of earlier searches, answered again",
        columns=("variant", "inputs", "max |Δ logit| then", "now", "flips then", "now", "verdict"),
        rows=tuple(map(_recheck, rechecks)),
        words=frozenset({0, 6}),
        notes=tuple(
            f"{clean(each.artifact.variant)} fails: {note}" for each in rechecks for note in _failures(each.checks)
        ),
    )


def difference(value: float) -> str:
    """A difference of logits, or that there is none to speak of because they are not finite."""
    return "not finite" if value >= _NOT_FINITE else fmt.small(value)


def _remarks(found: WorstCases) -> list[str]:
    budget = f"seed {found.seed}, {fmt.count(found.steps)} steps, {fmt.duration(found.elapsed_s)}"
    photographs = found.families[0]
    return [
        *(f"fails: {note}" for note in _failures(found.checks)),
        *(["interrupted: this is what was found until then"] if found.interrupted else []),
        f"{clean(found.method)}; {budget}",
        f"reference: {clean(found.reference)}",
        f"{difference(found.max_abs)} is {_times(found.max_abs, photographs.max_abs)} that of the {photographs.name}",
        "a search finds what can happen, never that nothing worse can",
        "surest flip: the reference's margin where it was surest and the candidate decided otherwise",
    ]


def _times(value: float, base: float) -> str:
    return f"{fmt.significant(value / base)} times" if base else "not 0,"


def _failures(checks: Sequence[Check]) -> list[str]:
    return [
        f"{clean(check.name)}: {difference(check.value)}, must be {check.relation} {fmt.small(check.limit)}"
        for check in checks
        if not check.passed
    ]


def _family(family: FamilyWorst) -> tuple[str, ...]:
    return (
        clean(family.name),
        fmt.count(family.tried),
        difference(family.max_abs),
        difference(family.max_ulps),
        fmt.count(family.flips),
        MISSING if family.surest_flip is None else fmt.small(family.surest_flip),
    )


def _answers(each: WorstInput, labels: Sequence[str]) -> tuple[str, ...]:
    return (
        clean(each.family),
        difference(each.max_abs),
        clean(labels[each.reference_class]),
        fmt.small(each.reference_margin),
        clean(labels[each.candidate_class]),
        difference(each.candidate_margin),
    )


def _recheck(each: Recheck) -> Row:
    cells = (
        clean(each.artifact.variant),
        fmt.count(len(each.cases)),
        difference(each.max_abs_then),
        difference(each.max_abs),
        fmt.count(sum(case.case.is_flip for case in each.cases)),
        fmt.count(sum(case.is_flip for case in each.cases)),
        ("PASS" if each.passed else "FAIL") if each.checks else "no limit",
    )
    return Row(cells, "plain" if not each.checks else "good" if each.passed else "bad")
