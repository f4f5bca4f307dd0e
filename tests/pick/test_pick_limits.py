"""Limits as people write them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.errors import UsageError
from edgefashion.pick import limits
from edgefashion.pick.limits import parse_duration, parse_share, parse_size
from edgefashion.records.pick import Constraint

NUMBERS = st.decimals(min_value="0.001", max_value=999_999, places=3)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("100kB", 1e5),
        ("100 KB", 1e5),
        ("100 KiB", 102_400),
        ("1.2MB", 1.2e6),
        ("96", 96),
        (" 7B ", 7),
        (".5MiB", 2**19),
    ],
)
def test_sizes(text: str, size: float) -> None:
    """Decimal and binary units, with or without a space; a bare number is bytes."""
    assert size == parse_size(text, option="--max-size")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("200us", 2e-4),
        ("200 \N{MICRO SIGN}s", 2e-4),
        ("200\N{GREEK SMALL LETTER MU}s", 2e-4),
        ("0.2ms", 2e-4),
        ("90ns", 9e-8),
        ("1.s", 1.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """From nanoseconds to seconds, micro written in three ways; the float is the one nearest to the decimal number."""
    assert seconds == parse_duration(text, option="--max-p99")


@pytest.mark.parametrize(
    ("text", "share"), [("93%", 0.93), ("93.6 %", 0.936), ("0.93", 0.93), (".93", 0.93), ("1", 1.0)]
)
def test_shares(text: str, share: float) -> None:
    """In hundredths or as a fraction."""
    assert share == parse_share(text, option="--min-accuracy")


@given(NUMBERS)
def test_units_are_multiples_of_each_other(number: Decimal) -> None:
    """The same quantity in another unit is the same float, and not only nearly so."""
    assert parse_size(f"{number}kB", option="") == parse_size(f"{number * 1000:f}B", option="")
    assert parse_duration(f"{number}ms", option="") == parse_duration(f"{number * 1000:f} us", option="")
    assert parse_share(f"{number / 10**6:f}", option="") == parse_share(f"{number / 10**4:f}%", option="")


@given(st.text(max_size=8) | st.from_regex(r"[0-9.]{1,4} ?[a-zA-Z%]{0,3}", fullmatch=True))
def test_what_cannot_be_read_is_named(text: str) -> None:
    """Any text is a positive number of bytes, seconds or shares, or an error that quotes it beside its option."""
    for parse in (parse_size, parse_duration, parse_share):
        try:
            said, value = "", parse(text, option="--limit")
        except UsageError as error:
            said, value = str(error), 1.0
        assert not said or f"--limit={text}: expected a" in said
        assert 0 < value < float("inf")


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("max_size", "0kB", "a size above 0"),
        ("max_size", "-1kB", "a size above 0"),
        ("max_size", "100kb", "a size above 0"),  # bits?
        ("max_size", "1,000B", "a size above 0"),
        ("max_size", "9" * 400, "a size above 0"),
        ("max_p99", "200", "with its unit"),
        ("max_p50", "200m", "with its unit"),
        ("min_accuracy", "93", "93% or 0.93"),
        ("min_accuracy", "nan", "93% or 0.93"),
    ],
)
def test_what_is_no_limit_is_refused(option: str, text: str, expected: str) -> None:
    """The message names the option, the value, and what was expected instead."""
    with pytest.raises(UsageError, match=expected) as refused:
        limits(**{option: text})
    assert str(refused.value).startswith(f"--{option.replace('_', '-')}={text}: ")


def test_limits_are_kept_in_order() -> None:
    """Size, accuracy, median, p99, then classes as they were given; what is not given is no limit."""
    found = limits(
        max_size="1kB", min_accuracy="90%", max_p50="1ms", max_p99="2ms", min_class_f1=["T-shirt/top=80%", "a=b=0.5"]
    )
    assert found == [
        Constraint("size", 1000.0),
        Constraint("accuracy", 0.9),
        Constraint("p50", 0.001),
        Constraint("p99", 0.002),
        Constraint("F1", 0.8, "T-shirt/top"),
        Constraint("F1", 0.5, "a=b"),
    ]
    assert [each.relation for each in found] == ["≤", "≥", "≤", "≤", "≥", "≥"]
    assert limits() == []


@pytest.mark.parametrize("text", ["Shirt", "=0.8", "Shirt=", "Shirt=2"])
def test_class_limits_have_both_parts(text: str) -> None:
    """A class without a share, and a share without a class, are refused."""
    with pytest.raises(UsageError, match=f"^--min-class-f1.{text}: expected "):
        limits(min_class_f1=[text])
