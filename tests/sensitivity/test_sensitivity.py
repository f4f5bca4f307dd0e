"""Which layers are damaged, and which assignment is chosen, on validation pictures alone."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.artifact import Artifact, from_content, stamp_onnx
from edgefashion.data import Dataset
from edgefashion.errors import UsageError
from edgefashion.records import Assignment, Interval, SensitivityReport
from edgefashion.sensitivity.assignments import Tried, cheapest, front, nested
from edgefashion.stats import PairedDrop

pytest.importorskip("torch")

from edgefashion import sensitivity
from edgefashion.sensitivity import analysis
from edgefashion.sensitivity.analysis import _ratios

LAYERS = ["features.0.conv", "features.1.conv", "features.2.conv", "hidden", "classify"]


def assignment(noise: float, ratio: float | None, *, size: int = 1000, int8: tuple[str, ...] = ("one",)) -> Assignment:
    """An assignment of which only noise and cost matter."""
    flat = Interval(value=0.0, low=0.0, high=0.0)
    timed = None if ratio is None else Interval(value=ratio, low=ratio, high=ratio)
    return Assignment([], list(int8), size, noise, 1.0, flat, timed)


@pytest.fixture(scope="module")
def report(tiny_run: Path, sample: Dataset) -> SensitivityReport:
    """The tiny run's layers, untimed."""
    from edgefashion.artifact import open_artifact

    return sensitivity.analyse(open_artifact(tiny_run / "fp32.onnx"), sample, max_drop=0.05)


def test_every_layer_is_tried_alone(report: SensitivityReport) -> None:
    """One int8 layer each, the noisiest first, and all the others in float32."""
    assert sorted(LAYERS) == sorted(each.int8_layers[0] for each in report.alone)
    assert all(len(each.int8_layers) == 1 and len(each.float_layers) == 4 for each in report.alone)
    noises = [each.logit_noise for each in report.alone]
    assert sorted(noises, reverse=True) == noises
    assert min(noises) > 0


def test_assignments_go_from_all_int8_to_all_float32(report: SensitivityReport) -> None:
    """The noisiest layer becomes float32 first; the last assignment is the float32 model itself."""
    assert [len(each.float_layers) for each in report.assignments] == [0, 1, 2, 3, 4, 5]
    assert [report.alone[0].int8_layers[0]] == report.assignments[1].float_layers
    last = report.assignments[-1]
    assert (0.0, 1.0, report.artifact.size_bytes) == (last.logit_noise, last.agreement, last.size_bytes)


def test_the_validation_pictures_decide(report: SensitivityReport, sample: Dataset) -> None:
    """As many pictures as the validation part has, and the identity says which they are."""
    assert "validation" in report.data.name
    assert len(sample.validation) == report.data.test_images


def test_test_pictures_are_not_looked_at(tiny_run: Path, sample: Dataset) -> None:
    """Without the test pictures the result is the same."""
    from edgefashion.artifact import open_artifact

    fp32 = open_artifact(tiny_run / "fp32.onnx")
    small = dataclasses.replace(sample, validation=sample.validation.take(np.arange(50)))
    blind = dataclasses.replace(small, test=small.test.take(np.arange(0)))
    assert sensitivity.analyse(fp32, small).assignments == sensitivity.analyse(fp32, blind).assignments


def test_what_is_chosen_is_within_the_limit(report: SensitivityReport) -> None:
    """The smallest of the assignments that the test accepts; the sentence names it and its interval."""
    assert report.chosen is not None
    within = [each for each in report.assignments if each.p_beyond is not None and each.p_beyond < 0.05]
    chosen = report.assignments[report.chosen]
    assert min(within, key=lambda each: each.size_bytes) == chosen
    assert chosen.accuracy_drop.high < 0.05
    assert chosen.words in report.sentence
    assert "95 % interval" in report.sentence


