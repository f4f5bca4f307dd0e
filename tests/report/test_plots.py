"""Figures: what is in them, that labels keep apart, and bytes that repeat."""

import re
from collections.abc import Callable
from io import BytesIO
from itertools import combinations
from pathlib import Path

import cases
import examples
import matplotlib as mpl
import msgspec
import numpy as np
import operating_cases
import pieces
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image

from edgefashion import report
from edgefashion.errors import CannotWrite
from edgefashion.recipes import RECIPES
from edgefashion.records import BenchReport, TrainingReport
from edgefashion.report import plots
from edgefashion.report.latency_plots import latency_distributions, ratio_intervals
from edgefashion.report.quality_plots import tradeoff
from edgefashion.report.startup_plot import cold_starts
from edgefashion.report.timelines import generations, sustained
from edgefashion.report.training_plots import confusion_matrix, losses

Draw = Callable[[BenchReport], Figure]


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [each.get_text() for each in figure.findobj(Text) if each.get_text()]


@pytest.mark.parametrize("draw", plots.ALWAYS.values(), ids=plots.ALWAYS)
class TestEveryBenchPlot:
    def test_sample_data_is_announced(self, draw: Draw, sample_bench: BenchReport, bench: BenchReport) -> None:
        """The note is in the picture if, and only if, the data is the sample."""
        assert sample_bench.data.note in texts(draw(sample_bench))
        assert not any("bundled sample" in text for text in texts(draw(bench)))

    def test_hostile_labels_are_drawn_as_text(self, draw: Draw, hostile_bench: BenchReport) -> None:
        """Dollar signs are no formulas and line breaks no lines; long labels are cut."""
        assert Image.open(BytesIO(plots.png(draw(hostile_bench)))).format == "PNG"

    def test_survives_a_run_without_evidence(self, draw: Draw, without_evidence: BenchReport) -> None:
        """One launch a cell is drawn as far as it goes, or the figure says that it is not enough."""
        assert Image.open(BytesIO(plots.png(draw(without_evidence)))).format == "PNG"

    @pytest.mark.parametrize("make", [cases.foreign, cases.gated, cases.invalid, cases.nothing_measured])
    def test_survives_every_state(self, draw: Draw, make: Callable[[], BenchReport]) -> None:
        """A foreign model, a gate, an invalid machine, nothing but failures: each has its figure or a sentence."""
        assert Image.open(BytesIO(plots.png(draw(make())))).format == "PNG"

    def test_same_report_gives_the_same_bytes(self, draw: Draw, bench: BenchReport) -> None:
        """Drawing twice gives identical files, without version or date in them."""
        first, second = plots.png(draw(bench)), plots.png(draw(bench))
        assert first == second
        assert Image.open(BytesIO(first)).info.keys() == {"dpi"}

    def test_reader_settings_do_not_matter(self, draw: Draw, bench: BenchReport) -> None:
        """A dark style in the reader's matplotlibrc changes nothing."""
        plain = plots.png(draw(bench))
        with mpl.rc_context({"axes.facecolor": "black", "lines.linewidth": 9, "font.size": 30}):
            assert plain == plots.png(draw(bench))


def test_latency_shows_every_timed_call(bench: BenchReport) -> None:
    """All raw samples of a cell are in its row, in seconds."""
    axes = latency_distributions(bench).axes[0]
    drawn = np.sort(np.concatenate([line.get_xdata() for line in axes.lines if line.get_marker() == "."]))
    timed = sorted(
        call / launch.calls_per_sample for launch in bench.launches for block in launch.blocks_ns for call in block
    )
    np.testing.assert_allclose(drawn, np.array(timed) * 1e-9)


def test_samples_of_several_calls_are_shown_as_one_call() -> None:
    """Where a call is too short to be timed alone, its row still shows the time of one."""
    axes = latency_distributions(cases.alone()).axes[0]
    fastest = min(line.get_xdata().min() for line in axes.lines if line.get_marker() == ".")
    assert fastest == pytest.approx(2.3e-6, rel=0.3)


