"""Benchmarks that say more than latencies: other operating points, and where the time goes."""

import msgspec
from examples import BASE, STATIC, bench, interval
from pieces import FP32

from edgefashion.records import (
    Bandwidth,
    BenchReport,
    Ceilings,
    LoadgenRun,
    Operator,
    Profile,
    QueryLatency,
    Roofline,
    SustainedRun,
    Window,
)


def elsewhere() -> BenchReport:
    """Other operating points: LoadGen said VALID and INVALID, one long run changed and one was too short to tell."""
    latency = QueryLatency(
        mean_s=86e-6, p50_s=85e-6, p90_s=91e-6, p95_s=95e-6, p97_s=99e-6, p99_s=150e-6, p999_s=400e-6
    )
    single = LoadgenRun(
        cell=BASE.label,
        scenario="SingleStream",
        loadgen="5.1",
        valid=True,
        reasons=[],
        queries=50000,
        samples_per_query=1,
        batch=1,
        min_duration_s=10.0,
        target_qps=None,
        latency_bound_s=None,
        latency=latency,
        samples_per_s=11000.0,
        closed_loop_s=84e-6,
        threads_seen=3,
        logs="loadgen",
    )
    server = msgspec.structs.replace(
        single, scenario="Server", valid=False, reasons=["Min queries"], target_qps=500.0, latency_bound_s=0.002
    )
    offline = msgspec.structs.replace(single, scenario="Offline", latency=None)
    windows = [
        Window(started_s=float(at), calls=11000, median_s=84e-6 * (1 + 0.001 * at), p99_s=None) for at in range(40)
    ]
    long_run = SustainedRun(
        cell=BASE.label,
        batch=1,
        windows=windows,
        start=interval(84.3e-6),
        end=interval(87.1e-6),
        change=interval(1.033, 0.004),
    )
    short = msgspec.structs.replace(long_run, cell=STATIC.label, windows=windows[:2], start=None, end=None, change=None)
    return msgspec.structs.replace(
        bench(),
        loadgen=[single, server, offline],
        sustained=[long_run, short],
        operating_points="the ranking is the same at all 2 operating points",
    )


def profiled() -> BenchReport:
    """Two models under the same ceilings."""
    operators = [
        Operator(
            node=f"conv{number}",
            layer=f"features.{number}",
            op_type="Conv",
            provider="CPUExecutionProvider",
            time_s=20e-6 / number,
            profiled_s=25e-6 / number,
            operations=1_000_000 // number,
            bytes_moved=40_000,
            arithmetic="float",
        )
        for number in (1, 2, 3)
    ]
    profile = Profile(
        artifact=FP32,
        session=BASE.session,
        batch=1,
        cpus=[1],
        calls=500,
        call_s=50e-6,
        profiled_call_s=70e-6,
        probe_s=1e-6,
        probe_per_input_s=1e-7,
        resolution_s=1e-6,
        operators=operators,
    )
    ceilings = Ceilings(
        cpus=[1],
        float_per_s=2e11,
        int8_per_s=None,
        bandwidths=[Bandwidth(level="memory", capacity_bytes=None, bytes_per_s=2e10)],
        source="a loop of multiply-adds",
    )
    first = Roofline(
        profile=profile, ceilings=ceilings, spent=None, bound="undecided", sentence="fp32 is bound by nothing known"
    )
    second = msgspec.structs.replace(first, profile=msgspec.structs.replace(profile, batch=8))
    return msgspec.structs.replace(bench(), rooflines=[first, second])