def test_a_limit_that_nothing_can_prove_leaves_everything_float32(fp32: Artifact, sample: Dataset) -> None:
    """A few hundred pictures cannot show a drop below a hundredth of a point: no int8 layer, and it is said."""
    report = sensitivity.analyse(fp32, sample, max_drop=0.0001)
    assert report.chosen == 5
    assert "everything stays float32" in report.sentence
    assert sensitivity.keep(fp32, report, sample) is None


def test_a_layer_that_int8_ruins_stays_float32(fp32: Artifact, sample: Dataset, tmp_path: Path) -> None:
    """A layer with one huge weight a channel loses all others to rounding: it is ranked first and left out."""
    spoiled = spoil(fp32, tmp_path / "fp32.onnx")
    report = sensitivity.analyse(spoiled, sample, max_drop=0.05)
    assert report.alone[0].int8_layers == ["hidden"]
    assert report.chosen is not None
    assert "hidden" in report.assignments[report.chosen].float_layers


def test_the_choice_becomes_an_artifact(
    fp32: Artifact, report: SensitivityReport, sample: Dataset, tmp_path: Path
) -> None:
    """Its settings name the layers that stayed float32, and it was proven on the test pictures."""
    from edgefashion.verify import Limits

    assert report.chosen is not None
    wanted = msgspec.structs.replace(report, chosen=2)
    kept = sensitivity.keep(fp32, wanted, sample, out=tmp_path / "mixed.onnx", limits=Limits(min_agreement=0.9))
    assert kept is not None
    artifact, parity = kept
    assert artifact.manifest.quantization is not None
    assert "+".join(report.assignments[2].float_layers) == artifact.manifest.quantization.settings["float_layers"]
    assert len(sample.test) == parity.images


def bench_of(ratios: dict[str, float], noise: str) -> Any:
    """What a measurement would say of models with these ratios, by digest."""
    cells = [
        SimpleNamespace(label=digest, role="subject", artifact=SimpleNamespace(sha256=digest)) for digest in ratios
    ]
    results = [
        SimpleNamespace(
            cell=digest, comparison=SimpleNamespace(ratio=Interval(value=ratio, low=0.9 * ratio, high=1.1 * ratio))
        )
        for digest, ratio in ratios.items()
    ]
    return SimpleNamespace(plan=SimpleNamespace(cells=cells), results=results, noise=SimpleNamespace(level=noise))


@pytest.mark.parametrize("noise", ["quiet", "invalid"])
def test_latency_comes_from_one_measurement(
    tiny_run: Path, sample: Dataset, monkeypatch: pytest.MonkeyPatch, noise: str
) -> None:
    """Each model has its own ratio to float32, whose own is 1; where the noise ranks nothing there are none."""
    from edgefashion.artifact import open_artifact

    fp32, int8 = (open_artifact(tiny_run / f"{name}.onnx") for name in ("fp32", "int8-static"))
    tried = [Tried(model, assignment(0, None), PairedDrop(0, 0, 10)) for model in (fp32, int8)]
    asked = []

    def measure(request: Any, data: Any) -> Any:
        asked.append((request, data))
        return bench_of({int8.sha256: 0.5}, noise)

    monkeypatch.setattr(analysis, "measure", measure)
    level, ratios = _ratios(fp32, tried, sample, budget_s=7, note=lambda _: None)
    ((request, _),) = asked
    assert ([fp32, int8], 7) == (list(request.models), request.budget_s)
    assert level == noise
    expected = {fp32.sha256: 1.0, int8.sha256: 0.5} if noise == "quiet" else {}
    assert expected == {digest: ratio.value for digest, ratio in ratios.items()}


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1])
def test_an_impossible_limit_is_refused(fp32: Artifact, sample: Dataset, limit: float) -> None:
    """A drop is a fraction above 0 and below 1."""
    with pytest.raises(UsageError, match="fraction above 0 and below 1"):
        sensitivity.analyse(fp32, sample, max_drop=limit)


