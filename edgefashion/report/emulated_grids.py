"""The table of emulated processors. It has no column of time: an emulator's says nothing about the processor's."""

from edgefashion.records.emulated import EmulatedReport, EmulatedResult
from edgefashion.report import format as fmt
from edgefashion.report.format import clean
from edgefashion.report.grids import Grid, Row
from edgefashion.report.names import variant_names
from edgefashion.report.words import data_notes


def emulated_grid(report: EmulatedReport) -> Grid:
    """One row an artifact and processor: how many answers are those of the machine that emulated, then the verdict."""
    names = variant_names(result.artifact for result in report.results)
    failed = [
        f"{names[result.artifact.sha256]} on {clean(result.processor)} fails: {clean(check.name)} is "
        f"{fmt.small(check.value)}, must be {check.relation} {fmt.small(check.limit)}"
        for result in report.results
        for check in result.checks
        if not check.passed
    ]
    return Grid(
        title=f"Emulated {clean(report.architecture)}: correctness, never a latency",
        columns=(
            "variant",
            "runtime",
            "processor",
            "images",
            "equal decisions",
            "equal bits",
            "max |Δ|",
            "verdict",
        ),
        rows=tuple(_row(result, names[result.artifact.sha256]) for result in report.results),
        words=frozenset({0, 1, 2, 7}),
        notes=(
            *failed,
            f"{clean(report.emulator)}, Python {clean(report.python)}; compared with {clean(report.environment.cpu)}",
            "equal bits: pictures on which all logits are the same bits",
            *data_notes(report.data),
        ),
    )


def _row(result: EmulatedResult, name: str) -> Row:
    cells = (
        name,
        clean(result.runtime),
        clean(result.processor),
        *map(fmt.count, (result.images, result.equal_decisions, result.equal_logits)),
        fmt.small(result.max_abs),
        "PASS" if result.passed else "FAIL",
    )
    return Row(cells, "good" if result.passed else "bad")
