"""The tree of errors and the exit codes that it stands for."""

import inspect
import re

import pytest

from edgefashion import errors
from edgefashion.errors import EdgefashionError, ExitCode

LEAVES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, EdgefashionError) and kind is not EdgefashionError
]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("CheckFailed", 1),
        ("UsageError", 2),
        ("Inconclusive", 3),
        ("BadInput", 4),
        ("NotAvailable", 5),
        ("CannotWrite", 6),
    ],
)
def test_exit_codes(name: str, code: int) -> None:
    """The exit codes are a contract with scripts and never change."""
    assert code == getattr(errors, name).exit_code


def test_codes_are_distinct() -> None:
    """A caller can tell every kind of error from every other, and from a bug."""
    codes = [kind.exit_code for kind in LEAVES]
    assert len(codes) == len(set(codes))
    assert EdgefashionError.exit_code == ExitCode.BUG
    assert ExitCode.BUG not in codes


def test_tree_is_flat() -> None:
    """Catching one kind never catches another."""
    assert [(EdgefashionError,)] * 6 == [kind.__bases__ for kind in LEAVES]


def test_documentation_agrees() -> None:
    """The tree in the module's docstring is the tree in its code."""
    documented = dict(re.findall(r"[├└]── (\w+) +(\d+)", errors.__doc__ or ""))
    assert {kind.__name__: str(int(kind.exit_code)) for kind in LEAVES} == documented
