"""Every fault with the gate that stands against it: what is injected, and what the gate made of it."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edgefashion.artifact import open_artifact
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, NotAvailable
from edgefashion.quantize.layers import layers_of
from edgefashion.records import FaultVerdict, Parity, SessionSpec
from edgefashion.runtimes import default_spec, load_runtime, open_session, run_all
from edgefashion.selftest import damage
from edgefashion.selftest.damage import NotApplicable
from edgefashion.selftest.latency import gate_on
from edgefashion.selftest.subject import Subject
from edgefashion.verify import ReferenceLogits
from edgefashion.verify.contract import diagnose
from edgefashion.verify.locate import locate
from edgefashion.verify.reference import find_reference

_BATCH = 500
_FLIPPED_BITS = 32
_LOCATED_IMAGES = 32
_NOISE_SHARE = 0.05
# A decimal point too far to the left: pictures that calibrate are ten times darker than those that come later.
_DARKER = 10
_SAME = 1e-3
_FALLBACK = "AzureExecutionProvider"
_SLOWDOWN_BUDGETS_S = (12.0, 40.0)


@dataclass(frozen=True)
class Outcome:
    """What became of a fault, and what the gate said."""

    verdict: FaultVerdict
    evidence: str

    @classmethod
    def of(cls, *, caught: bool, evidence: str) -> "Outcome":
        """Caught or missed."""
        return cls("caught" if caught else "missed", evidence)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong in practice.

    Attributes:
        name: What is wrong.
        gate: Which check must say so.
        inject: Makes it wrong and asks the gate.
    """

    name: str
    gate: str
    inject: Callable[[Subject], Outcome]


def _train_mode(subject: Subject) -> Outcome:
    import torch

    from edgefashion.models.checkpoint import load_model

    model = load_model(subject.checkpoint).train()
    pixels = torch.from_numpy(subject.data.test.pixels.copy())  # read-only as it was read
    with torch.no_grad():
        parts = [model(pixels[start : start + _BATCH]) for start in range(0, len(pixels), _BATCH)]
    logits = torch.cat(parts).numpy()
    if np.abs(logits - subject.reference.logits).max() < _SAME:
        raise NotApplicable("no layer of this network behaves otherwise in training")
    wrong = dataclasses.replace(subject.reference, logits=logits)
    return _by_parity(subject.judge(subject.fp32, reference=wrong), "flipped decisions")


def _normalised_twice(subject: Subject) -> Outcome:
    return _by_parity(subject.judge(subject.damaged(damage.normalise_twice)), "flipped decisions")


def _named_by_contract(subject: Subject, change: Callable[[Any], None], words: str) -> Outcome:
    wrong = subject.damaged(change)
    first = diagnose(subject.fp32, _golden_logits(subject, wrong)).hypotheses[0]
    return Outcome.of(caught=words in first.fault and first.fits, evidence=f"ranked first: {first.fault}")


def _swapped_classes(subject: Subject) -> Outcome:
    wrong = subject.damaged(partial(damage.swap_classes, one=0, other=len(subject.data.labels) - 1))
    return _by_parity(subject.judge(wrong), "flipped decisions")


def _one_damaged_class(subject: Subject) -> Outcome:
    label = _best_known(subject.reference)
    wrong = subject.damaged(partial(damage.lower_class, label=label, by=_shift(subject.reference, label)))
    return _by_parity(subject.judge(wrong, as_int8=True), f"F1 drop of {subject.data.labels[label]}")


def _best_known(reference: ReferenceLogits) -> int:
    """The class with the most right answers: there is most to lose, and least that was lost before."""
    right = reference.labels[reference.logits.argmax(1) == reference.labels]
    return int(np.bincount(right).argmax())


def _shift(reference: ReferenceLogits, label: int) -> float:
    """How far a class must be lowered for half of its right answers to be lost."""
    others = np.delete(reference.logits, label, axis=1).max(1)
    ahead = (reference.logits[:, label] - others)[reference.labels == label]
    return float(np.median(ahead[ahead > 0]))


def _bad_calibration(subject: Subject) -> Outcome:
    pixels = subject.data.train.pixels // _DARKER
    dark: Dataset = dataclasses.replace(subject.data, train=dataclasses.replace(subject.data.train, pixels=pixels))
    return _by_parity(subject.judge(subject.quantized(dark, seed=1)), "top-1 agreement")


def _perturbed_weights(subject: Subject) -> Outcome:
    return _by_parity(subject.judge(subject.damaged(_perturb(subject)[1])), "largest logit difference")


