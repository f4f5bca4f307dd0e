"""The search for the worst input: it finds what no test picture shows, and says how it looked."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from search_cases import (
    ALTERED,
    cut_off,
    few_altered_pictures,  # noqa: F401 - a fixture for every test here
    not_a_number_when_bright,
    wrong_when_bright,
)

from edgefashion.artifact import Artifact, open_artifact
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, CheckFailed, NotAvailable, UsageError
from edgefashion.records.worst_case import FamilyWorst, WorstCases, WorstInput
from edgefashion.runtimes import default_spec, open_session, run_all
from edgefashion.verify.search import find_worst, reference_for
from edgefashion.verify.search import search as room
from edgefashion.verify.search.aims import RandomDirections
from edgefashion.verify.search.answers import NOT_FINITE, Answers, Pair
from edgefashion.verify.search.ledger import Ledger, insert_distinct

STEPS = 26  # one round of the ascent, and the start of the next


@pytest.fixture(scope="module")
def int8(tiny_run: Path) -> Artifact:
    """The tiny run's static int8 model."""
    return open_artifact(tiny_run / "int8-static.onnx")


@pytest.fixture(scope="module")
def truth(tiny_run: Path) -> Artifact:
    """The tiny run's checkpoint."""
    return open_artifact(tiny_run / "checkpoint.safetensors")


@pytest.fixture(scope="module")
def climbed(int8: Artifact, truth: Artifact, small: Dataset) -> WorstCases:
    """What a search with gradients finds for int8."""
    return find_worst(int8, truth, small, budget_s=None, max_steps=STEPS, seed=3)


def family(found: WorstCases, name: str) -> FamilyWorst:
    return next(each for each in found.families if each.name == name)


def timeless(found: WorstCases) -> WorstCases:
    return msgspec.structs.replace(found, elapsed_s=0.0)


# What it finds


def test_gradients_find_more(climbed: WorstCases, int8: Artifact, truth: Artifact, small: Dataset) -> None:
    """For int8 the ascent finds three times what the test pictures show, and twice what chance finds as often."""
    chance = find_worst(
        int8, truth, small, budget_s=None, max_steps=STEPS, seed=3, directions=RandomDirections("it was asked for")
    )
    assert climbed.tried == chance.tried
    assert "gradient" in climbed.method
    assert "it was asked for" in chance.method
    assert climbed.max_abs > 3 * family(climbed, "test pictures").max_abs
    assert climbed.max_abs > 2 * chance.max_abs
    assert climbed.families[:-2] == chance.families[:-2]


def test_what_is_told_can_be_measured(climbed: WorstCases, int8: Artifact, truth: Artifact) -> None:
    """Each input that is kept shows the difference and the decisions that are told of it, in the real runtimes."""
    kept = [*climbed.worst, *filter(None, [climbed.surest_flip]), climbed.largest_in_ulps]
    pixels = np.stack([np.frombuffer(each.pixels, np.uint8).reshape(28, 28) for each in kept])
    with open_session(int8, default_spec(int8)) as session, open_session(truth, default_spec(truth)) as other:
        candidate, reference = run_all(session, pixels), run_all(other, pixels)
    assert pytest.approx(np.abs(candidate - reference).max(axis=1), abs=1e-5) == [each.max_abs for each in kept]
    assert candidate.argmax(1).tolist() == [each.candidate_class for each in kept]
    assert reference.argmax(1).tolist() == [each.reference_class for each in kept]


def test_worst_inputs_are_distinct_and_ordered(climbed: WorstCases) -> None:
    """Eight inputs are told of, largest difference first, and no two of them are nearly the same."""
    assert len(climbed.worst) == 8
    differences = [each.max_abs for each in climbed.worst]
    assert differences == sorted(differences, reverse=True)
    assert differences[0] == max(each.max_abs for each in climbed.families)
    pixels = [np.frombuffer(each.pixels, np.uint8).astype(int) for each in climbed.worst]
    assert all(np.abs(one - other).mean() >= 8 for i, one in enumerate(pixels) for other in pixels[:i])


