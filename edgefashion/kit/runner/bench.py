"""Latency by edgefashion's method: fresh pinned processes, interleaved blocks, the launch as the unit.

The model is measured twice, as itself and as a second copy: the ratio of the two must be 1, and how far it is off shows
what this device lets be told apart.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgefashion.bench.machine.canary import spin_ns
from edgefashion.files import SEAL_KEY, UNSEALED, seal
from edgefashion.kit.runner.device import describe
from edgefashion.kit.runner.figures import latency, medians_ns, paired_ratio, startup
from edgefashion.kit.runner.launching import Launch
from edgefashion.kit.runner.parity import Answers

MODEL, COPY = "model", "second copy"

_ROUNDS = 6  # blocks a launch
_BLOCK_S = 0.03
_WARMUP_CAP_S = 10.0


def measure(
    folder: Path,
    kit: dict[str, Any],
    answers: Answers,
    *,
    cpus: Sequence[int],
    launches: int,
    seed: int,
    name: str | None,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """The content of a result, without its seal.

    Args:
        folder: Of the kit.
        kit: What kit.json says.
        answers: Of the self-test, which passed.
        cpus: Processors to be pinned to; as many threads.
        launches: Of the model, and as many of its second copy.
        seed: Decides the order of launches and blocks.
        name: What the device is called; the name it gives itself by default.
        note: Is told after each generation.

    Raises:
        CheckFailed: A launch crashed, hung, answered wrongly, or left its processors.
    """
    started_s = time.monotonic()
    draw = random.Random(seed)  # noqa: S311 - a reproducible order, not a secret
    job = {
        "folder": str(folder),
        "kit": kit,
        "cpus": list(cpus),
        "block_s": _BLOCK_S,
        "warmup_cap_s": _WARMUP_CAP_S,
    }
    measured: list[dict[str, Any]] = []
    canaries, order = [], []
    for generation in range(launches):
        made, canary, drawn = _generation(job, generation, draw, started_s)
        measured += made
        canaries.append(canary)
        order += drawn
        note(f"generation {generation + 1} of {launches}")
    models, copies = ([each for each in measured if each["cell"] == cell] for cell in (MODEL, COPY))
    environment = describe(kit)
    return {
        "kind": "kit-result",
        "schema": kit["schema"],
        "kit": kit[SEAL_KEY],
        "artifact": kit["artifact"],
        "device": name or environment["board"] or environment["cpu"],
        "runtime": f"{kit['runtime']} {environment['versions'][kit['runtime']]}",
        "threads": len(cpus),
        "batch": 1,
        "seed": seed,
        "block_s": _BLOCK_S,
        "selftest": asdict(answers),
        "launches": measured,
        "canaries": canaries,
        "order": order,
        "latency": latency(models),
        "startup": startup(models),
        "duplicate": paired_ratio(medians_ns(copies), medians_ns(models)),
        "wall_s": time.monotonic() - started_s,
        "environment": environment,
    }


def to_document(content: dict[str, Any]) -> bytes:
    """A result as sealed JSON."""
    return seal(json.dumps({SEAL_KEY: UNSEALED, **content}, ensure_ascii=False).encode() + b"\n")


def _generation(
    job: dict[str, Any], generation: int, draw: random.Random, started_s: float
) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """One launch of the model and one of its copy, side by side; the canary meanwhile, and the order of the blocks."""
    cells = draw.sample((MODEL, COPY), 2)
    begun_s: dict[str, float] = {}
    blocks: dict[str, list[dict[str, Any]]] = {cell: [] for cell in cells}
    spins_ns, order = [], []
    with ExitStack() as stack:
        running = {}
        errors = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgefashion-kit-"))
        for cell in cells:
            begun_s[cell] = time.monotonic() - started_s
            running[cell] = stack.enter_context(Launch(job, Path(errors) / cell))
        canary_s = time.monotonic() - started_s
        for _ in range(_ROUNDS):
            spins_ns.append(spin_ns())
            for cell in draw.sample(cells, len(cells)):
                blocks[cell].append(running[cell].block())
                order.append(cell)
    launches = [
        {
            "cell": cell,
            "generation": generation,
            "started_s": begun_s[cell],
            "cpus": job["cpus"],
            **running[cell].ready,
            "blocks_ns": [block["samples_ns"] for block in blocks[cell]],
            "switches": [block["switches"] for block in blocks[cell]],
        }
        for cell in cells
    ]
    return launches, {"generation": generation, "started_s": canary_s, "spins_ns": spins_ns}, order
