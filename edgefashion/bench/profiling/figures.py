"""Figures as the sentences about a profile write them."""

from collections.abc import Sequence

_MILLISECOND = 1e-3
_ONE_PERCENT, _NOTHING = 0.01, 1e-4


def duration(seconds: float) -> str:
    """Three significant digits: "84.1 µs", "5.02 ms"."""
    value, unit = (seconds * 1e3, "ms") if abs(seconds) >= _MILLISECOND else (seconds * 1e6, "µs")
    return f"{f'{value:#.3g}'.rstrip('.')} {unit}" if value else f"0 {unit}"


def percent(share: float) -> str:
    """Whole per cents; two digits below one."""
    return f"{100 * share:.2g} %" if _NOTHING <= share < _ONE_PERCENT else f"{100 * share:.0f} %"


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
