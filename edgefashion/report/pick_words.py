"""A choice in words: what was chosen and why, what cannot be had and by how much, or what would tell."""

from collections.abc import Mapping, Sequence

from edgefashion.records import Interval, Plan
from edgefashion.records.pick import Candidate, Choice, Constraint, Finding, Preference, Quantity
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.names import cell_names
from edgefashion.report.verdicts import GATE_TONES, Verdict

_BEST: Mapping[Preference, str] = {"accuracy": "most accurate", "latency": "fastest", "size": "smallest"}


def verdict_on_choice(choice: Choice, plan: Plan) -> Verdict:
    """The line above the table; `plan` is that of the benchmark."""
    names = cell_names(plan)
    sentences = {"PASS": _passed, "FAIL": _failed, "INCONCLUSIVE": _open}
    return Verdict(choice.verdict, sentences[choice.verdict](choice, names), GATE_TONES[choice.verdict])


def quantity_words(constraint: Constraint) -> str:
    """What is limited, as the head of a column: "p99", "F1 of Shirt"."""
    return f"F1 of {clean(constraint.label)}" if constraint.quantity == "F1" else constraint.quantity


def limit_words(constraint: Constraint) -> str:
    """A limit: "size ≤ 100 kB"."""
    written = {"accuracy": fmt.percent, "F1": fmt.score}.get(constraint.quantity)
    limit = written(constraint.limit) if written else _amount(constraint.quantity, constraint.limit)
    return f"{quantity_words(constraint)} {constraint.relation} {limit}"


def figure_words(quantity: Quantity, figure: Interval | None, *, is_floor: bool = False) -> str:
    """A figure with its interval, or what it certainly is not below; "n/a" where it is not known."""
    if figure is None:
        return MISSING
    if is_floor:
        return f"at least {_amount(quantity, figure.low)}"
    if quantity == "size":
        return fmt.size(round(figure.value))
    if quantity == "accuracy":
        return f"{fmt.percent(figure.value)} ({100 * figure.low:.2f} to {100 * figure.high:.2f})"
    if quantity == "F1":
        return f"{fmt.score(figure.value)} ({fmt.score(figure.low)} to {fmt.score(figure.high)})"
    return fmt.duration_interval(figure)


def finding_words(finding: Finding) -> str:
    """What came of one limit: "size missed by 878 kB", "p99 cannot be told"."""
    what = quantity_words(finding.constraint)
    if finding.verdict == "missed":
        return f"{what} missed by {_excess_words(finding)}"
    return f"{what} {'met' if finding.verdict == 'met' else 'cannot be told'}"


def _passed(choice: Choice, names: Mapping[str, str]) -> str:
    chosen = choice.candidate(choice.chosen or "")
    rivals = [_rival(choice.candidate(cell), names) for cell in choice.preferable]
    return "; ".join([f"{names[chosen.cell]} is {_rank(choice)}: {_figures(chosen)}", *rivals])


def _rank(choice: Choice) -> str:
    """What the chosen one is among the others."""
    best, limits = _BEST[choice.prefer], _limits(choice)
    keeping = sum(each.meets_all and not each.unplaced for each in choice.candidates)
    if not limits:
        return f"the {best} of {keeping}"
    if keeping == 1:
        return f"the only one of {len(choice.candidates)} that keeps {limits}"
    return f"the {best} of {keeping} that keep {limits}"


def _rival(candidate: Candidate, names: Mapping[str, str]) -> str:
    open_limits = " and ".join(limit_words(each.constraint) for each in candidate.undecided)
    return f"{names[candidate.cell]} would be chosen if it keeps {open_limits}, which cannot be told"


def _failed(choice: Choice, names: Mapping[str, str]) -> str:
    if choice.out_of_reach:
        return "; ".join(
            f"nothing keeps {limit_words(each.constraint)}: the closest is {names[each.cell]} with "
            f"{figure_words(each.constraint.quantity, each.figure, is_floor=each.is_floor)}, "
            f"beyond it by {_excess_words(each)}"
            for each in choice.out_of_reach
        )
    fewest = min(len(each.missed) for each in choice.candidates)
    closest = [
        f"{names[each.cell]} ({', '.join(map(finding_words, each.missed))})"
        for each in _foremost([each for each in choice.candidates if len(each.missed) == fewest])
    ]
    return f"nothing keeps {_limits(choice)} at once; closest: {'; '.join(closest)}"


def _open(choice: Choice, names: Mapping[str, str]) -> str:
    foremost = _foremost([each for each in choice.candidates if not each.missed])
    return "; ".join(f"{names[each.cell]}: {', '.join(_obstacles(each))}" for each in foremost)


def _foremost(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that stand behind none of the others."""
    cells = {each.cell for each in candidates}
    return [each for each in candidates if each.dominated_by not in cells]


def _obstacles(candidate: Candidate) -> list[str]:
    """Why a candidate that misses nothing was not chosen."""
    unplaced = [f"cannot be placed: {clean(candidate.unplaced)}"] if candidate.unplaced else []
    # A reason that has been given once is enough.
    others = [each for each in candidate.undecided if not each.why or each.why != candidate.unplaced]
    return [*unplaced, *map(_undecided, others)]


def _undecided(finding: Finding) -> str:
    """A limit that the interval does not decide, and how much measuring would."""
    said = f"{limit_words(finding.constraint)} cannot be told"
    if finding.why:
        return f"{said}: {clean(finding.why)}"
    quantity = finding.constraint.quantity
    said += f" from {figure_words(quantity, finding.figure)}"
    if finding.samples is None or finding.samples_to_tell is None:
        return said
    what = "pictures" if quantity in {"accuracy", "F1"} else "launches"
    needed = fmt.significant(finding.samples_to_tell, 2)
    return f"{said}: about {needed} {what} would tell, there were {fmt.count(finding.samples)}"


def _figures(candidate: Candidate) -> str:
    """Size, accuracy and median, then whatever else is limited."""
    accuracy, p50_s = candidate.accuracy, candidate.p50_s
    others = [
        f"{quantity_words(each.constraint)} {figure_words(each.constraint.quantity, each.figure)}"
        for each in candidate.findings
        if each.constraint.quantity in {"p99", "F1"}
    ]
    return ", ".join(
        [
            fmt.size(candidate.artifact.size_bytes),
            f"accuracy {figure_words('accuracy', accuracy)}",
            f"median {figure_words('p50', p50_s)}",
            *others,
        ]
    )


def _limits(choice: Choice) -> str:
    return ", ".join(map(limit_words, choice.constraints))


def _excess_words(finding: Finding) -> str:
    """By how much a limit is exceeded, and by how much at least."""
    quantity, excess = finding.constraint.quantity, finding.excess
    if excess is None:
        return MISSING
    least = _amount(quantity, excess.low)
    if finding.is_floor:
        return f"at least {least}"
    return _amount(quantity, excess.value) + (f" (at least {least})" if quantity != "size" else "")


def _amount(quantity: Quantity, value: float) -> str:
    """A size, a time or a difference of shares in its unit."""
    if quantity == "size":
        return fmt.size(round(value))
    if quantity == "accuracy":
        return f"{100 * value:.2f} points"
    return fmt.score(value) if quantity == "F1" else fmt.duration(value)