def test_same_seed_finds_the_same(climbed: WorstCases, int8: Artifact, truth: Artifact, small: Dataset) -> None:
    """Seed and number of steps decide every input; another seed tries others."""
    again = find_worst(int8, truth, small, budget_s=None, max_steps=STEPS, seed=3)
    other = find_worst(int8, truth, small, budget_s=0, seed=4)
    assert timeless(again) == timeless(climbed)
    assert climbed.families[0] == other.families[0]
    assert family(climbed, "binary noise") != family(other, "binary noise")


def test_clean_export_stays_within_its_limit(fp32: Artifact, truth: Artifact, small: Dataset) -> None:
    """Nothing that is tried takes the float32 export near its limit, and no decision flips."""
    found = find_worst(fp32, truth, small, budget_s=None, max_steps=STEPS)
    (check,) = found.checks
    assert found.passed
    assert check.limit == 64
    assert 0 < check.value == found.largest_in_ulps.max_ulps < 32
    assert found.flips == 0


def test_trap_for_bright_pictures_is_found(fp32: Artifact, truth: Artifact, small: Dataset) -> None:
    """A fault on pictures brighter than any test picture is reported in its size, and the float32 check fires."""
    found = find_worst(wrong_when_bright(fp32, above=250), truth, small, budget_s=0)
    assert small.test.pixels.mean(axis=(1, 2)).max() < 250
    assert family(found, "test pictures").max_ulps < 64
    assert pytest.approx(1.0, abs=1e-4) == found.max_abs
    assert family(found, "flat").max_ulps > 64
    assert not found.passed


def test_trap_that_only_the_ascent_meets(fp32: Artifact, truth: Artifact, small: Dataset) -> None:
    """An activation that saturates beyond every test picture and every edge input is found by climbing."""
    logits: list[float] = []
    with Pair(fp32, truth, small.test.pixels) as pair:
        measure = pair._truth
        pair._truth = lambda pixels: _noted(logits, measure(pixels))  # type: ignore[method-assign]
        altered = small.test.pixels[np.random.default_rng(0).permutation(len(small.test))[:ALTERED]]
        random = np.random.default_rng(0)
        random.permutation(len(small.test))
        pair.answers(small.test.pixels)
        for _, pixels in room.edge_inputs(altered, random):
            pair.answers(pixels)
    found = find_worst(cut_off(fp32, at=max(logits) + 0.01), truth, small, budget_s=None, max_steps=STEPS, seed=0)
    assert all(each.max_ulps < 64 for each in found.families if not each.name.startswith("climb"))
    assert family(found, "climb: large logits").max_ulps > 64
    assert not found.passed


def _noted(logits: list[float], answers: np.ndarray) -> np.ndarray:
    logits.append(float(answers.max()))
    return answers


def test_logits_that_are_no_numbers(fp32: Artifact, truth: Artifact, small: Dataset) -> None:
    """Where a candidate breaks down it is at its worst: the check fires, and the record can be written and read."""
    found = find_worst(not_a_number_when_bright(fp32, above=250), truth, small, budget_s=0)
    assert found.max_abs == NOT_FINITE
    assert not found.passed
    assert msgspec.json.decode(msgspec.json.encode(found), type=WorstCases) == found


def test_reference_that_breaks_down(fp32: Artifact, small: Dataset) -> None:
    """A reference without finite logits proves nothing, and is refused."""
    with pytest.raises(CheckFailed, match="not finite"):
        find_worst(fp32, not_a_number_when_bright(fp32, above=250), small, budget_s=0)


# How it looks, and for how long


