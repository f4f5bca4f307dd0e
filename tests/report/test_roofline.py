"""The roofline and its tables, drawn of profiles made by hand."""

from io import BytesIO
from typing import Any

import matplotlib as mpl
import msgspec
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from pieces import FP32
from PIL import Image

from edgefashion.bench.profiling.bottleneck import explain
from edgefashion.records import Bandwidth, Ceilings, Operator, Profile, Roofline, SessionSpec
from edgefashion.report.drawing import png
from edgefashion.report.profile_grids import ceilings_grid, operators_grid
from edgefashion.report.roofline import roofline

CEILINGS = Ceilings(
    cpus=[0],
    float_per_s=100e9,
    int8_per_s=400e9,
    bandwidths=[
        Bandwidth(level="L2", capacity_bytes=1_000_000, bytes_per_s=100e9),
        Bandwidth(level="memory", capacity_bytes=None, bytes_per_s=20e9),
    ],
    source="by hand",
)
UNKNOWN = Ceilings(cpus=[0], float_per_s=None, int8_per_s=None, bandwidths=[], source="no C compiler was found")


def operator_of(layer: str | None, op_type: str, time_us: float, operations: int | None, **changes: Any) -> Operator:
    values: dict[str, Any] = {
        "node": f"{layer}/{op_type}",
        "layer": layer,
        "op_type": op_type,
        "provider": "CPUExecutionProvider",
        "time_s": time_us * 1e-6,
        "profiled_s": (time_us + 2) * 1e-6,
        "operations": operations,
        "bytes_moved": 10_000,
        "arithmetic": "float",
    }
    return Operator(**{**values, **changes})


def profile_of(*operators: Operator, call_us: float = 20) -> Profile:
    return Profile(
        artifact=FP32,
        session=SessionSpec("onnxruntime", "CPUExecutionProvider"),
        batch=1,
        cpus=[0],
        calls=400,
        call_s=call_us * 1e-6,
        profiled_call_s=sum(each.profiled_s for each in operators) + 1e-6,
        probe_s=2e-6,
        probe_per_input_s=1e-7,
        resolution_s=1e-9,
        operators=list(operators),
    )


CONV = operator_of("features.0.conv", "Conv", 8, 400_000)
QUANTIZED = operator_of("features.1.conv", "QLinearConv", 4, 800_000, arithmetic="int8")
REORDER = operator_of(None, "ReorderOutput", 1, 0)
UNKNOWN_KIND = operator_of("rnn", "LSTM", 2, None)


@pytest.fixture
def result() -> Roofline:
    """Four operators in a call of twenty microseconds, five of them outside."""
    return explain(profile_of(CONV, QUANTIZED, REORDER, UNKNOWN_KIND), CEILINGS)


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [each.get_text() for each in figure.findobj(Text) if each.get_text()]


def one_line(figure: Figure) -> str:
    return " ".join(" ".join(texts(figure)).split())


def test_operators_are_points_under_the_ceilings(result: Roofline) -> None:
    """Each operator that computes is a point at its intensity and rate; the whole call is one more."""
    _, axes = roofline(result).axes
    places = [tuple(map(float, each.get_offsets()[0])) for each in axes.collections]
    assert places == [pytest.approx(place) for place in ((40, 50e9), (80, 200e9), (30, 60e9))]


def test_area_is_the_share_of_time(result: Roofline) -> None:
    """A point of twice the area takes twice the time."""
    _, axes = roofline(result).axes
    longest, shorter, _ = (float(each.get_sizes()[0]) for each in axes.collections)
    assert longest / shorter == pytest.approx(2)


def test_every_measured_ceiling_is_a_line_with_its_figure(result: Roofline) -> None:
    """Bandwidths and the peaks of the arithmetic that occurs; no peak of arithmetic that does not."""
    words = texts(roofline(result))
    assert {"L2 100 GB/s", "memory 20.0 GB/s", "100 GFLOP/s\nfloat32", "400 GOP/s\n8 bits"} <= set(words)
    floats = texts(roofline(explain(profile_of(CONV), CEILINGS)))
    assert "400 GOP/s\n8 bits" not in floats


def test_a_slope_ends_at_the_highest_peak(result: Roofline) -> None:
    """Operations a byte times bytes a second are operations a second, all along."""
    _, axes = roofline(result).axes
    slope = axes.lines[0]
    for x, y in zip(slope.get_xdata(), slope.get_ydata(), strict=True):
        assert y == pytest.approx(100e9 * x)
    assert max(slope.get_ydata()) == pytest.approx(400e9)


def test_layers_and_shares_are_labels(result: Roofline) -> None:
    """Who reads the picture sees which layer takes how much of the call."""
    words = texts(roofline(result))
    assert "features.0.conv\nConv 40 %" in words
    assert "outside operators\n25 %" in words
    assert "whole call" in words