def test_a_quantized_artifact_is_refused(tiny_run: Path, sample: Dataset) -> None:
    """Only float32 has layers left to quantize."""
    from edgefashion.artifact import open_artifact

    with pytest.raises(UsageError, match="expected a float32 ONNX artifact"):
        sensitivity.analyse(open_artifact(tiny_run / "int8-static.onnx"), sample)


def test_nested_assignments_drop_the_noisiest_first() -> None:
    """Order of execution is kept within an assignment."""
    alone = [assignment(noise, None, int8=(name,)) for name, noise in (("a", 1.0), ("b", 3.0), ("c", 2.0))]
    assert nested(alone, ["a", "b", "c"]) == [["a", "b", "c"], ["a", "c"], ["a"], []]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=8))
def test_the_front_has_no_dominated_assignment(points: list[tuple[int, int]]) -> None:
    """Nothing on the front is beaten by anything; everything off it is beaten by something on it."""
    given_ = [assignment(float(noise), float(ratio)) for noise, ratio in points]
    on_front = front(given_)
    best = [point for point, on in zip(points, on_front, strict=True) if on]

    def beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
        return one != other and one[0] <= other[0] and one[1] <= other[1]

    assert not any(beats(one, other) for one in points for other in best)
    assert all(on or any(beats(one, point) for one in best) for point, on in zip(points, on_front, strict=True))


def test_size_stands_in_unless_all_were_timed() -> None:
    """Ratios and bytes are never mixed: one assignment without a ratio, and the smallest file counts."""
    assert cheapest([assignment(1, None, size=9), assignment(1, None, size=3)]) == 1
    assert cheapest([assignment(1, 0.5, size=9), assignment(1, None, size=12), assignment(1, 1.0, size=20)]) == 0
    assert cheapest([assignment(1, 0.9, size=3), assignment(1, 0.5, size=9)]) == 1


def test_a_difference_within_the_intervals_takes_no_layer_away() -> None:
    """Half a per cent faster by the estimate alone: the assignment with more int8 layers stays."""
    slow, fast = assignment(1, 0.502), assignment(1, 0.5)
    wide = [
        msgspec.structs.replace(each, ratio=Interval(value=each.ratio.value, low=0.47, high=0.54))  # type: ignore[union-attr]
        for each in (slow, fast)
    ]
    assert cheapest(wide) == 0


@pytest.mark.parametrize(("max_drop", "accuracy", "agreement"), [(0.002, 0.005, 0.985), (0.02, 0.02, 0.965)])
def test_what_may_be_lost_is_allowed_on_the_test_pictures_too(
    max_drop: float, accuracy: float, agreement: float
) -> None:
    """A drop that was asked for does not fail the proof; a smaller one leaves int8's own limits."""
    limits = sensitivity.limits_for(max_drop, 10_000)
    assert limits.max_accuracy_drop == pytest.approx(accuracy)
    assert limits.min_agreement == pytest.approx(agreement)


def spoil(fp32: Artifact, path: Path) -> Artifact:
    """`fp32` with huge weights in the hidden layer on a channel that never fires: float32 does not notice them."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_model_from_string(fp32.content)
    weights = {each.name: each for each in model.graph.initializer}
    before, after = weights["network.features.2.conv.weight"], weights["network.hidden.weight"]
    bias = weights["network.features.2.conv.bias"]
    filters, biases, matrix = (numpy_helper.to_array(each).copy() for each in (before, bias, after))
    filters[0] = -np.abs(filters[0])  # its inputs are never negative, so its outputs are never positive
    biases[0] = 0
    matrix[:, :9] = 1000 * np.abs(matrix).max()
    for initializer, values in ((before, filters), (bias, biases), (after, matrix)):
        initializer.CopyFrom(numpy_helper.from_array(values, initializer.name))
    return from_content(stamp_onnx(model, fp32.manifest), path)