def _perturbed_weights_located(subject: Subject) -> Outcome:
    layer, change = _perturb(subject)
    drift = locate(subject.damaged(change), subject.checkpoint, subject.data.test.pixels[:_LOCATED_IMAGES])
    found = drift.first.layer if drift.first else "nothing"
    return Outcome.of(caught=found == layer, evidence=f"first departs: {found}; damaged: {layer}")


def _perturb(subject: Subject) -> tuple[str, Callable[[Any], None]]:
    """A layer in the middle, and the change that spoils its weights."""
    import onnx

    layers = layers_of(onnx.load_model_from_string(subject.fp32.content))
    layer = layers[len(layers) // 2]
    return layer, partial(damage.perturb_weights, layer=layer, share=_NOISE_SHARE, seed=0)


def _cpu_fallback(subject: Subject) -> Outcome:
    # Most wheels of onnxruntime hold this provider, and it computes no node of such a graph: all fall to the CPU.
    absent = load_runtime("onnxruntime").available(_FALLBACK).providers.get(_FALLBACK, "it is not known here")
    if absent:
        raise NotApplicable(f"{_FALLBACK}, which would leave every node to the CPU, is not here: {absent}")
    try:
        with open_session(subject.fp32, SessionSpec(runtime="onnxruntime", provider=_FALLBACK)) as session:
            return Outcome("missed", f"opened without a word: {session.placement}")
    except NotAvailable as error:
        return Outcome.of(caught="took none of the" in str(error), evidence=str(error))


def _slower(subject: Subject) -> Outcome:
    said = ""
    for budget_s in _SLOWDOWN_BUDGETS_S:
        gate = gate_on(subject.fp32.path, subject.folder, more=1, budget_s=budget_s, seed=0)
        said = gate.reasons[0]
        if gate.verdict != "INCONCLUSIVE":  # more time may bring what a noisy machine withheld
            return Outcome.of(caught=gate.verdict == "FAIL", evidence=said)
    return Outcome("undecided", said)


def _flipped_bit(subject: Subject) -> Outcome:
    sound = subject.fp32.content
    random = np.random.default_rng(0)
    path = subject.folder / "flipped.onnx"
    passed = []
    said = ""
    for position in random.integers(0, 8 * len(sound), _FLIPPED_BITS).tolist():
        content = bytearray(sound)
        content[position // 8] ^= 1 << position % 8
        path.write_bytes(content)
        try:
            open_artifact(path)
            passed.append(position)
        except BadInput as error:
            said = str(error).removeprefix(str(path)).strip()
    whole = f"{_FLIPPED_BITS - len(passed)} of {_FLIPPED_BITS} flipped bits refused"
    return Outcome.of(caught=not passed, evidence=f"{whole}: {said}" if said else whole)


def _golden_logits(subject: Subject, candidate: Any) -> Any:
    """What a damaged model answers to the golden pictures of the sound one."""
    golden = find_reference(subject.fp32, subject.data, "golden")
    with open_session(candidate, default_spec(candidate)) as session:
        return run_all(session, golden.pixels)


def _by_parity(parity: Parity, expected: str) -> Outcome:
    """Whether the check that must fire did, among those that fired."""
    fired = [check for check in parity.checks if not check.passed]
    said = "; ".join(f"{each.name} {each.value:.3g}, limit {each.limit:.3g}" for each in fired)
    caught = any(each.name.startswith(expected) for each in fired)
    return Outcome.of(caught=caught, evidence=said or "every check passed")


FAULTS: tuple[Fault, ...] = (
    Fault("batch-norm left in training mode", "verify: flipped decisions", _train_mode),
    Fault("normalised twice", "verify: flipped decisions", _normalised_twice),
    Fault(
        "normalised twice, on a device",
        "verify --outputs: names it",
        partial(_named_by_contract, change=damage.normalise_twice, words="normalised twice"),
    ),
    Fault("two classes swapped", "verify: flipped decisions", _swapped_classes),
    Fault(
        "two classes swapped, on a device",
        "verify --outputs: names it",
        partial(_named_by_contract, change=partial(damage.swap_classes, one=0, other=1), words="permuted"),
    ),
    Fault("one class damaged", "verify: worst class", _one_damaged_class),
    Fault("calibrated on dark pictures", "verify: agreement", _bad_calibration),
    Fault("one weight tensor perturbed", "verify: largest logit difference", _perturbed_weights),
    Fault("one weight tensor perturbed", "verify --locate: names the layer", _perturbed_weights_located),
    Fault("a provider that leaves all to the CPU", "placement", _cpu_fallback),
    Fault("10 % slower", "bench --baseline", _slower),
    Fault("a flipped bit in the file", "seal", _flipped_bit),
)