def test_ratio_plot_leaves_out_the_null_model(bench: BenchReport) -> None:
    """An empty graph's ratio would flatten all others."""
    labels = [label.get_text() for label in ratio_intervals(bench).axes[0].get_yticklabels()]
    assert labels == ["int8-static", "fp16", "checkpoint · pytorch", "naive call", "A/A check"]


def series(figure: Figure) -> dict[str, np.ndarray]:
    """Heights of each row's line above its base, upwards."""
    axes = figure.axes[0]
    lines = [line for line in axes.lines if line.get_marker() == "."]
    names = [label.get_text() for label in axes.get_yticklabels()]
    return {name: row - np.asarray(line.get_ydata()) for row, (name, line) in enumerate(zip(names, lines, strict=True))}


def test_generations_show_every_launch_over_time(bench: BenchReport) -> None:
    """Each cell is a row with one point a launch in the order of time, the canary below; slower is higher."""
    figure = generations(bench)
    rows = series(figure)
    assert list(rows)[-4:] == ["naive call", "null model", "A/A check", "canary"]
    mine = sorted(
        (each for each in bench.launches if each.cell == examples.STATIC.label), key=lambda each: each.started_s
    )
    medians = np.array([np.median([sample for block in each.blocks_ns for sample in block]) for each in mine])
    expected = medians / np.median(medians) - 1
    scale = rows["int8-static"][0] / expected[0]
    np.testing.assert_allclose(rows["int8-static"], scale * expected)
    assert scale > 0


def test_one_bad_launch_does_not_flatten_the_others(bench: BenchReport) -> None:
    """A launch far outside is cut at its row's edge and its change is written there; the others keep their scale."""
    bad = msgspec.structs.replace(
        bench.launches[4], blocks_ns=[[2 * sample for sample in block] for block in bench.launches[4].blocks_ns]
    )
    spoilt = msgspec.structs.replace(bench, launches=[*bench.launches[:4], bad, *bench.launches[5:]])
    figure = generations(spoilt)
    assert np.abs(series(figure)["int8-static"]).max() > 0.05
    assert np.abs(series(figure)["fp32"]).max() <= 0.5
    assert [text for text in texts(figure) if re.fullmatch(r"\+\d+ %", text)]


def test_long_runs_show_their_drift() -> None:
    """A run that gets slower rises from left to right, and its change stands beside it."""
    figure = sustained(operating_cases.elsewhere())
    heights = series(figure)["fp32"]
    assert np.all(np.diff(heights) > 0)
    assert "change ×1.033 ± 0.004" in texts(figure)
    assert "too short to tell" in texts(figure)


def test_figures_only_for_what_was_asked(bench: BenchReport) -> None:
    """A profile adds a roofline a model, a long run its figure; a plain benchmark has neither."""
    assert list(plots.ALWAYS) == list(plots.bench_figures(bench))
    assert list(plots.bench_figures(operating_cases.profiled()))[-2:] == ["roofline-1", "roofline-2"]
    assert list(plots.bench_figures(operating_cases.elsewhere()))[-1] == "sustained"


def test_cold_starts_stack_every_part(bench: BenchReport) -> None:
    """Each bar's pieces follow one another without a gap and end at the total."""
    axes = cold_starts(bench).axes[0]
    bars = {container.get_label(): container.patches for container in axes.containers}
    assert list(bars) == ["spawn", "imports", "session", "first run"]
    for row, result in enumerate(bench.results[:4]):
        pieces_of_bar = [patches[row] for patches in bars.values()]
        ends = [piece.get_x() + piece.get_width() for piece in pieces_of_bar]
        assert [piece.get_x() for piece in pieces_of_bar[1:]] == pytest.approx(ends[:-1])
        assert ends[-1] == pytest.approx(result.startup.total_s)


