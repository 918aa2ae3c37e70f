"""Protocol-buffer wire format, read in place and written without copies.

Reading walks the fields of a message over any buffer without decoding what the caller skips, so
the large tensors of a mapped file are never touched. Writing nests messages as lists of chunks, so
a tensor travels from its source to the output without passing through a serializer.

Source: the "Encoding" page of the Protocol Buffers documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dsconv.errors import ModelError
from dsconv.formats.storage import Chunk

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5

MAP_KEY, MAP_VALUE = 1, 2
"""The fields of an entry of a map."""

_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
# 64 bits, 7 in a byte.
_LONGEST_VARINT = 10


class WireError(ModelError):
    """The bytes are not a message."""

    @classmethod
    def at(cls, position: int, reason: str) -> WireError:
        """The error at a position of the file."""
        return cls(f"damaged: {reason}, at byte {position:,}; copy or download the model again.")


class Field(NamedTuple):
    """One field of a message. `value` holds a varint; `start` and `end` bound everything else."""

    number: int
    wire_type: int
    start: int
    end: int
    value: int


def read_varint(buffer: memoryview, position: int, end: int) -> tuple[int, int]:
    """Return the varint at `position` and the position after it."""
    result = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        if position >= end:
            raise WireError.at(position, "message ends inside a number")
        byte = buffer[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFF_FFFF_FFFF_FFFF, position
    raise WireError.at(position, "number of more than 64 bits")


def fields(buffer: memoryview, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message that fills `buffer[start:end]`."""
    position = start
    while position < end:
        tag, position = read_varint(buffer, position, end)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise WireError.at(position, "field number 0")
        if wire_type == VARINT:
            value, after = read_varint(buffer, position, end)
            yield Field(number, wire_type, position, after, value)
            position = after
            continue
        if wire_type == LENGTH_DELIMITED:
            size, position = read_varint(buffer, position, end)
        elif wire_type in _FIXED_SIZES:
            size = _FIXED_SIZES[wire_type]
        else:
            raise WireError.at(position, f"unknown wire type {wire_type}")
        if size > end - position:
            left = end - position
            raise WireError.at(
                position, f"field {number} needs {size:,} bytes where {left:,} are left"
            )
        yield Field(number, wire_type, position, position + size, 0)
        position += size


def signed(value: int) -> int:
    """Read a varint as the two's-complement number that int32 and int64 fields hold."""
    return value - (1 << 64) if value >> 63 else value


def varint(value: int) -> bytes:
    """Encode a number of 0 or more."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def key(number: int, wire_type: int) -> bytes:
    """What stands before the value of a field."""
    return varint(number << 3 | wire_type)


def number(field: int, value: int) -> bytes:
    """The field `field` of an outer message that holds a number of 0 or more."""
    return key(field, VARINT) + varint(value)


def header(number: int, size: int) -> bytes:
    """What stands before the `size` bytes of a length-delimited field."""
    return key(number, LENGTH_DELIMITED) + varint(size)


def nested(number: int, chunks: Iterable[Chunk]) -> list[Chunk]:
    """Wrap chunks as the length-delimited field `number` of an outer message."""
    body = list(chunks)
    return [header(number, sum(map(len, body))), *body]
