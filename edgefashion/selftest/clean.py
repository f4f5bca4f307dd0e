"""The same gates on sound models, each time on other pictures: none may fire."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgefashion.artifact import open_artifact
from edgefashion.errors import EdgefashionError
from edgefashion.records import Parity
from edgefashion.runtimes import default_spec, open_session
from edgefashion.selftest.latency import gate_on
from edgefashion.selftest.subject import Subject
from edgefashion.verify.contract import diagnose
from edgefashion.verify.locate import locate
from edgefashion.verify.reference import find_reference

_LOCATED_IMAGES = 32
_LATENCY_BUDGET_S = 6.0

Gate = Callable[[Subject, int], str | None]
"""From the subject and a seed to the alarm, None where there was none."""


def _float_parity(subject: Subject, seed: int) -> str | None:
    return _alarm(subject.judge(subject.fp32, reference=subject.part(seed)))


def _int8_parity(subject: Subject, seed: int) -> str | None:
    """Calibrated on other pictures each time, too."""
    return _alarm(subject.judge(subject.quantized(subject.data, seed=seed), reference=subject.part(seed)))


def _drift(subject: Subject, seed: int) -> str | None:
    chosen = np.random.default_rng(seed).permutation(len(subject.data.test))[:_LOCATED_IMAGES]
    first = locate(subject.fp32, subject.checkpoint, subject.data.test.pixels[chosen]).first
    return None if first is None else f"{first.layer} is said to depart"


def _contract(subject: Subject, seed: int) -> str | None:
    """The sound model's own answers, off by what another order of sums may do."""
    golden = find_reference(subject.fp32, subject.data, "golden").logits
    ulps = np.random.default_rng(seed).uniform(-8, 8, golden.shape).astype(np.float32)
    found = diagnose(subject.fp32, golden + ulps * np.spacing(np.abs(golden).max()))
    return None if found.passed else found.sentence


def _placement(subject: Subject, seed: int) -> str | None:
    del seed  # a placement hangs on nothing random
    with open_session(subject.fp32, default_spec(subject.fp32)) as session:
        nodes = session.placement.nodes
    return None if set(nodes) == {"CPUExecutionProvider"} else f"nodes on {', '.join(nodes)}"


def _seal(subject: Subject, seed: int) -> str | None:
    path = subject.folder / f"copy-{seed}.onnx"
    path.write_bytes(subject.fp32.content)
    return None if open_artifact(path).content == subject.fp32.content else "the copy differs"


def _latency(subject: Subject, seed: int) -> str | None:
    with tempfile.TemporaryDirectory(dir=subject.folder) as folder:
        gate = gate_on(subject.fp32.path, Path(folder), more=0, budget_s=_LATENCY_BUDGET_S, seed=seed)
    return gate.reasons[0] if gate.verdict == "FAIL" else None


def _alarm(parity: Parity) -> str | None:
    fired = [f"{each.name} {each.value:.3g}, limit {each.limit:.3g}" for each in parity.checks if not each.passed]
    return "; ".join(fired) or None


def try_gate(gate: Gate, subject: Subject, seed: int) -> str | None:
    """The alarm of one gate; an error is one as well."""
    try:
        return gate(subject, seed)
    except EdgefashionError as error:
        return str(error)


CLEAN: dict[str, Gate] = {
    "verify, float32": _float_parity,
    "verify, int8": _int8_parity,
    "verify --locate": _drift,
    "verify --outputs": _contract,
    "placement": _placement,
    "seal": _seal,
    "bench --baseline": _latency,
}
