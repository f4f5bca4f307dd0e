"""Registries: a name, and the module that implements it, imported only when it is asked for.

Other packages add entries through entry points; the built-in ones are looked up in the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

from edgefashion.errors import UsageError


@dataclass(frozen=True)
class Registry:
    """Names that stand for modules.

    Attributes:
        kind: What an entry is, in the words of an error message ("runtime").
        group: Entry-point group through which other packages add entries.
        built_in: Name to dotted module path; listing imports nothing.
    """

    kind: str
    group: str
    built_in: Mapping[str, str]

    def names(self) -> tuple[str, ...]:
        """Every known name, the built-in ones first, without importing any of them."""
        added = sorted(point.name for point in entry_points(group=self.group))
        return (*self.built_in, *(name for name in added if name not in self.built_in))

    def load(self, name: str) -> ModuleType:
        """Import and return the module behind `name`.

        Raises:
            UsageError: Nothing has that name; the message lists the names that exist.
        """
        if name in self.built_in:
            return import_module(self.built_in[name])
        for point in entry_points(group=self.group, name=name):
            return import_module(point.module)
        raise UsageError(unknown(self.kind, name, self.names()))


def unknown(kind: str, name: str, known: tuple[str, ...]) -> str:
    """The sentence for a name that does not exist, with the nearest one that does."""
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {kind} {name!r}: {hint}known are {', '.join(known)}"
