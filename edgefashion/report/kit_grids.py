"""The table of devices: what each made of the same model."""

from edgefashion.records.kit import DeviceRow, DeviceTable
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.grids import Grid, Row


def devices_grid(table: DeviceTable) -> Grid:
    """One row a result: device, runtime, decisions, latency, and how far it is from this machine's own figure."""
    return Grid(
        title="Devices",
        columns=(
            "device",
            "model",
            "runtime",
            "threads",
            "decisions equal",
            "median latency",
            "p99",
            "cold start",
            "second copy / model",
            "device / host",
        ),
        rows=tuple(map(_device, table.rows)),
        words=frozenset({0, 1, 2}),
        notes=_notes(table),
    )


def _device(row: DeviceRow) -> Row:
    result = row.result
    median, p99 = result.latency.median_s, result.latency.p99_s
    cells = (
        clean(result.device),
        clean(f"{result.artifact.name}/{result.artifact.variant}"),
        clean(result.runtime),
        str(result.threads),
        f"{result.selftest.equal_decisions} of {result.selftest.images}",
        fmt.duration_interval(median) if median else MISSING,
        fmt.duration(p99.value) if p99 else MISSING,
        fmt.duration(result.startup.total_s),
        fmt.ratio(result.duplicate),
        fmt.ratio(row.to_host) if row.to_host else MISSING,
    )
    return Row(cells)


def _notes(table: DeviceTable) -> tuple[str, ...]:
    host = (
        f"device / host: unpaired, measured apart from this machine ({clean(table.host)}), with Welch's 95 % interval; "
        "it compares machines, not models"
        if table.host
        else "device / host: this machine has no figure of the same model in the same setting"
    )
    return (
        "decisions equal: of the golden pictures, to those when the model was packed",
        "median latency: of one call of one picture, ± half of its 95 % interval over launches of that run",
        "second copy / model: the same model twice, interleaved; it must be 1",
        host,
        *(note for row in table.rows for note in _remarks(row)),
    )


def _remarks(row: DeviceRow) -> list[str]:
    """What a reader of this row has to know besides."""
    result = row.result
    name = clean(result.device)
    device, system = clean(result.environment.cpu), clean(result.environment.system)
    remarks = [f"{name}: {device}, {system}, canary drifted by {fmt.share(row.canary_drift)}"]
    if not result.duplicate.low <= 1 <= result.duplicate.high:
        remarks.append(f"{name}: a false alarm, the model differs from itself; no smaller difference is one")
    unsteady = sum(not launch.steady for launch in result.launches)
    if unsteady:
        remarks.append(f"{name}: {unsteady} of {len(result.launches)} launches came to no steady state")
    return remarks
