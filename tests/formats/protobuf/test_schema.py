"""Messages with named fields are read as protobuf writes them."""

from __future__ import annotations

from typing import Any

import pytest

from dsconv.errors import ModelError
from dsconv.formats.protobuf.schema import (
    Double,
    Enum,
    Fixed32,
    Float,
    Int64,
    TypedMessage,
    field,
    message_class,
)
from dsconv.formats.storage import Span


class Outer(TypedMessage):
    """A field of every kind."""

    title: str = field(1)
    titles: list[str] = field(2)
    count: Int64 = field(3)
    counts: list[Int64] = field(4)
    flag: bool = field(5)
    kind: Enum = field(6)
    single: Float = field(7)
    doubles: list[Double] = field(8)
    checksum: Fixed32 = field(9)
    data: bytes = field(10)
    raw: Span = field(11)
    inner: Inner = field(12)
    inners: list[Inner] = field(13)
    named: dict[str, Inner] = field(14)
    words: dict[str, str] = field(15)


class Inner(TypedMessage):
    """A message inside."""

    count: Int64 = field(1)


class Choice(TypedMessage, oneof=True):
    """One field or the other."""

    count: Int64 = field(1)
    title: str = field(2)


VALUES: dict[str, Any] = {
    "title": "a",
    "titles": ["b", "c"],
    "count": -5,
    "counts": [1, -1, 1 << 40],
    "flag": True,
    "kind": 7,
    "single": 0.5,
    "doubles": [0.1, -2.0],
    "checksum": 0xFFFFFFFF,
    "data": b"\x00\xff",
}


def read(**values: Any) -> Outer:
    """What protobuf writes, as it is read."""
    return Outer.of_bytes(message_class(Outer)(**values).SerializeToString())


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_read_as_it_was_written(name: str) -> None:
    """Each kind of scalar, and it alone is there."""
    message = read(**{name: VALUES[name]})
    assert getattr(message, name) == VALUES[name]
    assert message.present == [name]
    assert message.has(name)


def test_what_is_not_there_has_a_default() -> None:
    """Zero, empty, or an empty message."""
    message = read()
    found = {name: getattr(message, name) for name in VALUES}
    assert found == {name: type(value)() for name, value in VALUES.items()}
    assert (len(message.raw), message.inner.count, message.inners) == (0, 0, [])
    assert (message.named, message.words, message.present) == ({}, {}, [])


def test_messages_and_maps() -> None:
    """Messages inside, one, several, and by name."""
    message = read(
        inner={"count": 1},
        inners=[{"count": 2}, {"count": 3}],
        named=[{"key": "b", "value": {"count": 4}}, {"key": "a", "value": {"count": 5}}],
        words=[{"key": "x", "value": "y"}],
        raw=b"bytes",
    )
    assert message.inner.count == 1
    assert [inner.count for inner in message.inners] == [2, 3]
    assert [(key, inner.count) for key, inner in message.named.items()] == [("b", 4), ("a", 5)]
    assert message.words == {"x": "y"}
    assert bytes(message.raw.view) == b"bytes"


def test_fields_that_are_not_declared() -> None:
    """They are told by their numbers, and kept by the one that writes."""
    data = message_class(Outer)(title="a", inner={"count": 1}).SerializeToString()
    message = Inner.of_bytes(data)
    assert (message.present, message.undeclared) == (["count"], [12])
    assert message_class(Inner).FromString(data[3:]).SerializeToString() == data[3:]


def test_floats_that_are_cut_off() -> None:
    """Bytes that are no whole floats are damage."""
    with pytest.raises(ModelError, match="field 7 has a length that is not a multiple of 4"):
        _ = Outer.of_bytes(b"\x3a\x02ab").single


def test_one_of_several_fields() -> None:
    """The last one that is set stays, also where it is 0."""
    message = message_class(Choice)(title="a")
    message.count = 0
    assert Choice.of_bytes(message.SerializeToString()).present == ["count"]
