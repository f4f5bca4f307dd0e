"""The figures of every cell, put together from its launches, its quality and its rank."""

from collections.abc import Mapping
from statistics import median

from edgefashion.bench import analyse
from edgefashion.bench.analyse import launches_of, standings
from edgefashion.bench.process.probe import Found
from edgefashion.bench.scenarios import period_s
from edgefashion.bench.schedule import Raw
from edgefashion.bench.truth import Key, Truth, key
from edgefashion.bench.verdict import labels, rank
from edgefashion.records import Cell, CellResult, Comparison, Energy, Noise, Plan, Rank


def results_of(
    plan: Plan,
    raw: Raw,
    *,
    compared: Mapping[str, Comparison],
    noise: Noise,
    truths: Mapping[Key, Truth],
    energy: Mapping[str, Energy],
    footprints: Mapping[str, Found],
) -> list[CellResult]:
    """One result a cell that was measured, in the plan's order."""
    half_widths = {standing.label: standing.half_width for standing in standings(plan, raw.medians)}
    return [
        _result(
            cell,
            plan,
            raw,
            comparison=compared.get(cell.label),
            half_width=half_widths[cell.label],
            truth=truths.get(key(cell)),
            ranked=rank(cell.label, plan, compared, noise),
            energy=energy.get(cell.label),
            footprint=footprints[cell.session.runtime],
        )
        for cell in plan.cells
        if raw.medians.get(cell.label) and cell.label not in raw.failed
    ]


def disturbed_share(raw: Raw) -> float:
    """The share of blocks in which a worker lost its processor against its will."""
    switches = [count for launch in raw.launches for count in launch.switches]
    return sum(count > 0 for count in switches) / len(switches) if switches else 0.0


def _result(
    cell: Cell,
    plan: Plan,
    raw: Raw,
    *,
    comparison: Comparison | None,
    half_width: float,
    truth: Truth | None,
    ranked: Rank,
    energy: Energy | None,
    footprint: Found,
) -> CellResult:
    launches = launches_of(cell.label, raw.launches)
    switches = [count for launch in launches for count in launch.switches]
    placement = raw.placements[cell.label]
    return CellResult(
        cell=cell.label,
        launches=len(launches),
        calls=analyse.count_calls(launches),
        blocks=len(switches),
        disturbed_blocks=sum(count > 0 for count in switches),
        latency=analyse.latency(launches),
        throughput_per_s=analyse.throughput_per_s(launches, batch=cell.batch, period_s=period_s(cell.scenario)),
        comparison=comparison,
        rank=ranked,
        labels=labels(launches, half_width=half_width, precision=plan.precision, placement=placement),
        quality=truth.quality if truth else None,
        decisions=truth.decisions.tobytes() if truth else b"",
        placement=placement,
        startup=analyse.startup(launches),
        model_bytes=int(median(launch.memory.model_bytes for launch in launches)),
        peak_bytes=raw.peaks_bytes[cell.label],
        energy=energy,
        runtime_version=footprint.version or "",
        runtime_bytes=footprint.runtime_bytes,
    )
