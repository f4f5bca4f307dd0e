"""Records have one strict JSON form, and nothing else gets through."""

import json
import types
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefashion import records
from edgefashion.errors import BadInput
from edgefashion.files import SEAL_KEY, UNSEALED, seal
from edgefashion.records import BenchReport, Document, Record, TrainingReport, VerifyReport, decode

PATH = Path("some.json")
DOCUMENTS: tuple[type[Document], ...] = (TrainingReport, VerifyReport, BenchReport)
RECORDS = [
    kind
    for name in records.__all__
    if isinstance(kind := getattr(records, name), type) and issubclass(kind, Record) and kind not in {Record, Document}
]


def values(kind: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one return a kind of type
    """Any value of an annotated type, as records use them."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Record):
        members = {field.name: values(field.type) for field in msgspec.structs.fields(kind)}
        return st.builds(kind, **members | {name: st.just(own) for name, own in fixed(kind).items()})
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*map(values, arguments))
    if origin in (list, tuple):
        return st.lists(values(arguments[0]), max_size=2).map(origin)
    if origin is dict:
        return st.dictionaries(st.text(max_size=5), values(arguments[1]), max_size=2)
    if kind is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if kind is int:
        return st.integers(-(2**63), 2**63 - 1)
    return st.from_type(kind)


def fixed(kind: type[Record]) -> dict[str, Any]:
    """The members that every valid document of one kind shares."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(kind)}
    return {name: defaults[name] for name in ("kind", "schema", "seal") if name in defaults}


def sealed(members: Any) -> bytes:
    """JSON with a sound seal, so that it is the parser that must refuse it."""
    return seal(json.dumps(members | {SEAL_KEY: UNSEALED}).encode())


def members_of(document: Document) -> dict[str, Any]:
    """A document's JSON members."""
    found: dict[str, Any] = json.loads(document.to_json())
    return found


def write(folder: Path, content: bytes) -> Path:
    """A file with `content`, replacing the one before."""
    path = folder / "fuzz.json"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", RECORDS)
@settings(max_examples=20)
@given(sought=st.data())
def test_json_round_trip(kind: type[Record], sought: st.DataObject) -> None:
    """Every record, whatever it holds, comes back from JSON equal to itself."""
    record = sought.draw(values(kind))
    assert record == decode(msgspec.json.encode(record), kind, PATH)


@pytest.mark.parametrize("kind", DOCUMENTS)
@settings(max_examples=20)
@given(sought=st.data(), indent=st.sampled_from([0, 2]))
def test_document_round_trip(
    kind: type[Document], sought: st.DataObject, indent: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every document comes back from its file equal to itself, save for the seal that writing fills in."""
    document = sought.draw(values(kind))
    path = document.save(tmp_path_factory.getbasetemp() / "document.json", indent=indent)
    found: Any = kind.load(path)
    assert found.seal != UNSEALED
    assert document == msgspec.structs.replace(found, seal=UNSEALED)


def test_saving_again_seals_again(training_report: TrainingReport, tmp_path: Path) -> None:
    """A document that was loaded can be saved, and gives the same bytes."""
    path = training_report.save(tmp_path / "train.json")
    assert path.read_bytes() == TrainingReport.load(path).to_json()


def test_indent_zero_is_one_line(training_report: TrainingReport) -> None:
    """Long raw data is kept on one line; short documents can be read by people."""
    assert training_report.to_json(indent=0).count(b"\n") == 1
    assert training_report.to_json().count(b"\n") > 50


@pytest.mark.parametrize("kind", RECORDS)
def test_records_are_frozen(kind: type[Record]) -> None:
    """No record can be changed after it was made, and every record refuses unknown members."""
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("surprise", 1),
        ("seed", "7"),
        ("seed", 7.5),
        ("seed", None),
        ("history", {}),
        ("kind", "verification"),
        ("recipe", []),
        ("wall_s", "0.1"),
        ("wall_s", float("nan")),
        ("wall_s", float("inf")),
    ],
)
def test_unknown_and_mistyped_members(member: str, value: Any, training_report: TrainingReport, tmp_path: Path) -> None:
    """A member that is unknown or of another type is refused, with the file named."""
    path = write(tmp_path, sealed(members_of(training_report) | {member: value}))
    with pytest.raises(BadInput, match=r"fuzz\.json is not a valid TrainingReport"):
        TrainingReport.load(path)


def test_missing_members(training_report: TrainingReport, tmp_path: Path) -> None:
    """Each member without a default is needed."""
    members = members_of(training_report)
    optional = {"kind", "schema", SEAL_KEY, "precision", "teacher", "teacher_sha256", "processes"}
    for name in members.keys() - optional:
        rest = {other: value for other, value in members.items() if other != name}
        with pytest.raises(BadInput, match=f"missing required field `{name}`"):
            TrainingReport.load(write(tmp_path, sealed(rest)))


def test_number_out_of_range(training_report: TrainingReport, tmp_path: Path) -> None:
    """A number that no float can hold is refused instead of becoming infinite."""
    text = json.dumps(members_of(training_report) | {SEAL_KEY: UNSEALED, "wall_s": 12345.5})
    path = write(tmp_path, seal(text.replace("12345.5", "1e999").encode()))
    with pytest.raises(BadInput, match="out of range"):
        TrainingReport.load(path)


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
def test_deep_nesting(bracket: bytes, tmp_path: Path) -> None:
    """A hundred thousand brackets overflow no stack, at the top or inside a member."""
    mark = b'{"edgefashion.sha256": "' + UNSEALED.encode() + b'", "history": '
    for start in (mark, b""):
        content = start + bracket * 100_000 + (b"" if start else mark)
        with pytest.raises(BadInput, match="not a valid TrainingReport"):
            TrainingReport.load(write(tmp_path, seal(content)))


def test_newer_schema(training_report: TrainingReport, tmp_path: Path) -> None:
    """A document of a newer schema is refused by its number."""
    path = write(tmp_path, sealed(members_of(training_report) | {"schema": 2}))
    with pytest.raises(BadInput, match="has schema 2: this edgefashion reads schema 1"):
        TrainingReport.load(path)


def test_other_kind_of_document(training_report: TrainingReport, tmp_path: Path) -> None:
    """train.json is not taken for verify.json."""
    path = training_report.save(tmp_path / "verify.json")
    with pytest.raises(BadInput, match="not a valid VerifyReport"):
        VerifyReport.load(path)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(members=st.dictionaries(st.text(max_size=9), junk, max_size=6))
def test_any_sealed_json_is_read_or_refused(members: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """No JSON object, however strange, escapes as anything but BadInput."""
    with pytest.raises(BadInput):
        TrainingReport.load(write(tmp_path_factory.getbasetemp(), sealed(members)))


@given(before=st.binary(max_size=50), after=st.binary(max_size=50))
def test_any_sealed_bytes_are_read_or_refused(
    before: bytes, after: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No bytes around a sound seal escape as anything but BadInput."""
    content = before + b'{"edgefashion.sha256": "' + UNSEALED.encode() + b'"}' + after
    with pytest.raises(BadInput):
        TrainingReport.load(write(tmp_path_factory.getbasetemp(), seal(content)))


@given(where=st.integers(0, 10**6), value=junk)
def test_any_replaced_value_is_read_or_refused(
    where: int, value: Any, training_report: TrainingReport, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A sealed document with any one value replaced, however deep, is a valid document or BadInput."""
    members = members_of(training_report)
    places = list(_places(members))
    holder, key = places[where % len(places)]
    holder[key] = value
    path = write(tmp_path_factory.getbasetemp(), sealed(members))
    try:
        found = TrainingReport.load(path)
    except BadInput:
        return
    assert isinstance(found, TrainingReport)


def _places(node: Any) -> typing.Iterator[tuple[Any, Any]]:
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in list(keys):
        yield node, key
        yield from _places(node[key])
