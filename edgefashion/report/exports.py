"""Benchmarks for other tools: pyperf, and the GitHub action that keeps a history of benchmarks."""

import json

from edgefashion.errors import BadInput
from edgefashion.records import BenchReport, Cell, CellResult, Launch
from edgefashion.report import format as fmt
from edgefashion.report.format import clean
from edgefashion.report.names import measured
from edgefashion.report.words import verdict_on


def to_pyperf(bench: BenchReport) -> str:
    """JSON that pyperf reads: one benchmark a cell, one run a launch, one value a sample, in seconds of one call.

    Warm-ups are left out, because pyperf expects raw samples of them and a launch keeps their medians.

    Raises:
        BadInput: There is no sample.
    """
    runs = {cell.label: [_run(each) for each in bench.launches if each.cell == cell.label] for cell in bench.plan.cells}
    benchmarks = [{"metadata": _about(cell), "runs": runs[cell.label]} for cell in bench.plan.cells if runs[cell.label]]
    if not benchmarks:
        raise BadInput("this benchmark holds no sample: there is nothing that pyperf could read")
    environment = bench.environment
    machine = {
        "cpu_count": environment.cores,
        "cpu_model_name": environment.cpu,
        "platform": environment.system,
        "python_version": environment.python,
        "unit": "second",
    }
    # The format's version, not pyperf's.
    suite = {"version": "1.0", "metadata": _metadata(machine), "benchmarks": benchmarks}
    return json.dumps(suite, ensure_ascii=False) + "\n"


def to_benchmark_action(bench: BenchReport) -> str:
    """JSON for github-action-benchmark's tool `customSmallerIsBetter`: the median of each model, in µs.

    A cell goes by its label, which holds every setting: a history compares like with like. Cells that judge the
    measurement are left out, because an alert about one of them would be about the machine.

    Raises:
        BadInput: No model has a median.
    """
    entries = [
        {
            "name": clean(cell.label),
            "unit": "µs",
            "value": round(median.value * 1e6, 4),
            "range": f"± {(median.high - median.low) / 2 * 1e6:.4f}",
            "extra": _extra(bench, result),
        }
        for cell, result in measured(bench)
        if cell.role == "subject" and (median := result.latency.median_s)
    ]
    if not entries:
        raise BadInput("this benchmark holds no median of a model: there is nothing that a history could keep")
    return json.dumps(entries, ensure_ascii=False, indent=2) + "\n"


def _run(launch: Launch) -> dict[str, object]:
    calls = launch.calls_per_sample
    metadata = {
        "loops": calls,
        "cpu_affinity": ",".join(map(str, launch.cpus)),
        "mem_max_rss": max(launch.memory.session_peak_bytes, launch.memory.run_peak_bytes),
        "generation": launch.generation,
    }
    values_s = [sample / calls / 1e9 for block in launch.blocks_ns for sample in block]
    return {"metadata": _metadata(metadata), "values": values_s}


def _about(cell: Cell) -> dict[str, object]:
    return _metadata({"name": cell.label, "description": f"{cell.role}, {cell.scenario}, batch {cell.batch}"})


def _metadata(facts: dict[str, object]) -> dict[str, object]:
    """Facts as pyperf accepts them: no text with line breaks and none that is empty."""
    tidy = {name: clean(value).strip() if isinstance(value, str) else value for name, value in facts.items()}
    return {name: value for name, value in tidy.items() if value != ""}


def _extra(bench: BenchReport, result: CellResult) -> str:
    comparison, p99 = result.comparison, result.latency.p99_s
    lines = [
        f"95 % interval over {result.launches} launches, {result.calls} calls",
        f"p99 {fmt.duration(p99.value) if p99 else fmt.MISSING}",
        *(
            [f"ratio {fmt.ratio(comparison.ratio)} to {clean(bench.plan.cell(result.cell).reference)}"]
            if comparison
            else []
        ),
        verdict_on(result),
        f"machine: {bench.noise.level}",
    ]
    return "\n".join(lines)
