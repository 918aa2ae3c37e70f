"""The wire format is read within its bounds, and damage is said with its place."""

import io

import pytest

from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Chunk, Storage, write_chunks


def written(chunks: list[Chunk]) -> bytes:
    file = io.BytesIO()
    write_chunks(file, chunks)
    return file.getvalue()


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**63, 2**64 - 1])
def test_varint_round_trip(value: int) -> None:
    """Every unsigned 64-bit number comes back."""
    encoded = wire.varint(value)
    assert wire.read_varint(memoryview(encoded), 0, len(encoded)) == (value, len(encoded))


@pytest.mark.parametrize("value", [0, 5, -1, -(2**31), 2**63 - 1, -(2**63)])
def test_signed_is_twos_complement(value: int) -> None:
    """Negative numbers are sent as their 64-bit two's complement."""
    assert wire.signed(value & 0xFFFF_FFFF_FFFF_FFFF) == value


def test_fields_of_every_wire_type() -> None:
    """Varints give their value; all others the bounds of their bytes."""
    data = b"\x08\x96\x01" + b"\x12\x03abc" + b"\x1d\x00\x00\x80\x3f" + b"\x21" + bytes(8)
    found = list(wire.fields(memoryview(data), 0, len(data)))
    assert [(f.number, f.wire_type) for f in found] == [(1, 0), (2, 2), (3, 5), (4, 1)]
    assert found[0].value == 150
    assert data[found[1].start : found[1].end] == b"abc"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x08\x96", "ends inside a number"),
        (b"\x12\x05abc", "needs 5 bytes where 3 are left"),
        (b"\x0b\x00", "unknown wire type 3"),
        (b"\x00\x01", "field number 0"),
        (b"\x08" + b"\xff" * 11, "more than 64 bits"),
    ],
)
def test_damage_is_named(data: bytes, reason: str) -> None:
    """A message that cannot be read says why and where."""
    with pytest.raises(wire.WireError, match=f"{reason}.*at byte"):
        list(wire.fields(memoryview(data), 0, len(data)))


def test_nested_counts_all_chunks() -> None:
    """The length in front of a nested message covers all of its chunks."""
    data = written(wire.nested(4, [b"ab", memoryview(b"cde"), Storage.of_bytes(b"xfx").span(1, 2)]))
    (field,) = wire.fields(memoryview(data), 0, len(data))
    assert (field.number, data[field.start : field.end]) == (4, b"abcdef")
