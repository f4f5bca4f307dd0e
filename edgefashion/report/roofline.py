"""The roofline of a model: its operators under the ceilings of the cores that ran them.

    plots.save(roofline.roofline(result), Path("roofline.png"))

After Williams, Waterman and Patterson 2009, "Roofline: An Insightful Visual Performance Model for Multicore
Architectures": operations a second against operations a byte, both logarithmic. Bandwidths are slopes, arithmetic
peaks are levels, and nothing can be above both.
"""

from collections.abc import Mapping, Sequence
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from edgefashion.records import Arithmetic, Ceilings, Operator, Profile, Roofline
from edgefashion.report import format as fmt
from edgefashion.report.drawing import (
    BLUE,
    COLOURS,
    GREY,
    INK,
    ORANGE,
    new_figure,
    nothing_in,
    place_labels,
    shorten,
    styled,
)
from edgefashion.report.profile_grids import INSERTED, title_of

_GIGA = 1e9
_COLOURS: dict[Arithmetic, str] = {"float": BLUE, "int8": ORANGE}
_UNITS: dict[Arithmetic, str] = {"float": "GFLOP/s\nfloat32", "int8": "GOP/s\n8 bits"}
# What explains the time of a call, in the colours that no arithmetic has.
_OUTSIDE, _MEMORY, _ARITHMETIC, _BEYOND = GREY, COLOURS[5], COLOURS[2], COLOURS[4]

_LARGEST_MARKER = 500  # square points, of an operator that takes the whole call
_SMALLEST_MARKER = 12
_STAR = 160
_LABELLED = 8
_LEAST_LABELLED = 0.03  # share of the call
_CHARACTER = 0.0095  # of a word inside the bar, as a share of its length
_NOTE_WIDTH = 135
_SLANT = 35  # degrees
_LEADER = 2.0  # how far a slope goes on above the peak, as a factor


@styled
def roofline(result: Roofline) -> Figure:
    """Where a call's time goes, as a bar; below it each operator as a point, its area the share of time it takes."""
    profile = result.profile
    points = [each for each in profile.operators if each.intensity and each.rate_per_s]
    notes = [line for words in (result.sentence, *_left_out(profile, points)) for line in wrap(words, _NOTE_WIDTH)]
    figure = new_figure(9.0, 6.6, title=f"Roofline of {title_of(profile)}", notes=notes)
    if not points:
        return nothing_in(figure, "no operator of this model computes anything that is known here")
    bar, axes = figure.subplots(2, 1, height_ratios=(1, 12))
    _draw_bar(bar, result)
    _set_scales(axes, points, profile, result.ceilings)
    _draw_ceilings(axes, result.ceilings, _peaks(points, result.ceilings))
    _draw_points(axes, points, profile)
    return figure


def _draw_bar(axes: Axes, result: Roofline) -> None:
    profile, spent = result.profile, result.spent
    if spent:
        parts = [
            ("outside operators", spent.outside_s, _OUTSIDE),
            ("memory", spent.memory_s, _MEMORY),
            ("arithmetic", spent.arithmetic_s, _ARITHMETIC),
            ("beyond the ceilings", spent.unexplained_s, _BEYOND),
        ]
    else:
        parts = [("outside operators", profile.overhead_s, _OUTSIDE), ("operators", profile.operators_s, BLUE)]
    begin, narrow = 0.0, []
    for name, seconds, colour in parts:
        share = profile.share(seconds)
        axes.barh(0, share, left=begin, color=colour, edgecolor="white")
        if share >= _CHARACTER * len(name):
            words = f"{name}\n{fmt.share(share)}"
            axes.text(begin + share / 2, 0, words, ha="center", va="center", color="white", size=8, weight="bold")
        else:
            narrow.append(f"{name} {fmt.share(share)}")
        begin += share
    axes.set_title(" · ".join([f"one call: {fmt.duration(profile.call_s)}", *narrow]))
    axes.set_xlim(0, 1)
    axes.set_axis_off()


