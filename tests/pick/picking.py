"""Benchmarks made by hand: a few models of which everything that a choice looks at is said in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from edgefashion.records import (
    ArtifactInfo,
    BenchReport,
    Cell,
    CellResult,
    DataIdentity,
    Environment,
    Interval,
    Quality,
)

IMAGES = 10_000
LABELS = ["Shirt", "Coat"]


@dataclass(frozen=True)
class Measured:
    """A cell, its figures and its launches; no figures where it could not be measured."""

    cell: Cell
    result: CellResult | None
    launches: Sequence[Any] = ()


def interval(value: float, half: float) -> Interval:
    """`half` is a share of the value."""
    return Interval(value=value, low=value * (1 - half), high=value * (1 + half))


def quality(right: int) -> Quality:
    """Two classes of 5,000 pictures, mistaken for each other equally often; `right` is even."""
    hits, share = right // 2, right / IMAGES
    score = {"precision": share, "recall": share, "f1": share, "images": IMAGES // 2}
    return Quality(
        images=IMAGES,
        accuracy=share,
        macro_f1=share,
        weighted_f1=share,
        weighted_precision=share,
        weighted_recall=share,
        cross_entropy=0.4,
        per_class=msgspec.convert([{"label": label, **score} for label in LABELS], Any),
        confusion=[[hits, 5000 - hits], [5000 - hits, hits]],
    )


def model(
    name: str,
    *,
    size: int = 50_000,
    right: int | None = 9_000,
    p50_us: float | None = 100,
    p99_us: float | None = 150,
    half: float = 0.05,
    calls: Sequence[int] = (),
    calls_per_sample: int = 1,
    is_measured: bool = True,
    **changes: Any,
) -> Measured:
    """A model that 10 launches measured; figures that are None are not known.

    Args:
        name: Its variant, and the first word of its label.
        size: Bytes.
        right: Pictures of 10,000 that it gets right.
        p50_us: Microseconds; p90 is a tenth longer.
        p99_us: Microseconds.
        half: Half of the latencies' intervals, as a share.
        calls: Samples of each launch that the document keeps.
        calls_per_sample: How many calls one of these stands for.
        is_measured: Whether there is a result.
        changes: Of the cell, and of the session: runtime, provider, threads.
    """
    session = {"runtime": "onnxruntime", "provider": "CPUExecutionProvider"}
    session |= {key: changes.pop(key) for key in ("runtime", "provider", "threads") if key in changes}
    info = ArtifactInfo(
        name="run",
        variant=name,
        file=f"{name}.onnx",
        sha256=name.encode().hex().ljust(64, "0"),
        size_bytes=size,
        precision="int8",
        scheme=None,
    )
    setting = {"session": session, "batch": 1, "reference": name, **changes}
    label = f"{name} {session.get('threads', 1)} {setting['batch']} {setting.get('role', '')}".strip()
    cell = msgspec.convert({"label": label, "artifact": msgspec.to_builtins(info), **setting}, Cell)
    known = {
        "median_s": p50_us and interval(p50_us / 1e6, half),
        "p90_s": p50_us and interval(1.1 * p50_us / 1e6, half),
        "p99_s": p99_us and interval(p99_us / 1e6, half),
        **dict.fromkeys(("clean_median_s", "mean_s", "p999_s")),
    }
    result = {
        "cell": label,
        "launches": 10,
        "calls": 0,
        "blocks": 0,
        "disturbed_blocks": 0,
        "latency": msgspec.to_builtins(known),
        "throughput_per_s": 1.0,
        "comparison": None,
        "rank": "not ranked",
        "labels": [],
        "quality": right and msgspec.to_builtins(quality(right)),
        "decisions": "",
        "placement": None,
        "startup": dict.fromkeys(("spawn_s", "import_s", "session_s", "first_run_s", "second_run_s"), 0.1),
        "model_bytes": 0,
        "peak_bytes": 0,
        "energy": None,
    }
    launches = [_launch(label, count, calls_per_sample) for count in calls]
    return Measured(cell, msgspec.convert(result, CellResult) if is_measured else None, launches)


def bench(*models: Measured, noise: str = "quiet", failures: dict[str, str] | None = None) -> BenchReport:
    """A benchmark of these models."""
    return msgspec.convert(
        {
            "kind": "benchmark",
            "data": _DATA,
            "plan": {
                "cells": [msgspec.to_builtins(each.cell) for each in models],
                "reference": models[0].cell.label,
                "duplicate": "",
                "budget_s": 60.0,
                "min_generations": 10,
                "max_generations": 10,
                "rounds": 1,
                "block_s": 0.03,
                "precision": 0.01,
                "warmup_cap_s": 1.0,
                "seed": 0,
            },
            "launches": [launch for each in models for launch in each.launches],
            "canaries": [],
            "order": [],
            "host": {
                "wall_s": 1.0,
                **dict.fromkeys(("steal_share", "pressure_share", "throttled_share", "throttled_periods")),
            },
            "results": [msgspec.to_builtins(each.result) for each in models if each.result],
            "failures": [{"cell": cell, "reason": reason} for cell, reason in (failures or {}).items()],
            "noise": {
                "level": noise,
                "signals": [{"name": "canary", "value": 0.5, "level": noise, "words": "canary drifted by 50 %"}],
            },
            "warnings": [],
            "partial": False,
            "wall_s": 60.0,
            "environment": msgspec.to_builtins(_MACHINE),
        },
        BenchReport,
    )


def _launch(cell: str, calls: int, calls_per_sample: int) -> dict[str, Any]:
    sizes = ("imported_bytes", "model_bytes", "session_peak_bytes", "run_peak_bytes")
    return {
        "cell": cell,
        "generation": 0,
        "started_s": 0.0,
        "cpus": [0],
        "threads_seen": 1,
        "cold": dict.fromkeys(("spawn_s", "import_s", "session_s", "first_run_s", "second_run_s"), 0.1),
        "memory": {**dict.fromkeys(sizes, 0), "phases_apart": True},
        "steady": True,
        "warmup_calls": 0,
        "warmup_ns": [],
        "calls_per_sample": calls_per_sample,
        "blocks_ns": [[1] * calls],
        "switches": [0],
    }


_DATA = msgspec.to_builtins(
    DataIdentity(
        name="fashion-mnist",
        sha256="d1" * 32,
        train_images=1,
        validation_images=1,
        test_images=IMAGES,
        is_sample=False,
        labels=LABELS,
        image_shape=[28, 28],
    )
)
_MACHINE = Environment(
    cpu="Example CPU",
    cores=1,
    usable_cores=1,
    memory_bytes=1,
    system="Linux",
    python="3.11",
    versions={},
    container=None,
    hypervisor=False,
    governor=None,
    accelerators=[],
)
