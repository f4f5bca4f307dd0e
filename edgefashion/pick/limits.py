"""Limits as people write them: "100kB", "200us", "93%", "Shirt=0.8"."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite

from edgefashion.errors import UsageError
from edgefashion.records.pick import Constraint

_NUMBER_AND_UNIT = re.compile(r"(?P<number>[0-9]+\.?[0-9]*|\.[0-9]+) ?(?P<unit>\D*)")

_BYTES = {
    "": Decimal(1),
    "B": Decimal(1),
    "kB": Decimal(10**3),
    "KB": Decimal(10**3),
    "MB": Decimal(10**6),
    "GB": Decimal(10**9),
    "KiB": Decimal(2**10),
    "MiB": Decimal(2**20),
    "GiB": Decimal(2**30),
}
# The micro sign and the Greek letter look the same and are two characters.
_SECONDS = {
    "s": Decimal(1),
    "ms": Decimal("1e-3"),
    "us": Decimal("1e-6"),
    "\N{MICRO SIGN}s": Decimal("1e-6"),
    "\N{GREEK SMALL LETTER MU}s": Decimal("1e-6"),
    "ns": Decimal("1e-9"),
}
_SHARES = {"": Decimal(1), "%": Decimal("1e-2")}


def limits(
    *,
    max_size: str | None = None,
    min_accuracy: str | None = None,
    max_p50: str | None = None,
    max_p99: str | None = None,
    min_class_f1: Sequence[str] = (),
) -> list[Constraint]:
    """Each limit that is given, in this order; class limits are written CLASS=SHARE.

    Raises:
        UsageError: One of them cannot be read; the message names it.
    """
    found = []
    if max_size is not None:
        found.append(Constraint("size", parse_size(max_size, option="--max-size")))
    if min_accuracy is not None:
        found.append(Constraint("accuracy", parse_share(min_accuracy, option="--min-accuracy")))
    if max_p50 is not None:
        found.append(Constraint("p50", parse_duration(max_p50, option="--max-p50")))
    if max_p99 is not None:
        found.append(Constraint("p99", parse_duration(max_p99, option="--max-p99")))
    return [*found, *(_class_limit(text) for text in min_class_f1)]


def parse_size(text: str, *, option: str) -> float:
    """Bytes from "100kB", "97.7 KiB" or "100000"; kB is 1,000 bytes and KiB 1,024.

    Raises:
        UsageError: It is no size above zero; the message names `option` and `text`.
    """
    return _quantity(text, _BYTES, option=option, expected="a size above 0, as 100kB, 96 KiB or 100000 (bytes)")


def parse_duration(text: str, *, option: str) -> float:
    """Seconds from "200us", "0.2 ms" or "1s".

    Raises:
        UsageError: It is no time above zero with its unit; the message names `option` and `text`.
    """
    return _quantity(text, _SECONDS, option=option, expected="a time above 0 with its unit, as 200us or 0.2ms")


def parse_share(text: str, *, option: str) -> float:
    """A share of one from "93%", "93 %" or "0.93".

    Raises:
        UsageError: It is no share above zero and at most one; the message names `option` and `text`.
    """
    expected = "a share above 0 and at most 1, as 93% or 0.93"
    share = _quantity(text, _SHARES, option=option, expected=expected)
    if share > 1:
        raise UsageError(f"{option}={text}: expected {expected}")
    return share


def _class_limit(text: str) -> Constraint:
    option = "--min-class-f1"
    label, equals, share = text.rpartition("=")
    if not label or not equals:
        raise UsageError(f"{option}={text}: expected CLASS=SHARE, as Shirt=0.8")
    return Constraint("F1", parse_share(share, option=f"{option} {label}"), label)


def _quantity(text: str, units: Mapping[str, Decimal], *, option: str, expected: str) -> float:
    """The number times its unit: in decimals, so that 200us is the float nearest to 0.0002."""
    match = _NUMBER_AND_UNIT.fullmatch(text.strip())
    value = float(Decimal(match["number"]) * units[match["unit"]]) if match and match["unit"] in units else 0.0
    if not isfinite(value) or value <= 0:
        raise UsageError(f"{option}={text}: expected {expected}")
    return value
