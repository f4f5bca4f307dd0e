"""One launch: a fresh process that opens the model, proves that it is right, warms up, and times blocks.

It is started by `launching` and speaks JSON lines, as edgefashion's own workers do: a job comes in, what was found
while becoming ready goes out; then each line that comes in is answered with one block of samples.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from edgefashion.bench.process.isolation import (
    count_threads_inside,
    die_with_parent,
    involuntary_switches,
    peak_resident_bytes,
    reset_peak,
)
from edgefashion.bench.process.sampling import Calls, settle, time_block, warm_up
from edgefashion.errors import EdgefashionError, ExitCode
from edgefashion.kit.runner.parity import answer, read_golden, read_model
from edgefashion.kit.runner.runtimes import load_runtime


def main(entered_ns: int) -> None:
    """Serve one job on stdin and a private copy of stdout; `entered_ns` is the monotonic clock at the first line."""
    die_with_parent()
    # Libraries that print must not write into the protocol.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        _serve(sys.stdin, replies, entered_ns)
    except EdgefashionError as error:
        _reply(replies, {"error": str(error), "code": int(error.exit_code)})
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        _reply(replies, {"error": f"{type(error).__name__}: {error}", "code": int(ExitCode.BUG)})
        sys.exit(ExitCode.BUG)


def _serve(commands: TextIO, replies: TextIO, entered_ns: int) -> None:
    job = json.loads(commands.readline())
    calls, ready = _prepare(job, entered_ns)
    _reply(replies, ready)
    for _ in commands:
        _reply(replies, _block(calls, seconds=job["block_s"], calls_per_sample=ready["calls_per_sample"]))


def _prepare(job: dict[str, Any], entered_ns: int) -> tuple[Calls, dict[str, Any]]:
    """Open the model, check its answers, warm it up.

    Raises:
        CheckFailed: It answers wrongly, or a thread left its processors.
    """
    kit, folder = job["kit"], Path(job["folder"])
    runtime = load_runtime(kit["runtime"])
    runtime.version()
    golden = read_golden(folder, kit)
    imported_ns = time.monotonic_ns()
    before_bytes = _resident_bytes()
    phases_apart = reset_peak()
    model = runtime.Model(read_model(folder, kit), threads=len(job["cpus"]))
    session_s = (time.monotonic_ns() - imported_ns) / 1e9
    batches = [picture[None] for picture in golden.pictures]
    first_run_s = _seconds(lambda: model.run(batches[0]))
    second_run_s = _seconds(lambda: model.run(batches[0]))
    after_bytes, session_peak_bytes = _resident_bytes(), peak_resident_bytes()
    answer(model, golden).require()
    calls = [model.bind(batch) for batch in batches]
    # Collected once and never again: a collection between blocks would cool the caches that settling warms.
    gc.collect()
    gc.freeze()
    reset_peak()
    warm = warm_up(calls, cap_s=job["warmup_cap_s"])
    return calls, {
        "threads_seen": count_threads_inside(job["cpus"]),
        "cold": {
            "spawn_s": (entered_ns - job["spawned_ns"]) / 1e9,
            "import_s": (imported_ns - entered_ns) / 1e9,
            "session_s": session_s,
            "first_run_s": first_run_s,
            "second_run_s": second_run_s,
        },
        "memory": {
            "imported_bytes": before_bytes,
            "model_bytes": max(0, after_bytes - before_bytes),
            "session_peak_bytes": session_peak_bytes,
            "run_peak_bytes": peak_resident_bytes(),
            "phases_apart": phases_apart,
        },
        "steady": warm.steady,
        "warmup_calls": warm.calls,
        "warmup_ns": warm.sub_blocks_ns,
        "calls_per_sample": warm.calls_per_sample,
    }


def _block(calls: Calls, *, seconds: float, calls_per_sample: int) -> dict[str, Any]:
    settle(calls, at_most_s=seconds)
    before = involuntary_switches()
    samples_ns = time_block(calls, seconds=seconds, calls_per_sample=calls_per_sample)
    return {"samples_ns": samples_ns, "switches": involuntary_switches() - before}


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _reply(replies: TextIO, content: dict[str, Any]) -> None:
    replies.write(json.dumps(content) + "\n")
