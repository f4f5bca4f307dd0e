"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.records import Interval
from edgefashion.report import format as fmt

SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
BYTES = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def number(text: str) -> float:
    return float(text.replace(",", "").replace(fmt.MINUS, "-"))


class TestNumbers:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (84.1e-6, "84.1 µs"),
            (5.02e-3, "5.02 ms"),
            (1.2, "1.20 s"),
            (0.99996e-3, "1.00 ms"),
            (12e-9, "12.0 ns"),
            (0.0, "0 s"),
        ],
    )
    def test_duration_examples(self, seconds: float, text: str) -> None:
        """A duration has three significant digits in the unit that reads best."""
        assert text == fmt.duration(seconds)

    @given(st.floats(1e-9, 9e5))
    def test_duration_keeps_its_value(self, seconds: float) -> None:
        """Reading a duration back gives the value to half a unit of its third digit."""
        digits, unit = fmt.duration(seconds).split()
        assert number(digits) * SECONDS[unit] == pytest.approx(seconds, rel=0.00501)

    @given(st.floats(1e-9, 999))
    def test_duration_number_is_readable(self, seconds: float) -> None:
        """A duration below 1,000 s is written with a number from 1 to 999."""
        assert 1 <= number(fmt.duration(seconds).split()[0]) < 1000

    @given(st.integers(0, 10**12))
    def test_size_keeps_its_value(self, count_bytes: int) -> None:
        """Reading a size back gives the bytes to half a unit of its third digit."""
        digits, unit = fmt.size(count_bytes).split()
        assert number(digits) * BYTES[unit] == pytest.approx(count_bytes, rel=0.00501)

    @given(st.floats(1e-6, 1e4), st.floats(1e-5, 0.19))
    def test_ratio_shows_value_and_uncertainty_to_the_same_decimal(self, value: float, relative: float) -> None:
        """A ratio and its half width end at the same decimal, and that decimal resolves the half width."""
        half = value * relative
        text = fmt.ratio(Interval(value=value, low=value - half, high=value + half))
        shown, uncertainty = text.removeprefix("×").split(" ± ")
        assert len(shown.partition(".")[2]) == len(uncertainty.partition(".")[2])
        assert number(uncertainty) == pytest.approx(half, rel=0.26, abs=1e-9)

    @given(st.floats(-1, 1))
    def test_points_carry_a_sign(self, change: float) -> None:
        """A change is +, − or ±, and ± exactly if it rounds to nothing."""
        text = fmt.points(change)
        assert (round(abs(100 * change), 2) == 0) == text.startswith("±")
        assert number(text.replace("±", "")) == pytest.approx(100 * change, abs=0.00501)

    def test_interval_without_width(self) -> None:
        """Identical launches give a width of 0, not an error."""
        assert fmt.ratio(Interval(value=0.62, low=0.62, high=0.62)) == "×0.620 ± 0"

    def test_interval_without_bound(self) -> None:
        """An interval whose upper end overflowed is shown as unbounded."""
        assert fmt.ratio(Interval(value=1.0, low=0.0, high=float("inf"))) == "×1.00 (0.000 to ∞)"

    def test_wide_intervals_show_both_ends(self) -> None:
        """Where ± would reach below zero, or hide that 1 is outside, both ends are written."""
        wide = Interval(value=10.1, low=2.13, high=48.2)
        assert fmt.ratio(wide) == "×10.1 (2.13 to 48.20)"
        assert fmt.duration_interval(Interval(value=172e-6, low=33.2e-6, high=889e-6)) == "172 (33.2 to 889.0) µs"

    def test_range_ends_at_one_decimal(self) -> None:
        """Both ends of a range have the same number of decimals."""
        assert fmt.ratio_range(Interval(value=1.007, low=0.9941, high=1.0212)) == "0.994 to 1.021"

    @given(st.text())
    def test_clean_text_can_be_printed(self, text: str) -> None:
        """Cleaned text has no line breaks, terminal codes or direction marks, and as many characters as before."""
        assert fmt.clean(text).isprintable()
        assert len(text) == len(fmt.clean(text))

    @pytest.mark.parametrize(
        ("half", "text"), [(0.0047, "±0.47 %"), (0.012, "±1.2 %"), (0.34, "±34 %"), (0.0, "±0 %"), (None, "n/a")]
    )
    def test_precision(self, half: float | None, text: str) -> None:
        """How precise a figure is stands in two digits, and n/a is not 0."""
        assert text == fmt.precision(half)

    @pytest.mark.parametrize(
        ("fraction", "text"), [(0.0, "0 %"), (1e-9, "< 0.001 %"), (0.00032, "0.032 %"), (1.0, "100 %")]
    )
    def test_shares_never_round_to_nothing(self, fraction: float, text: str) -> None:
        """A rate that is tiny is not shown as zero: only zero is."""
        assert text == fmt.share(fraction)

    @pytest.mark.parametrize(
        ("p_value", "text"), [(0.0, "< 0.001"), (0.0009, "< 0.001"), (0.001, "0.001"), (1.0, "1.000")]
    )
    def test_probabilities(self, p_value: float, text: str) -> None:
        """A p-value has three decimals, and below them it is a bound."""
        assert text == fmt.probability(p_value)

    @pytest.mark.parametrize(
        ("joules", "text"), [(0.0123, "12.3 mJ"), (4.0, "4.00 J"), (2e-5, "20.0 µJ"), (1e-12, "0.00100 nJ")]
    )
    def test_energy(self, joules: float, text: str) -> None:
        """Joules are written in the unit that reads best."""
        assert text == fmt.energy(joules)

    def test_change_in_points_with_both_ends(self) -> None:
        """An interval of a change shows signs at all three places."""
        assert fmt.points_range(Interval(value=0.001, low=-0.002, high=0.004)) == "+0.10 (−0.20 to +0.40)"