@pytest.mark.parametrize("name", ["int8-dynamic", "fp16"])
def test_method_is_told(name: str, tiny_run: Path, truth: Artifact, small: Dataset) -> None:
    """A graph with gradients is climbed along them; one without is searched by chance, and the result says why."""
    found = find_worst(open_artifact(tiny_run / f"{name}.onnx"), truth, small, budget_s=None, max_steps=1)
    expected = "DynamicQuantizeLinear" if name == "int8-dynamic" else "projected gradient ascent"
    assert expected in found.method
    assert found.method.startswith("random blocks") == (name == "int8-dynamic")
    assert found.steps == 1
    assert found.checks == []


def test_search_without_torch(
    monkeypatch: pytest.MonkeyPatch, tiny_run: Path, fp32: Artifact, int8: Artifact, small: Dataset
) -> None:
    """A device without torch searches by chance against the float32 export."""
    absent: Callable[[str], str | None] = {"onnx": "1"}.get
    monkeypatch.setattr(room, "installed", absent)
    monkeypatch.setattr("edgefashion.verify.search.answers.installed", absent)
    reference = reference_for(int8)
    assert (tiny_run / "fp32.onnx", fp32.sha256) == (reference.path, reference.sha256)
    found = find_worst(int8, reference, small, budget_s=None, max_steps=1)
    assert "because torch is not installed" in found.method


def test_no_time_is_told(int8: Artifact, truth: Artifact, small: Dataset) -> None:
    """Without time for a step the edge inputs are tried all the same, and no gradient is claimed."""
    found = find_worst(int8, truth, small, budget_s=0)
    assert (found.steps, len(found.families)) == (0, 14)
    assert "no time was left" in found.method


def test_search_without_end_is_refused(int8: Artifact, truth: Artifact, small: Dataset) -> None:
    """Neither seconds nor steps would never end."""
    with pytest.raises(UsageError, match="without end"):
        find_worst(int8, truth, small, budget_s=None)


def test_limit_of_one_s_own(int8: Artifact, truth: Artifact, small: Dataset) -> None:
    """int8 has no limit unless one is given, which then decides."""
    found = [find_worst(int8, truth, small, budget_s=0, max_error_ulps=limit) for limit in (1.0, 1e9)]
    assert [each.passed for each in found] == [False, True]


@pytest.mark.parametrize(("call", "kept"), [(0, None), (5, 4), (16, 14)])
def test_interrupt_keeps_what_was_found(
    call: int, kept: int | None, monkeypatch: pytest.MonkeyPatch, int8: Artifact, truth: Artifact, small: Dataset
) -> None:
    """Ctrl-C in any phase ends the search with what it has; before anything is known it is passed on."""
    calls: list[int] = []
    answers = Pair.answers

    def interrupted(pair: Pair, pixels: Any) -> Answers:
        calls.append(len(pixels))
        if len(calls) > call:
            raise KeyboardInterrupt
        return answers(pair, pixels)

    monkeypatch.setattr(Pair, "answers", interrupted)
    if kept is None:
        with pytest.raises(KeyboardInterrupt):
            find_worst(int8, truth, small, budget_s=None, max_steps=9)
        return
    found = find_worst(int8, truth, small, budget_s=None, max_steps=9)
    assert found.interrupted
    assert len(found.worst) == 8
    assert sum(calls[:call]) == found.tried


# Who can be compared


def test_reference_is_the_checkpoint(int8: Artifact, truth: Artifact, own_run: Path) -> None:
    """An artifact is searched against its own checkpoint, and never against one that it does not come from."""
    assert truth.sha256 == reference_for(int8).sha256
    for name in ("checkpoint.safetensors", "fp32.onnx"):
        (own_run / name).unlink()
    with pytest.raises(NotAvailable, match="nothing to search against"):
        reference_for(open_artifact(own_run / "int8-static.onnx"))