def test_ratios_of_every_compared_cell(bench: BenchReport) -> None:
    """Each ratio is a row in words, the A/A check last."""
    figure = ratio_intervals(bench)
    assert "×0.625 ± 0.005  faster" in texts(figure)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][-1] == "A/A check"


@pytest.mark.parametrize("make", [examples.bench, cases.many_cells, cases.hostile])
def test_labels_of_the_tradeoff_keep_apart(make: Callable[[], BenchReport]) -> None:
    """No label covers another, even where all points lie at one place, and none leaves the axes."""
    figure = tradeoff(make())
    figure.draw_without_rendering()
    axes = figure.axes[0]
    labels = [each for each in axes.texts if isinstance(each, Annotation) and each.get_text()]
    boxes = [Text.get_window_extent(label) for label in labels]
    assert len(boxes) >= 4
    # Neighbours may touch.
    assert not [pair for pair in combinations(boxes, 2) if pair[0].padded(-0.01).overlaps(pair[1])]
    frame = axes.get_window_extent()
    assert all(frame.containsx(box.x0) and frame.containsx(box.x1) for box in boxes)


def test_marker_area_is_proportional_to_size(bench: BenchReport) -> None:
    """A marker of twice the area is an artifact of twice the bytes."""
    areas = [float(each.get_sizes()[0]) for each in tradeoff(bench).axes[0].collections]
    assert areas[1] / areas[0] == pytest.approx(pieces.INT8.size_bytes / pieces.FP32.size_bytes)


def test_cells_without_a_median_are_named(without_evidence: BenchReport) -> None:
    """What the trade-off cannot draw, it lists."""
    assert any(text.startswith("fewer than two launches: fp32") for text in texts(tradeoff(without_evidence)))


def test_confusion_matrix_counts(training: TrainingReport) -> None:
    """Rows are true classes: Shirt's 601 hits are at row and column 6, and 100 shirts are called T-shirts."""
    axes = confusion_matrix(training).axes[0]
    counts = {text.get_position(): text.get_text() for text in axes.texts}
    assert counts[6, 6] == "601"
    assert counts[0, 6] == "100"
    assert counts[6, 0] == "41"


def test_losses_with_published_ones(training: TrainingReport, sample_training: TrainingReport) -> None:
    """Both curves end in their label; published losses stand beside the unchanged seed on all of the data only."""
    seed = texts(losses(msgspec.structs.replace(training, recipe=RECIPES["seed"])))
    assert {"training 0.433", "published: 0.386 training, 0.387 validation"} <= set(seed)
    for other in (training, msgspec.structs.replace(sample_training, recipe=RECIPES["seed"])):
        assert not any("published" in text for text in texts(losses(other)))
    assert sample_training.data.note in texts(losses(sample_training))


def test_losses_of_one_epoch() -> None:
    """A training of a single epoch has a figure too."""
    assert plots.png(losses(pieces.training(epochs=1))).startswith(b"\x89PNG")


def test_plots_of_a_run(tmp_path: Path, training: TrainingReport, bench: BenchReport) -> None:
    """A run's plots lie in its folder under their fixed names; those of a benchmark that profiled more are gone."""
    (tmp_path / "plots").mkdir()
    for name in ("roofline-7.png", "sustained.png"):
        (tmp_path / "plots" / name).touch()
    written = [*report.save_training_plots(training, tmp_path), *report.save_bench_plots(bench, tmp_path)]
    assert {
        "confusion_matrix.png",
        "training_validation_loss.png",
        "tradeoff.png",
        "ratio_intervals.png",
        "latency_distributions.png",
        "f1_by_variant.png",
        "generations.png",
        "cold_starts.png",
    } == {path.name for path in written}
    assert sorted(written) == sorted((tmp_path / "plots").iterdir())


def test_forbidden_place(tmp_path: Path, training: TrainingReport) -> None:
    """A folder that cannot be made is an error of this package."""
    (tmp_path / "plots").write_text("a file where a folder should be")
    with pytest.raises(CannotWrite):
        report.save_training_plots(training, tmp_path)
