"""Figures: what is in them, that labels keep apart, and bytes that repeat."""

from collections.abc import Callable
from io import BytesIO
from itertools import combinations
from pathlib import Path

import examples
import matplotlib as mpl
import msgspec
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image

from edgefashion import report
from edgefashion.errors import CannotWrite
from edgefashion.recipes import RECIPES
from edgefashion.records import BenchReport, TrainingReport
from edgefashion.report import plots

BENCH_PLOTS = (plots.f1_by_variant, plots.latency_distributions, plots.ratio_intervals, plots.tradeoff)
Draw = Callable[[BenchReport], Figure]


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [each.get_text() for each in figure.findobj(Text) if each.get_text()]


@pytest.mark.parametrize("draw", BENCH_PLOTS)
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
    axes = plots.latency_distributions(bench).axes[0]
    drawn = np.sort(np.concatenate([line.get_xdata() for line in axes.lines if line.get_marker() == "."]))
    timed = sorted(call for launch in bench.launches for block in launch.blocks_ns for call in block)
    np.testing.assert_allclose(drawn, np.array(timed) * 1e-9)


def test_ratios_of_every_compared_cell(bench: BenchReport) -> None:
    """Each ratio is a row in words, the A/A check last."""
    figure = plots.ratio_intervals(bench)
    assert "×0.625 ± 0.008  faster" in texts(figure)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][-1] == "A/A check"


@pytest.mark.parametrize("make", [examples.bench, examples.many_cells, examples.hostile_bench])
def test_labels_of_the_tradeoff_keep_apart(make: Callable[[], BenchReport]) -> None:
    """No label covers another, even where all points lie at one place, and none leaves the axes."""
    figure = plots.tradeoff(make())
    figure.draw_without_rendering()
    axes = figure.axes[0]
    labels = [each for each in axes.texts if isinstance(each, Annotation) and each.get_text()]
    boxes = [Text.get_window_extent(label) for label in labels]
    assert len(boxes) >= 4
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    frame = axes.get_window_extent()
    assert all(frame.containsx(box.x0) and frame.containsx(box.x1) for box in boxes)


def test_marker_area_is_proportional_to_size(bench: BenchReport) -> None:
    """A marker of twice the area is an artifact of twice the bytes."""
    areas = [float(each.get_sizes()[0]) for each in plots.tradeoff(bench).axes[0].collections]
    assert areas[1] / areas[0] == pytest.approx(examples.INT8.size_bytes / examples.FP32.size_bytes)


def test_cells_without_a_median_are_named(without_evidence: BenchReport) -> None:
    """What the trade-off cannot draw, it lists."""
    assert any(text.startswith("fewer than two launches: fp32") for text in texts(plots.tradeoff(without_evidence)))


def test_confusion_matrix_counts(training: TrainingReport) -> None:
    """Rows are true classes: Shirt's 601 hits are at row and column 6, and 100 shirts are called T-shirts."""
    axes = plots.confusion_matrix(training.test, examples.LABELS, "seed").axes[0]
    counts = {text.get_position(): text.get_text() for text in axes.texts}
    assert counts[6, 6] == "601"
    assert counts[0, 6] == "100"
    assert counts[6, 0] == "41"


def test_losses_with_published_ones(training: TrainingReport, sample_training: TrainingReport) -> None:
    """Both curves end in their label; published losses stand beside the unchanged seed on all of the data only."""
    seed = texts(plots.losses(msgspec.structs.replace(training, recipe=RECIPES["seed"])))
    assert {"training 0.433", "published: 0.386 training, 0.387 validation"} <= set(seed)
    for other in (training, msgspec.structs.replace(sample_training, recipe=RECIPES["seed"])):
        assert not any("published" in text for text in texts(plots.losses(other)))
    assert sample_training.data.note in texts(plots.losses(sample_training))


def test_losses_of_one_epoch() -> None:
    """A training of a single epoch has a figure too."""
    assert plots.png(plots.losses(examples.training(epochs=1))).startswith(b"\x89PNG")


def test_plots_of_a_run(tmp_path: Path, training: TrainingReport, bench: BenchReport) -> None:
    """A run's plots lie in its folder under their fixed names."""
    written = [*report.save_training_plots(training, tmp_path), *report.save_bench_plots(bench, tmp_path)]
    assert {
        "confusion_matrix.png",
        "training_validation_loss.png",
        "tradeoff.png",
        "ratio_intervals.png",
        "latency_distributions.png",
        "f1_by_variant.png",
    } == {path.name for path in written}
    assert sorted(written) == sorted((tmp_path / "plots").iterdir())


def test_forbidden_place(tmp_path: Path, training: TrainingReport) -> None:
    """A folder that cannot be made is an error of this package."""
    (tmp_path / "plots").write_text("a file where a folder should be")
    with pytest.raises(CannotWrite):
        report.save_training_plots(training, tmp_path)
