"""Every fault once, then every gate on sound models several times."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgefashion import environment
from edgefashion.data import Dataset
from edgefashion.errors import EdgefashionError
from edgefashion.records import CleanResult, FaultResult, SelftestReport
from edgefashion.selftest.clean import CLEAN, try_gate
from edgefashion.selftest.damage import NotApplicable
from edgefashion.selftest.faults import FAULTS, Fault, Outcome
from edgefashion.selftest.subject import Subject


def run(
    folder: Path,
    data: Dataset,
    *,
    clean: int = 20,
    faults: Sequence[Fault] = FAULTS,
    note: Callable[[str], None] = lambda _: None,
) -> SelftestReport:
    """Inject every fault into the models of a run, then repeat every gate on the sound ones.

    Args:
        folder: A run with its checkpoint and float32 export; nothing in it is changed.
        data: Test pictures judge, training pictures calibrate.
        clean: Repetitions on sound models, each on another half of the test pictures and calibrated on others.
        faults: Which faults.
        note: Is told what is tried.

    Raises:
        BadInput: The run is damaged.
        NotAvailable: What exports and quantizes is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="edgefashion-") as name:
        subject = Subject.of(folder, data, Path(name))
        caught = []
        for fault in faults:
            note(f"injecting: {fault.name} ({fault.gate})")
            caught.append(_inject(fault, subject))
        alarms: dict[str, list[str]] = {gate: [] for gate in CLEAN}
        for seed in range(clean):
            note(f"sound models, repetition {seed + 1} of {clean}")
            for gate, ask in CLEAN.items():
                alarm = try_gate(ask, subject, seed)
                alarms[gate] += [] if alarm is None else [alarm]
    return SelftestReport(
        artifact=subject.fp32.info,
        data=data.identity,
        faults=caught,
        clean=[CleanResult(gate=gate, repetitions=clean, alarms=found) for gate, found in alarms.items()],
        environment=environment.describe(),
    )


def _inject(fault: Fault, subject: Subject) -> FaultResult:
    started_s = time.monotonic()
    try:
        outcome = fault.inject(subject)
    except EdgefashionError as error:
        # Another gate was faster; the one that must see this fault was not asked.
        outcome = Outcome("missed", f"not the gate, but: {error}")
    except NotApplicable as reason:
        outcome = Outcome("not applicable", str(reason))
    return FaultResult(
        fault=fault.name,
        gate=fault.gate,
        verdict=outcome.verdict,
        evidence=outcome.evidence,
        wall_s=time.monotonic() - started_s,
    )