def _set_scales(axes: Axes, points: Sequence[Operator], profile: Profile, ceilings: Ceilings) -> None:
    rates = [each.rate_per_s or 0.0 for each in points] + [profile.operations / profile.call_s]
    highest = max([*rates, *_peaks(points, ceilings).values()])
    # Where a slope meets the highest peak must be seen.
    ridges = [highest / each.bytes_per_s for each in ceilings.bandwidths]
    intensities = [each.intensity or 0.0 for each in points] + [profile.operations / profile.bytes_moved] + ridges
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(intensities) / 2.5, max(intensities) * 4)
    # Above all ceilings there is room for their names.
    axes.set_ylim(min(rates) / 2.5, highest * (8 if ceilings.bandwidths else 3))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=12))
        axis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / _GIGA:g}"))
    axes.set_xlabel("operations a byte, logarithmic (right: less memory traffic)")
    axes.set_ylabel("billion operations a second, logarithmic")
    lines = "lines are measured ceilings" if ceilings.bandwidths else "the ceilings are unknown"
    axes.set_title(f"a point is an operator, its area the share of the call that it takes; {lines}")
    axes.grid()


def _peaks(points: Sequence[Operator], ceilings: Ceilings) -> dict[Arithmetic, float]:
    """The ceilings of the kinds of arithmetic that occur, as far as they are known."""
    used = {each.arithmetic for each in points}
    return {kind: peak for kind in _COLOURS if kind in used and (peak := ceilings.operations_per_s(kind))}


def _draw_ceilings(axes: Axes, ceilings: Ceilings, peaks: Mapping[Arithmetic, float]) -> None:
    left, right = axes.get_xlim()
    highest = max(peaks.values(), default=axes.get_ylim()[1])
    ridges = [highest / each.bytes_per_s for each in ceilings.bandwidths]
    for bandwidth, ridge in zip(ceilings.bandwidths, ridges, strict=True):
        axes.plot([left, ridge], [left * bandwidth.bytes_per_s, highest], color=GREY, linewidth=1, alpha=0.6)
        # Names of slopes stand clear of the labels of operators that nearly reach the peak.
        end = (ridge * _LEADER, highest * _LEADER)
        axes.plot([ridge, end[0]], [highest, end[1]], color=GREY, linewidth=0.7, linestyle=":")
        words = f"{shorten(bandwidth.level)} {fmt.significant(bandwidth.bytes_per_s / _GIGA)} GB/s"
        axes.annotate(words, end, (1, 0), textcoords="offset points", rotation=_SLANT, size=8, color=GREY)
    for kind, peak in peaks.items():
        begin = min(ridges, default=left) * peak / highest
        axes.plot([max(left, begin), right], [peak, peak], color=_COLOURS[kind], linewidth=1.4)
        words = f"{fmt.significant(peak / _GIGA)} {_UNITS[kind]}"
        axes.annotate(
            words, (1.01, peak), xycoords=("axes fraction", "data"), color=_COLOURS[kind], va="center", size=8
        )


def _draw_points(axes: Axes, points: Sequence[Operator], profile: Profile) -> None:
    labelled: list[tuple[tuple[float, float], float, str]] = []
    for each in sorted(points, key=lambda point: point.time_s, reverse=True):
        place = (each.intensity or 0.0, each.rate_per_s or 0.0)
        share = profile.share(each.time_s)
        area = max(_SMALLEST_MARKER, _LARGEST_MARKER * share)
        axes.scatter(*place, s=area, color=_COLOURS[each.arithmetic], edgecolor="white", linewidth=0.8, zorder=3)
        if len(labelled) < _LABELLED and share >= _LEAST_LABELLED:
            labelled.append((place, area, f"{_name(each)}\n{shorten(each.op_type)} {fmt.share(share)}"))
    whole = (profile.operations / profile.bytes_moved, profile.operations / profile.call_s)
    axes.scatter(*whole, s=_STAR, color=INK, marker="*", edgecolor="white", linewidth=0.8, zorder=4)
    labelled.append((whole, _STAR, "whole call"))
    places, areas, texts = zip(*labelled, strict=True)
    place_labels(axes, places, areas, texts)
    for text in axes.texts:
        # Some labels cannot but cross a line.
        text.set_path_effects([withStroke(linewidth=2, foreground="white")])


def _left_out(profile: Profile, points: Sequence[Operator]) -> list[str]:
    """Operators without a place on logarithmic axes."""
    others = [each for each in profile.operators if each not in points]
    if not others:
        return []
    kinds = ", ".join(dict.fromkeys(shorten(each.op_type) for each in others))
    share = profile.share(sum(each.time_s for each in others))
    return [f"not drawn, as they compute nothing that is known here: {kinds} ({fmt.share(share)} of the call)"]


def _name(operator: Operator) -> str:
    return INSERTED if operator.layer is None else shorten(operator.layer)
