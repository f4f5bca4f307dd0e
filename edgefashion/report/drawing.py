"""What all figures share: colours, style, axes of time, labels that keep apart, and PNG bytes."""

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from io import BytesIO
from itertools import pairwise
from math import pi, sqrt
from pathlib import Path
from typing import Any, ParamSpec

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox

from edgefashion.files import atomic_write
from edgefashion.report.format import clean, duration

Params = ParamSpec("Params")

# Okabe and Ito's colours, which colour-blind readers can tell apart; the shape of a marker says the same again.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
BLUE, ORANGE = COLOURS[0], COLOURS[1]
INK, GREY, FAINT = "#222222", "#6B6B6B", "#D9D9D9"

LONGEST_LABEL = 32
_DPI = 150
_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": GREY,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "figure.titlesize": 12,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    # Class names and variants are not formulas, whatever dollar signs they contain.
    "text.parse_math": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}
_STYLES: list[str | Path | dict[str, Any]] = ["default", _STYLE]


def styled(draw: Callable[Params, Figure]) -> Callable[Params, Figure]:
    """Draw in this module's style, whatever the reader's own matplotlibrc says."""

    @wraps(draw)
    def drawn(*args: Params.args, **kwargs: Params.kwargs) -> Figure:
        with style.context(_STYLES):
            return draw(*args, **kwargs)

    return drawn


def new_figure(width_in: float, height_in: float, *, title: str, notes: Sequence[str] = ()) -> Figure:
    """An empty figure with its title at the top left and remarks in its bottom left corner."""
    figure = Figure(figsize=(width_in, height_in), dpi=_DPI, layout="constrained", facecolor="white")
    figure.suptitle(clean(title), x=0.01, ha="left", weight="bold")
    if notes:
        figure.supxlabel("\n".join(map(clean, notes)), x=0.01, ha="left", size=8, style="italic", color=GREY)
    return figure


def nothing_in(figure: Figure, words: str) -> Figure:
    """The figure with `words` where there is nothing to draw."""
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, ha="center", va="center", color=GREY, size=11)
    return figure


def look(position: int) -> dict[str, Any]:
    """Colour and marker of the series at `position`."""
    return {"color": COLOURS[position % len(COLOURS)], "marker": MARKERS[position % len(MARKERS)]}


def shorten(text: str) -> str:
    """A label that fits beside an axis."""
    return clean(text, LONGEST_LABEL)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """One name a row at the left, without an axis: rows have an order and no scale."""
    axes.set_yticks(range(len(names)), [shorten(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def time_axis(axis: Axis, *, shortest_s: float, longest_s: float) -> None:
    """Ticks of a logarithmic axis in seconds as "50 µs", about as many as can be read."""
    steps: tuple[int, ...] = (1, 2, 5) if longest_s < 100 * shortest_s else (1,)
    if longest_s < 3 * shortest_s:
        steps = tuple(range(1, 10))
    axis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda seconds, _: round_duration(seconds)))


def ratio_axis(axis: Axis, *, lowest: float, highest: float) -> None:
    """Ticks of a logarithmic axis of ratios around 1, as "×0.5"."""
    if highest < 1.5 * lowest:
        axis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    else:
        steps = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9) if highest < 3 * lowest else (1, 1.5, 2, 3, 5, 7)
        axis.set_major_locator(LogLocator(subs=steps, numticks=16))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"×{value:.3g}"))


def round_duration(seconds: float) -> str:
    """A duration for a tick, without decimals that are zero: "250 ms", "1.5 s", "0 s"."""
    number, unit = duration(seconds).split()
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """`positions` moved upwards as little as is needed to be `gap` apart, in the order given."""
    moved = list(positions)
    ascending = sorted(range(len(moved)), key=moved.__getitem__)
    for below, above in pairwise(ascending):
        moved[above] = max(moved[above], moved[below] + gap)
    return moved


def place_labels(
    axes: Axes, points: Sequence[tuple[float, float]], areas: Sequence[float], texts: Sequence[str]
) -> None:
    """Write each text near its point so that no text covers another text or a marker (`areas` in square points).

    Each takes the nearest free place around its point, on rings that widen until one is free; a thin line
    leads back to the point. Call it last: it needs the final scales and limits.
    """
    figure = axes.figure.figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    # The layout is settled now; letting it move again would undo the places.
    figure.set_layout_engine("none")
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    pixels = [tuple(axes.transData.transform(point)) for point in points]
    radii = [figure.dpi / 72 * sqrt(area / pi) for area in areas]
    taken = [Bbox.from_extents(x - r, y - r, x + r, y + r) for (x, y), r in zip(pixels, radii, strict=True)]
    frame = axes.get_window_extent(renderer)
    for point, (x, y), text in zip(points, pixels, texts, strict=True):
        label = axes.annotate(text, point, xytext=(0, 0), textcoords="offset pixels", size=8, va="center")
        box = label.get_window_extent(renderer)
        chosen = _free_place(x, y, box.width, box.height, taken=taken, frame=frame)
        taken.append(chosen)
        label.set_position((chosen.x0 - x, (chosen.y0 + chosen.y1) / 2 - y))
        axes.annotate(
            "",
            point,
            xytext=(min(max(x, chosen.x0), chosen.x1) - x, min(max(y, chosen.y0), chosen.y1) - y),
            textcoords="offset pixels",
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5},
            zorder=0,
        )


def _free_place(x: float, y: float, width: float, height: float, *, taken: Sequence[Bbox], frame: Bbox) -> Bbox:
    places = list(_places(x, y, width, height))
    free = [place for place in places if not place.count_overlaps(taken)]
    inside = [place for place in free if frame.containsx(place.x0) and frame.containsx(place.x1)]
    inside = [place for place in inside if frame.containsy(place.y0) and frame.containsy(place.y1)]
    return (inside or free or places)[0]


def _places(x: float, y: float, width: float, height: float) -> Iterator[Bbox]:
    for ring in range(60):
        away = 18 + 10 * ring
        for right, up in ((1, 0), (0, 1), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
            centre_x = x + right * (away + width / 2)
            centre_y = y + up * (away + height / 2)
            yield Bbox.from_bounds(centre_x - width / 2, centre_y - height / 2, width, height)


def png(figure: Figure) -> bytes:
    """The figure as PNG; the same figure gives the same bytes, as neither date nor version is written."""
    buffer = BytesIO()
    # Ticks are made when they are drawn, so drawing needs the style as well.
    with style.context(_STYLES):
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Write the figure as PNG, entirely or not at all; returns `path`.

    Raises:
        CannotWrite: The disk is full or the place is forbidden.
    """
    return atomic_write(path, png(figure))
