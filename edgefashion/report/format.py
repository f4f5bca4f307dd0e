"""Numbers as people read them: every table and figure writes them through these functions."""

from math import floor, isfinite, log10

from edgefashion.records import Interval

MISSING = "n/a"
MINUS = "−"

_TIME_UNITS = (("s", 1.0), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9))
_SIZE_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_ENERGY_UNITS = (("J", 1.0), ("mJ", 1e3), ("µJ", 1e6), ("nJ", 1e9))
_MOST_DECIMALS = 9

# Below these a figure is a claim about the model of the noise and no longer about the measurement.
_LEAST_PROBABILITY = 1e-3
_LEAST_SHARE = 1e-5

# Half an interval, as a share of its centre, from which ± would mislead.
_WIDE = 0.2


def significant(value: float, digits: int = 3) -> str:
    """`value` ≥ 0 rounded to `digits` significant digits, never in powers of ten: 1,230 or 0.0121."""
    if value == 0 or not isfinite(value):
        return "0" if value == 0 else "∞"
    rounded = float(f"{value:.{digits - 1}e}")
    return _fixed(rounded, _decimals(rounded, digits))


def duration(seconds: float) -> str:
    """Three significant digits in the unit that gives a number from 1 to 999: "84.1 µs", "5.02 ms", "1.20 s"."""
    unit, scale = _time_unit(seconds)
    return f"{significant(seconds * scale)} {unit}"


def duration_interval(interval: Interval) -> str:
    """A duration with half the width of its interval, "84.1 ± 0.4 µs", or both ends of a wide one."""
    unit, scale = _time_unit(interval.value)
    if _is_wide(interval):
        return f"{significant(interval.value * scale)} ({_range(interval.low * scale, interval.high * scale)}) {unit}"
    return f"{_uncertain(interval.value * scale, _half_width(interval) * scale)} {unit}"


def duration_range(interval: Interval) -> str:
    """Both ends of an interval of durations, in one unit: "83.7 to 84.5 µs"."""
    unit, scale = _time_unit(interval.value)
    return f"{_range(interval.low * scale, interval.high * scale)} {unit}"


def ratio(interval: Interval) -> str:
    """A ratio with half the width of its interval, "×0.62 ± 0.03", or both ends of a wide one."""
    if _is_wide(interval):
        return f"×{significant(interval.value)} ({ratio_range(interval)})"
    return f"×{_uncertain(interval.value, _half_width(interval))}"


def ratio_range(interval: Interval) -> str:
    """Both ends of an interval of ratios, to the same decimal: "0.994 to 1.021"."""
    return _range(interval.low, interval.high)


def precision(half_width: float | None) -> str:
    """Half an interval as a share of its centre, in two digits: "±0.47 %"; "n/a" where there is no interval."""
    return MISSING if half_width is None else f"±{significant(100 * half_width, 2)} %"


def share(fraction: float) -> str:
    """A part of a whole, in two digits: "4.7 %", "0.032 %", "< 0.001 %"."""
    return "< 0.001 %" if 0 < fraction < _LEAST_SHARE else f"{significant(100 * fraction, 2)} %"


def probability(p_value: float) -> str:
    """A probability of a test, to the third decimal: "0.048", "< 0.001"."""
    return "< 0.001" if p_value < _LEAST_PROBABILITY else f"{p_value:.3f}"


def energy(joules: float) -> str:
    """Three significant digits in the unit that gives a number from 1 to 999: "12.3 mJ"."""
    unit, scale = next(((unit, scale) for unit, scale in _ENERGY_UNITS if joules * scale >= 1), _ENERGY_UNITS[-1])
    return f"{significant(joules * scale)} {unit}"


def size(count_bytes: int) -> str:
    """Bytes in decimal units: "812 B", "52.2 kB", "1.24 MB"."""
    for unit, scale in _SIZE_UNITS:
        # What rounds to 1,000 of the smaller unit is written as 1 of the larger.
        if float(f"{count_bytes / scale:.2e}") >= 1:
            return f"{significant(count_bytes / scale)} {unit}"
    return f"{count_bytes} B"


def percent(fraction: float) -> str:
    """A fraction in hundredths, to the second decimal: "86.60 %"."""
    return f"{_fixed(100 * fraction, 2)} %"


def points(change: float) -> str:
    """A change of a fraction in percentage points: "+0.12", "−0.10", "±0.00"."""
    size_points = f"{abs(100 * change):.2f}"
    sign = "±" if float(size_points) == 0 else "+" if change > 0 else MINUS
    return sign + size_points


def points_range(interval: Interval) -> str:
    """A change in percentage points with both ends of its interval: "+0.12 (−0.05 to +0.29)"."""
    return f"{points(interval.value)} ({points(interval.low)} to {points(interval.high)})"


def score(value: float) -> str:
    """Precision, recall or F1: "0.865"."""
    return f"{value:.3f}"


def count(value: int) -> str:
    """A whole number with separators: "10,000"."""
    return f"{value:,}"


def small(value: float) -> str:
    """A number ≥ 0 of any magnitude, in powers of ten where it is tiny: "2.86e-06"."""
    return f"{value:.2e}" if 0 < value < 1e-3 else significant(value)  # noqa: PLR2004 - more than three zeros are hard to count


def clean(text: str, limit: int | None = None) -> str:
    """`text` with what cannot be printed (line breaks, terminal codes, direction marks) as "�", cut at `limit`."""
    printable = "".join(character if character.isprintable() else "�" for character in text)
    if limit is not None and len(printable) > limit:
        return printable[: limit - 1] + "…"
    return printable


def _fixed(value: float, decimals: int) -> str:
    text = f"{abs(value):,.{min(max(decimals, 0), _MOST_DECIMALS)}f}"
    return MINUS + text if value < 0 else text


def _time_unit(seconds: float) -> tuple[str, float]:
    for unit, scale in _TIME_UNITS:
        if float(f"{seconds * scale:.2e}") >= 1:
            return unit, scale
    return _TIME_UNITS[-1] if seconds > 0 else _TIME_UNITS[0]


def _decimals(value: float, digits: int) -> int:
    return digits - 1 - floor(log10(value))


def _range(low: float, high: float) -> str:
    decimals = _decimals(low, 3) if low > 0 and isfinite(low) else 3
    ends = (_fixed(end, decimals) if isfinite(end) else "∞" for end in (low, high))
    return " to ".join(ends)


def _is_wide(interval: Interval) -> bool:
    # Intervals are symmetric on the log scale: ± says the same as both ends only where they are narrow.
    return _half_width(interval) > _WIDE * interval.value


def _half_width(interval: Interval) -> float:
    return (interval.high - interval.low) / 2


def _uncertain(value: float, half: float) -> str:
    """`value ± half`: one digit of `half`, two where the first is a 1, and `value` to the same decimal."""
    if half <= 0 or not isfinite(half):
        return f"{significant(value)} ± {significant(half)}"
    exponent = floor(log10(half))
    leading_one = half / 10**exponent < 2  # noqa: PLR2004 - the digit after 1
    decimals = (1 if leading_one else 0) - exponent
    return f"{_fixed(value, decimals)} ± {_fixed(half, decimals)}"