def test_other_sizes_are_refused(int8: Artifact, truth: Artifact, small: Dataset) -> None:
    """Two models that take pictures of different sizes cannot be compared."""
    spec = msgspec.structs.replace(truth.manifest.input, shape=["batch", 14, 28])
    other = dataclasses.replace(truth, manifest=msgspec.structs.replace(truth.manifest, input=spec))
    with pytest.raises(BadInput, match=r"\[28, 28\].*\[14, 28\]"):
        find_worst(int8, other, small, budget_s=0)


# The figures


def test_candidate_sees_one_picture_a_call(tiny_run: Path, truth: Artifact, small: Dataset) -> None:
    """A dynamically quantized model, whose answers depend on the rest of a batch, is asked as on a device."""
    pixels = np.concatenate([small.test.pixels[:3], np.full((1, 28, 28), 255, np.uint8)])
    with Pair(open_artifact(tiny_run / "int8-dynamic.onnx"), truth, small.test.pixels) as pair:
        together = pair.answers(pixels).errors
        apart = [pair.answers(pixels[row : row + 1]).errors[0] for row in range(len(pixels))]
    assert apart == pytest.approx(together, abs=1e-5)


def test_answers_by_hand() -> None:
    """Differences, units, margins and excesses of three pictures, computed by hand."""
    reference = np.array([[4, 1, 0], [0, 8, 6], [0.5, 0.25, 0]], np.float32)
    candidate = np.array([[4, 1.5, 0], [0, 6, 7], [0.5, np.nan, 0]], np.float32)
    answers = Answers.of(np.zeros((3, 2, 2), np.uint8), candidate, reference, typical_logit=2.0)
    epsilon = float(np.finfo(np.float32).eps)
    assert answers.errors.tolist() == [0.5, 2.0, NOT_FINITE]
    assert [0.5 / 4 / epsilon, 2 / 8 / epsilon, NOT_FINITE] == answers.ulps.tolist()
    assert answers.flipped.tolist() == [False, True, False]
    assert answers.reference_margins.tolist() == [3.0, 2.0, 0.25]
    assert answers.margins.tolist() == [2.5, 1.0, 0.5]
    assert answers.excesses.tolist() == [-2.5, 1.0, -0.5]


def test_small_logits_are_measured_in_typical_units() -> None:
    """An error beside logits that cancelled to almost nothing is not blown up."""
    reference = np.full((1, 2), 1e-6, np.float32)
    answers = Answers.of(np.zeros((1, 2, 2), np.uint8), reference + np.float32(1e-6), reference, typical_logit=4.0)
    assert answers.ulps[0] == pytest.approx(1e-6 / 4 / float(np.finfo(np.float32).eps))


def test_ledger_adds_up() -> None:
    """A family that is tried twice is one row, with the worst of both times."""
    ledger = Ledger()
    reference = np.array([[2, 0]], np.float32)
    for candidate in ([[-1, 0]], [[1.5, 0]]):
        pixels = np.full((1, 2, 2), 7, np.uint8)
        ledger.add("some", Answers.of(pixels, np.array(candidate, np.float32), reference, typical_logit=1.0))
    epsilon = float(np.finfo(np.float32).eps)
    assert {"some": FamilyWorst("some", 2, 3.0, 1.5 / epsilon, 1, 2.0)} == ledger.families
    assert len(ledger.worst) == 1
    assert ledger.surest_flip == ledger.worst[0]


def test_nearly_the_same_is_kept_once() -> None:
    """Of pictures that are almost alike the worst stays, whichever came first."""

    def found(level: int, max_abs: float) -> WorstInput:
        return WorstInput("some", max_abs, 0.0, 0, 0, 1.0, 1.0, bytes([level] * 4))

    worst = insert_distinct([found(100, 2.0), found(200, 1.0)], found(103, 3.0))
    assert [found(103, 3.0), found(200, 1.0)] == worst
    assert worst == insert_distinct(worst, found(104, 2.5))
    assert [found(103, 3.0), found(120, 2.5), found(200, 1.0)] == insert_distinct(worst, found(120, 2.5))
