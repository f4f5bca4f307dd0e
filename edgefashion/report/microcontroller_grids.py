"""The tables of models on an emulated microcontroller."""

from edgefashion.records.microcontroller import ArenaSize, Emulation, MicrocontrollerReport
from edgefashion.report import format as fmt
from edgefashion.report.format import clean
from edgefashion.report.grids import Grid, Row
from edgefashion.report.names import variant_names
from edgefashion.report.words import data_notes


def microcontroller_grids(report: MicrocontrollerReport) -> list[Grid]:
    """What each model takes and answers there; and the arenas of the interpreter that others use, if any were asked."""
    grids = [emulation_grid(report)]
    if report.arenas:
        grids.append(arena_grid(report.arenas))
    return grids


def emulation_grid(report: MicrocontrollerReport) -> Grid:
    """One row a model: what it adds to firmware, what a call takes, and whether its answers are right."""
    names = variant_names(result.artifact for result in report.results)
    levels = dict.fromkeys(result.flags[-1] for result in report.results)
    tools = [f"{clean(tool)}: {clean(version)}" for tool, version in report.tools.items()]
    return Grid(
        title=f"On an emulated Cortex-M4 · compiled with {', '.join(map(clean, levels))}",
        columns=(
            "variant",
            "flash",
            "RAM, fixed",
            "stack",
            "instructions a picture",
            "pictures",
            "bit-exact",
            "verdict",
        ),
        rows=tuple(_row(result, names[result.artifact.sha256]) for result in report.results),
        words=frozenset({0, 7}),
        notes=(
            *(
                f"{names[result.artifact.sha256]} fails: {words}"
                for result in report.results
                if (words := _failure(result))
            ),
            "instructions are counted, not timed: a board's caches, flash and pipeline are not emulated",
            "flash and RAM: what the model adds to firmware; stack: what one call takes, measured by painting it",
            "bit-exact: logits as in ONNX Runtime on the host; float32 sums in another order, and need not be",
            f"board: {clean(report.board)}",
            *tools,
            *data_notes(report.data),
        ),
    )


def arena_grid(arenas: list[ArenaSize]) -> Grid:
    """One row a model that TensorFlow Lite Micro interprets."""
    names = variant_names(each.artifact for each in arenas)
    return Grid(
        title="Memory for tensors in TensorFlow Lite Micro",
        columns=("variant", "arena"),
        rows=tuple(Row((names[each.artifact.sha256], fmt.size(each.arena_bytes))) for each in arenas),
        notes=("the interpreter's own code and the model's file come on top",),
    )


def _row(result: Emulation, name: str) -> Row:
    counts = sorted(picture.instructions for picture in result.pictures)
    cells = (
        name,
        fmt.size(result.flash_bytes),
        fmt.size(result.ram_bytes),
        fmt.size(result.stack_bytes),
        _range(counts[0], counts[-1]),
        fmt.count(len(counts)),
        fmt.count(result.bit_exact),
        "PASS" if result.passed else "FAIL",
    )
    return Row(cells, "good" if result.passed else "bad")


def _range(low: int, high: int) -> str:
    return fmt.count(low) if low == high else f"{fmt.count(low)} to {fmt.count(high)}"


def _failure(result: Emulation) -> str:
    failed = next((check for check in result.checks if not check.passed), None)
    if failed is None:
        return ""
    return f"{clean(failed.name)} is {failed.value:.6g}, must be {failed.relation} {failed.limit:.6g}"
