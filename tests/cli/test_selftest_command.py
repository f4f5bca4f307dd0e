"""`edgefashion selftest`."""

import json
from typing import Any

import msgspec
import pytest

from edgefashion.data import Dataset

pytest.importorskip("torch")

from edgefashion import environment
from edgefashion.records import ArtifactInfo, CleanResult, FaultResult, FaultVerdict, SelftestReport


def report(sample: Dataset, *, verdict: FaultVerdict, alarms: list[str]) -> SelftestReport:
    """A self-test with one fault and one gate."""
    return SelftestReport(
        artifact=ArtifactInfo("tiny", "fp32", "fp32.onnx", "0" * 64, 1, "float32", None),
        data=sample.identity,
        faults=[FaultResult("a flipped bit", "seal", verdict, evidence="refused", wall_s=0.1)],
        clean=[CleanResult("placement", 1, alarms)],
        environment=environment.describe(),
    )


@pytest.mark.parametrize(
    ("verdict", "alarms", "code", "word"),
    [
        ("caught", [], 0, "caught"),
        ("missed", [], 1, "missed"),
        ("undecided", [], 3, "undecided"),
        ("not applicable", [], 0, "not applicable"),
        ("caught", ["wolf"], 1, "ALARM"),
    ],
)
def test_the_exit_code_says_whether_every_gate_works(
    run: Any,
    tiny_run: Any,
    sample: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    verdict: FaultVerdict,
    alarms: list[str],
    code: int,
    word: str,
) -> None:
    """A missed fault and a false alarm both end in 1, and the table names them."""
    found = report(sample, verdict=verdict, alarms=alarms)
    monkeypatch.setattr("edgefashion.selftest.run", lambda *_, **__: found)
    outcome = run("selftest", tiny_run, "--quick")
    assert code == outcome.code
    assert word in outcome.out
    assert msgspec.to_builtins(found)["faults"] == json.loads(run("selftest", tiny_run, "--json").out)["faults"]
