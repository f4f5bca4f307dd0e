"""The table of a contract: what explains outputs that are not the artifact's."""

from edgefashion.records.contract import Contract, Hypothesis
from edgefashion.report import format as fmt
from edgefashion.report.format import clean
from edgefashion.report.grids import Grid, Row

SHOWN = 10
_MOST_FITTED = 2


def contract_grid(contract: Contract, *, limit: int = SHOWN) -> Grid:
    """The nearest hypotheses, best first; figures, what was not tried and the conclusion are notes."""
    shown = contract.hypotheses[:limit]
    count = len(contract.hypotheses)
    info = contract.artifact
    return Grid(
        title=f"{clean(contract.outputs)} beside {clean(info.name)}/{clean(info.variant)}",
        columns=("rank", "hypothesis", "unexplained", "rounding explains", "agreement", "fitted", "verdict"),
        rows=tuple(map(_row, shown)),
        words=frozenset({1, 5, 6}),
        notes=(
            *_figures(contract),
            *([f"{len(shown)} of {fmt.count(count)} shown, nearest first"] if count > limit else []),
            *map(clean, contract.remarks),
            clean(contract.sentence),
        ),
    )


def _figures(contract: Contract) -> list[str]:
    failed = [check for check in contract.checks if not check.passed]
    limits = (f"{clean(each.name)} is {each.value:.3g}, must be {each.relation} {each.limit:.3g}" for each in failed)
    agreement, chance = fmt.percent(contract.agreement), fmt.probability(contract.chance)
    right = f"{contract.correct} of {contract.images} answers right, which guessing reaches with probability {chance}"
    return [
        f"largest difference {fmt.small(contract.max_abs)}, agreement {agreement}",
        f"{right}: golden pictures are the first of each class, not typical ones",
        *limits,
    ]


def _row(hypothesis: Hypothesis) -> Row:
    shown = [f"{clean(name)} {_number(value)}" for name, value in hypothesis.parameters.items()]
    fitted = ", ".join(shown) if len(shown) <= _MOST_FITTED else f"{len(shown)} places"
    cells = (
        str(hypothesis.rank),
        clean(hypothesis.fault),
        fmt.share(hypothesis.unexplained),
        fmt.share(hypothesis.allowed),
        fmt.percent(hypothesis.agreement),
        fitted,
        "fits" if hypothesis.fits else "does not fit",
    )
    return Row(cells, "good" if hypothesis.fits else "plain")


def _number(value: float) -> str:
    return f"{value:g}" if value == int(value) else (fmt.MINUS if value < 0 else "") + fmt.significant(abs(value))