def test_the_bar_is_the_whole_call(result: Roofline) -> None:
    """Its parts lie side by side from nothing to all of the call."""
    bar, _ = roofline(result).axes
    ends = [(each.get_x(), each.get_x() + each.get_width()) for each in bar.patches]
    assert ends[0][0] == 0
    assert ends[-1][1] == pytest.approx(1)
    assert [end for _, end in ends[:-1]] == pytest.approx([begin for begin, _ in ends[1:]])


def test_what_is_not_drawn_is_named(result: Roofline) -> None:
    """Operators without a place on logarithmic axes are listed with their share."""
    assert any("ReorderOutput, LSTM (15 % of the call)" in words for words in texts(roofline(result)))


def test_the_sentence_is_beside_the_picture(result: Roofline) -> None:
    """What bounds the model is said in full."""
    assert result.sentence in one_line(roofline(result))


def test_without_ceilings_there_are_points_and_the_reason() -> None:
    """No line is drawn that was not measured."""
    figure = roofline(explain(profile_of(CONV, call_us=10), UNKNOWN))
    _, axes = figure.axes
    # Only the threads from labels to points are left, and these are no lines.
    assert len(axes.lines) == 0
    assert len(axes.collections) == 2
    assert "no C compiler was found" in one_line(figure)


@pytest.mark.parametrize("operators", [(), (REORDER, UNKNOWN_KIND)])
def test_a_model_that_computes_nothing_known(operators: tuple[Operator, ...]) -> None:
    """There is a sentence where there is nothing to draw."""
    assert any(
        "no operator of this model" in words for words in texts(roofline(explain(profile_of(*operators), CEILINGS)))
    )


def test_hostile_names_are_drawn_as_text() -> None:
    """Dollar signs are no formulas, line breaks no lines, and long names are cut."""
    hostile = operator_of("$\\frac$\n\x1b[31m" + "x" * 100, "$Conv_{$", 8, 400_000)
    drawn = png(roofline(explain(profile_of(hostile), CEILINGS)))
    assert Image.open(BytesIO(drawn)).format == "PNG"


def test_same_profile_gives_the_same_bytes(result: Roofline) -> None:
    """Drawing twice gives identical files, whatever the reader's own style is."""
    first = png(roofline(result))
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30}):
        assert first == png(roofline(result))


# Tables


def rows(result: Roofline) -> dict[str, tuple[str, ...]]:
    return {row.cells[0]: row.cells[1:] for row in operators_grid(result).rows}


def test_a_row_an_operator(result: Roofline) -> None:
    """Time and share, operations and bytes, their ratio, the rate, and what of the ceilings is attained."""
    found = rows(result)
    assert list(found) == ["features.0.conv", "features.1.conv", "(inserted)", "rnn", "outside operators", "whole call"]
    assert found["features.0.conv"] == (*("Conv", "8.00 µs", "40 %", "400,000", "10.0 kB", "40.0", "50.0", "50 %"),)
    # Held against 400 billion operations a second on bytes, not against 100 on floats.
    assert found["features.1.conv"][-2:] == ("200", "50 %")
    assert found["outside operators"][1:3] == ("5.00 µs", "25 %")
    assert found["whole call"][1:4] == ("20.0 µs", "100 %", "1,200,000")


def test_an_unknown_operator_is_said_to_be_unknown(result: Roofline) -> None:
    """No operations are made up, in its row and below the table."""
    assert rows(result)["rnn"][3] == "n/a"
    assert "operations of LSTM are not known here" in operators_grid(result).notes


def test_notes_say_how_it_was_measured(result: Roofline) -> None:
    """The sentence first, then what was done about the cost of profiling and about 8-bit operators."""
    notes = operators_grid(result).notes
    assert notes[0] == result.sentence
    assert any("less the 2.00 µs and more that profiling adds to each" in note for note in notes)
    assert any("8-bit ceiling" in note for note in notes)
    assert not any("8-bit ceiling" in note for note in operators_grid(explain(profile_of(CONV), CEILINGS)).notes)


def test_without_ceilings_nothing_is_attained() -> None:
    """The last column is empty of figures."""
    found = rows(explain(profile_of(CONV), UNKNOWN))
    assert found["features.0.conv"][-1] == "n/a"


def test_an_empty_profile_has_a_table() -> None:
    """The null model is one call, all of it overhead."""
    found = rows(explain(profile_of(), CEILINGS))
    assert found["outside operators"][1:3] == ("20.0 µs", "100 %")


def test_ceilings_are_rows() -> None:
    """Each with its unit; what was not measured is not available, and the source says why."""
    grid = ceilings_grid(CEILINGS)
    assert [row.cells for row in grid.rows] == [
        ("float32 multiply-adds", "100 GFLOP/s"),
        ("8-bit dot products", "400 GOP/s"),
        ("copy within L2", "100 GB/s"),
        ("copy within memory", "20.0 GB/s"),
    ]
    assert grid.title == "Ceilings of core 0"
    unknown = ceilings_grid(msgspec.structs.replace(UNKNOWN, cpus=[0, 1]))
    assert [row.cells[1] for row in unknown.rows] == ["n/a", "n/a"]
    assert (unknown.title, unknown.notes) == ("Ceilings of cores 0, 1", ("no C compiler was found",))
