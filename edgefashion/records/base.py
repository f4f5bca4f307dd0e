"""What records and documents have in common: strict JSON, schema versions, seals."""

from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from edgefashion.errors import BadInput
from edgefashion.files import UNSEALED, atomic_write, check_seal, read_bounded, seal

SCHEMA = 1


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen value with a strict JSON form: unknown, missing and mistyped members are refused."""


def encode_unsealed(record: Record) -> bytes:
    """JSON of a record that has the member `seal`, with the seal empty: a file that was read can be written again."""
    unsealed: dict[str, Any] = {"seal": UNSEALED}
    return msgspec.json.encode(msgspec.structs.replace(record, **unsealed))


class Document(Record, frozen=True):
    """A record that is a file of its own: it has the members `kind`, `schema` and `seal`."""

    def to_json(self, *, indent: int = 2) -> bytes:
        """Sealed JSON; `indent` 0 puts everything on one line."""
        content = encode_unsealed(self)
        return seal((msgspec.json.format(content, indent=indent) if indent else content) + b"\n")

    def save(self, path: Path, *, indent: int = 2) -> Path:
        """Write the sealed JSON atomically; returns `path`."""
        return atomic_write(path, self.to_json(indent=indent))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a sealed document of this type.

        Raises:
            BadInput: The file is missing, damaged, edited, or a document of another kind.
        """
        content = read_bounded(path)
        check_seal(content, path)
        return decode(content, cls, path)


AnyRecord = TypeVar("AnyRecord", bound=Record)


def decode(content: bytes, kind: type[AnyRecord], path: Path) -> AnyRecord:
    """Parse JSON strictly as `kind`.

    Raises:
        BadInput: It is no JSON, of another kind, or of a newer schema; `path` names the file.
    """
    try:
        record = msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not a valid {kind.__name__}: {error}") from None
    schema = getattr(record, "schema", SCHEMA)
    if schema != SCHEMA:
        raise BadInput(f"{path} has schema {schema}: this edgefashion reads schema {SCHEMA}")
    return record
