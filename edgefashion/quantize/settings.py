"""A scheme's settings as text: what the command line takes, and what a variant is called.

    parse("static:method=percentile,activations=int8")  →  "static", static.Config(method="percentile", ...)
    spell("static", config)                             →  "static:method=percentile,activations=int8"

A setting is a field of the scheme's `Config`: a bool, a number, a word of a `Literal`, or names joined by "+".
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from edgefashion.errors import UsageError
from edgefashion.files import sha256
from edgefashion.records import Setting
from edgefashion.registry import unknown

_WORD = "word"
_TRUTH = {"true": True, "false": False}
_JOIN = "+"
_LONGEST_NAME = 100


def setting(default: Any, *, word: str) -> Any:
    """A field of a `Config`; `word` stands for it in a variant's name, {} for its value, when it is not `default`."""
    return field(default=default, metadata={_WORD: word})


def variant_of(base: str, config: Any) -> str:
    """The name of a variant: `base`, then a word for each setting that is not its default, or a digest of many."""
    words = [each.metadata[_WORD].format(_text(value)) for each, value in _changed(config)]
    name = "-".join([base, *words])
    # A variant names a file, and file systems take 255 bytes; the manifest holds every setting.
    return name if len(name) <= _LONGEST_NAME else f"{base}-{sha256(name.encode())[:8]}"


def recorded(config: Any) -> dict[str, Setting]:
    """Every setting of a `Config` as a manifest holds it."""
    return {name: _text(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}


def spell(scheme: str, config: Any) -> str:
    """The shortest text that `parse` reads as this scheme with these settings."""
    settings = ",".join(f"{each.name}={_text(value)}" for each, value in _changed(config))
    return f"{scheme}:{settings}" if settings else scheme


def parse(text: str) -> tuple[str, Any]:
    """The scheme that `text` names, and its `Config`.

    Args:
        text: A scheme, or a scheme, a colon and settings: "static:method=mse,per_channel=false".

    Raises:
        UsageError: Scheme, setting or value is unknown or makes no sense; the message says what would.
    """
    from edgefashion.quantize import SCHEMES

    scheme, colon, settings = text.partition(":")
    kind = SCHEMES.load(scheme).Config
    types = {each.name: get_type_hints(kind)[each.name] for each in fields(kind)}
    given: dict[str, Any] = {}
    for part in settings.split(",") if colon else []:
        name, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{part!r} in {text!r} is no setting: expected NAME=VALUE, as in static:method=mse")
        if name in given:
            raise UsageError(f"{name} is given twice in {text!r}")
        given[name] = _value(scheme, name, value, types)
    return scheme, kind(**given)


def _value(scheme: str, name: str, text: str, types: Mapping[str, Any]) -> Any:
    """The value that `text` means for the setting `name`."""
    if not types:
        raise UsageError(f"{scheme} has no settings: got {name}={text}")
    if name not in types:
        raise UsageError(unknown(f"setting of {scheme}", name, tuple(types)))
    kind = types[name]
    if get_origin(kind) is Literal:
        return _one_of(name, text, {str(choice): choice for choice in get_args(kind)})
    if kind is bool:
        return _one_of(name, text, _TRUTH)
    if get_origin(kind) is tuple:
        return tuple(part for part in text.split(_JOIN) if part)
    try:
        return kind(text)
    except ValueError:
        noun = "a whole number" if kind is int else "a number"
        raise UsageError(f"{name} is {text!r}: expected {noun}") from None


def _one_of(name: str, text: str, choices: Mapping[str, Any]) -> Any:
    if text not in choices:
        raise UsageError(unknown(f"value of {name}", text, tuple(choices)))
    return choices[text]


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return _JOIN.join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _changed(config: Any) -> list[tuple[Field[Any], Any]]:
    """The fields of a `Config` whose values are not their defaults, with their values."""
    pairs = [(each, getattr(config, each.name)) for each in fields(config)]
    return [(each, value) for each, value in pairs if each.default is MISSING or value != each.default]
