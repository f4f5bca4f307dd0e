"""Ranges that calibration pictures tell."""

from pathlib import Path
from typing import Any, get_args

import graphs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.quantize.observe import Histogram, _count, histograms
from edgefashion.quantize.prepare import prepared
from edgefashion.quantize.ranges import (
    Method,
    find_ranges,
    inner_range,
    least_error_range,
    squared_error,
)

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

METHODS = get_args(Method)


@pytest.fixture
def model(fp32: Artifact) -> Any:
    """The tiny run's float32 graph."""
    return onnx.load_model_from_string(fp32.content)


def seen(values: Any) -> Histogram:
    """A histogram of values."""
    counts, edges = np.histogram(values, 2048)
    return Histogram(edges, counts)


def test_minmax_is_what_onnxruntime_finds(model: Any, sample: Dataset, tmp_path: Path) -> None:
    """Every computed tensor's range reaches from its lowest to its highest value, as onnxruntime's own calibrator."""
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    pixels = sample.train.pixels[:150]
    with prepared(model) as (source, _):
        calibrator = create_calibrator(
            source, augmented_model_path=str(tmp_path / "a.onnx"), calibrate_method=CalibrationMethod.MinMax
        )

        class Reader:
            feeds = iter([{"images": pixels}])

            def get_next(self) -> Any:
                return next(self.feeds, None)

        calibrator.collect_data(Reader())
    theirs = {name: np.ravel(each.range_value).tolist() for name, each in calibrator.compute_data().items()}
    ours = find_ranges(model, pixels)
    relu_inputs = {node.input[0] for node in model.graph.node if node.op_type == "Relu"}
    compared = theirs.keys() & ours.keys() - relu_inputs
    assert {"features.0.relu/Relu", "hidden/Gemm", "logits"} <= compared
    for name in compared:
        low, high = theirs[name]
        assert (min(low, 0.0), max(high, 0.0)) == pytest.approx(ours[name])


def test_a_layer_before_a_relu_has_the_relu_s_range(model: Any, sample: Dataset) -> None:
    """What only a ReLU reads is clipped at zero with it."""
    ranges = find_ranges(model, sample.train.pixels[:50])
    assert ranges["features.0.conv/Conv"] == ranges["features.0.relu/Relu"]
    assert ranges["features.0.relu/Relu"][0] == 0


def test_weights_have_no_calibrated_range(model: Any, sample: Dataset) -> None:
    """Ranges are of what is computed: a weight's own would replace its scale for each channel."""
    ranges = find_ranges(model, sample.train.pixels[:50])
    assert set() == ranges.keys() & graphs.constants(model).keys()


def test_each_method_gives_other_ranges(model: Any, sample: Dataset) -> None:
    """On one model and the same pictures, no two methods agree."""
    pixels = sample.train.pixels[:100]
    found = [find_ranges(model, pixels, method, percentile=99.9) for method in METHODS]
    assert len(METHODS) == len({ranges["features.1.relu/Relu"] for ranges in found})


def test_mse_has_the_smallest_error_on_what_it_saw(model: Any, sample: Dataset) -> None:
    """On each tensor's own histogram, no other method's range rounds and clips less."""
    pixels = sample.train.pixels[:100]
    ranges = {method: find_ranges(model, pixels, method, percentile=99.9) for method in METHODS}
    for tensor, values in histograms(model, pixels).items():
        if tensor not in ("features.0.conv/Conv", "features.1.conv/Conv", "features.2.conv/Conv"):
            errors = {method: squared_error(values, *ranges[method][tensor]) for method in METHODS}
            assert errors["mse"] == min(errors.values()), tensor


def test_batches_add_up(model: Any, sample: Dataset) -> None:
    """A histogram counts every value of every picture once, where it belongs."""
    pixels = sample.train.pixels[:150]
    found = histograms(model, pixels)["logits"]
    expected, edges = np.histogram(graphs.answers(model, pixels), len(found.counts))
    np.testing.assert_allclose(found.edges, edges, atol=1e-4)
    # A value on the edge of two bins may be counted in either.
    assert np.abs(np.cumsum(found.counts) - np.cumsum(expected)).max() <= 2
    assert found.counts.sum() == 150 * 10


@settings(max_examples=50)
@given(values=arrays(np.float32, st.integers(1, 50), elements=st.floats(-1e6, 1e6, width=32)))
def test_every_value_is_counted(values: Any) -> None:
    """Whatever a tensor holds, equal or hardly different values included, each value falls into one bin."""
    counts = _count(values, float(values.min()), float(values.max()))
    assert (2048, values.size) == (len(counts), counts.sum())


def test_mse_clips_a_lonely_outlier() -> None:
    """One far value among many small ones is given up for finer steps; ten thousandths of them are not."""
    values = np.concatenate([np.random.default_rng(0).normal(size=100_000), [1000.0]])
    low, high = least_error_range(seen(values))
    assert high < 1000
    assert squared_error(seen(values), low, high) < squared_error(seen(values), values.min(), 1000.0)


def test_percentile_leaves_out_as_much_as_it_says() -> None:
    """98 per cent inside leave one per cent out at either end."""
    low, high = inner_range(seen(np.linspace(-1, 1, 100_000)), 98)
    assert (low, high) == pytest.approx((-0.98, 0.98), abs=0.002)


def test_all_of_the_values_are_the_whole_range() -> None:
    """The hundredth percentile clips nothing."""
    low, high = inner_range(seen([-3.0, 0.0, 5.0]), 100)
    assert (low, high) == (-3.0, 5.0)


@settings(max_examples=50)
@given(
    values=arrays(np.float64, st.integers(1, 50), elements=st.floats(-1e6, 1e6, width=32)),
    method=st.sampled_from(["percentile", "mse"]),
)
def test_ranges_hold_zero_and_lie_inside_what_was_seen(values: Any, method: str) -> None:
    """Whatever a tensor holds, its range contains zero and nothing beyond its extremes."""
    histogram = seen(values)
    low, high = least_error_range(histogram) if method == "mse" else inner_range(histogram, 99.0)
    slack = 1e-9 * np.abs(values).max()
    assert min(histogram.low, 0) - slack <= low <= 0 <= high <= max(histogram.high, 0) + slack
    if method == "mse":
        whole = min(histogram.low, 0.0), max(histogram.high, 0.0)
        assert squared_error(histogram, low, high) <= squared_error(histogram, *whole)
