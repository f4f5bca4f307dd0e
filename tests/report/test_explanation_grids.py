"""Tables of an explanation: layers of both sides, and bounds on 16-bit sums."""

from typing import Any

import msgspec
import pytest
from pieces import artifact

from edgefashion.records.explanation import (
    Explanation,
    LayerTime,
    OperatorTime,
    SaturationBound,
    SaturationTable,
    Spread,
    Structure,
)
from edgefashion.report.explanation_grids import layers_grid, saturation_grid


def exactly(value: float) -> Spread:
    return Spread(median=value, low=value, high=value)


def layer_of(layer: str | None, before_us: float, after_us: float, *, apart: bool = True) -> LayerTime:
    operators = [
        [OperatorTime(op_type=kind, count=2, time_s=time_us * 1e-6)] if time_us else []
        for kind, time_us in (("Conv", before_us), ("ConvInteger", after_us))
    ]
    return LayerTime(
        layer=layer,
        float_s=exactly(before_us * 1e-6),
        quantized_s=exactly(after_us * 1e-6),
        float_operators=operators[0],
        quantized_operators=operators[1],
        arithmetic="int8",
        apart=apart,
    )


def explanation_of(*layers: LayerTime, rounds: int = 4) -> Explanation:
    return Explanation(
        float_artifact=artifact("fp32", 1000),
        artifact=msgspec.structs.replace(artifact("int8-dynamic", 300), precision="int8"),
        structure=Structure({}, [], [], [], 0, []),
        rounds=rounds,
        batch=1,
        threads=1,
        float_call_s=exactly(100e-6),
        call_s=Spread(median=250e-6, low=240e-6, high=300e-6),
        ratio=exactly(2.5),
        float_overhead=exactly(0.04),
        overhead=exactly(0.02),
        speed="slower",
        integer=[],
        fallen_back=[],
        left_float=[],
        conversions=[],
        inserted=[],
        float_operators=2,
        operators=4,
        behind_casts=0,
        layers=list(layers),
        slow_kernels=[],
        sentences=["slow"],
        advice=[],
    )


def bound_of(**changes: Any) -> SaturationBound:
    values: dict[str, Any] = {
        "layer": "conv",
        "op_type": "Conv",
        "activations": "uint8",
        "weights": "int8",
        "sums_16_bit": True,
        "why": "pairs",
        "pair_bound": 40_000,
        "any_order_bound": 50_000,
        "limit": 32_767,
        "channels": 8,
        "channels_at_risk": 3,
        "channels_at_risk_any_order": 5,
    }
    return SaturationBound(**{**values, **changes})


def test_layers_of_both_sides() -> None:
    """Times, the difference with its sign, and operators; a side without the layer has empty cells."""
    grid = layers_grid(explanation_of(layer_of("a", 60, 90), layer_of("b", 5, 0), layer_of(None, 0, 2)))
    cells = [row.cells for row in grid.rows]
    assert cells[0] == ("a", "60.0 µs", "90.0 µs", "+30.0 µs", "2 Conv", "2 ConvInteger", "int8")
    assert cells[1][1:6] == ("5.00 µs", "", "−5.00 µs", "2 Conv", "")
    assert cells[2][:4] == ("(inserted)", "", "2.00 µs", "+2.00 µs")
    assert cells[3][:3] == ("outside operators", "4.0 %", "2.0 %")
    assert cells[4][:4] == ("whole call", "100 µs (100 µs to 100 µs)", "250 µs (240 µs to 300 µs)", "×2.50")
    assert {len(grid.columns)} == {len(row) for row in cells}


def test_no_difference_is_shown_that_rounds_do_not_bear_out() -> None:
    """Noise is not given a sign; the note says how often chance alone would pass for a difference."""
    grid = layers_grid(explanation_of(layer_of("a", 60, 61, apart=False)))
    assert grid.rows[0].cells[3] == "within the rounds"
    assert any("one layer in 35" in note for note in grid.notes)


@pytest.mark.parametrize(
    ("changes", "verdict", "tone"),
    [
        ({}, "can saturate", "doubtful"),
        ({"pair_bound": 32_640, "channels_at_risk": 0}, "cannot", "good"),
        ({"sums_16_bit": False, "why": "added in 32 bits", "channels_at_risk": 0}, "cannot: added in 32 bits", "good"),
    ],
)
def test_verdicts_on_saturation(changes: dict[str, Any], verdict: str, tone: str) -> None:
    """Some input can, none can, or the sums have 32 bits; the title says that nothing was run."""
    table = SaturationTable(artifact=artifact("int8-static", 1), bounds=[bound_of(**changes)])
    grid = saturation_grid([table], ["use less"])
    assert "computed, not run" in grid.title
    assert (grid.rows[0].cells[0], grid.rows[0].cells[-1], grid.rows[0].tone) == ("int8-static", verdict, tone)
    assert ("remedy: use less" in grid.notes) == (verdict == "can saturate")
    assert len(grid.columns) == len(grid.rows[0].cells)
