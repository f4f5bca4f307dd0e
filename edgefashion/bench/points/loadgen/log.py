"""Reading what MLPerf LoadGen writes: its results exist only in its logs.

`mlperf_log_detail.txt` holds one JSON object a line behind the mark `:::MLLOG`; the summary beside it says the same
in prose.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgefashion.errors import BadInput
from edgefashion.records import QueryLatency

_MARK = ":::MLLOG "
# LoadGen's key of the pictures answered a second differs by scenario; MultiStream has none.
_RATES = ("result_qps_with_loadgen_overhead", "result_samples_per_second", "result_completed_samples_per_sec")


@dataclass(frozen=True)
class LogFacts:
    """What a run's detailed log says.

    Attributes:
        version: LoadGen's own.
        valid: Its verdict.
        reasons: Why it is not valid; empty where it is.
        queries: Issued queries.
        samples_per_query: Pictures in each.
        min_duration_s: What was demanded.
        latency: Over queries; in Offline, where all are scheduled at the start, that of waiting in line.
        samples_per_s: Pictures answered a second, where the scenario has that figure.
    """

    version: str
    valid: bool
    reasons: list[str]
    queries: int
    samples_per_query: int
    min_duration_s: float
    latency: QueryLatency
    samples_per_s: float | None


def read_detail(text: str) -> LogFacts:
    """The facts in the text of a `mlperf_log_detail.txt`.

    Raises:
        BadInput: The test did not come to its end, or this LoadGen writes another log.
    """
    try:
        entries = [json.loads(line.removeprefix(_MARK)) for line in text.splitlines() if line.startswith(_MARK)]
        values = {entry["key"]: entry["value"] for entry in entries}
        valid = values["result_validity"] == "VALID"
        return LogFacts(
            version=values["loadgen_version"],
            valid=valid,
            reasons=[] if valid else _reasons(entries, values),
            queries=values["result_query_count"],
            samples_per_query=values["effective_samples_per_query"],
            min_duration_s=values["effective_min_duration_ms"] / 1e3,
            latency=_latency(values),
            samples_per_s=next((values[key] for key in _RATES if key in values), None),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"LoadGen's log holds no result: {type(error).__name__}: {error}") from None


def _reasons(entries: list[dict[str, Any]], values: Mapping[str, Any]) -> list[str]:
    said = [entry["value"] for entry in entries if entry["key"] == "result_invalid_reason"]
    if not values["early_stopping_met"]:
        said.append(values["early_stopping_result"].replace(" * ", " "))
    said += [entry["value"] for entry in entries if entry["metadata"]["is_error"]]
    in_lines = [" ".join(reason.split()) for reason in said]
    return [reason for reason in in_lines if reason]  # a run stopped early has a reason, but an empty recommendation


def _latency(values: Mapping[str, Any]) -> QueryLatency:
    def percentile_s(percent: str) -> float:
        return float(values[f"result_{percent}_percentile_latency_ns"]) / 1e9

    return QueryLatency(
        mean_s=values["result_mean_latency_ns"] / 1e9,
        p50_s=percentile_s("50.00"),
        p90_s=percentile_s("90.00"),
        p95_s=percentile_s("95.00"),
        p97_s=percentile_s("97.00"),
        p99_s=percentile_s("99.00"),
        p999_s=percentile_s("99.90"),
    )
