"""A message of the wire format as an object: its fields by number, read where they lie.

Nothing is copied until its value is asked for, so the weights of a mapped file stay in the file.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dsconv.errors import ModelError
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Span, Storage

if TYPE_CHECKING:
    from typing_extensions import Self


class Message:
    """The fields of a message. A field that is not there has the default of proto3.

    Raises WireError where the bytes are damaged.
    """

    def __init__(self, span: Span) -> None:
        self.span = span

    @classmethod
    def of_storage(cls, storage: Storage) -> Self:
        """The message that fills a storage."""
        return cls(storage.span(0, len(storage)))

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """The message that fills a file, which is mapped."""
        return cls.of_storage(Storage.of_file(path))

    @classmethod
    def of_bytes(cls, data: bytes) -> Self:
        """A message in memory."""
        return cls.of_storage(Storage.of_bytes(data))

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the fields that are there."""
        return tuple(self._fields)

    def spans(self, number: int) -> list[Span]:
        """The bytes of each occurrence of a length-delimited field."""
        return [self._span(field) for field in self._fields.get(number, ())]

    def texts(self, number: int) -> list[str]:
        """Each occurrence of a field of text."""
        return [str(span.view, "utf-8", "replace") for span in self.spans(number)]

    def integers(self, number: int) -> list[int]:
        """A repeated signed integer, packed or not."""
        view, values = self.span.storage.view, []
        for field in self._fields.get(number, ()):
            if field.wire_type == wire.VARINT:
                values.append(wire.signed(field.value))
                continue
            span = self._span(field)
            position = span.start
            while position < span.end:
                value, position = wire.read_varint(view, position, span.end)
                values.append(wire.signed(value))
        return values

    def reals(self, number: int, code: Literal["f", "d"]) -> list[float]:
        """A repeated float or double, packed or not. Raises ModelError if it is damaged."""
        data = b"".join(span.view for span in self.spans(number))
        size = struct.calcsize(code)
        if len(data) % size:
            raise ModelError(
                f"field {number} has a length that is not a multiple of {size}; copy the model "
                "again."
            )
        return list(struct.unpack(f"<{len(data) // size}{code}", data))

    @cached_property
    def _fields(self) -> dict[int, list[wire.Field]]:
        found: dict[int, list[wire.Field]] = defaultdict(list)
        for field in wire.fields(self.span.storage.view, self.span.start, self.span.end):
            found[field.number].append(field)
        return dict(found)

    def _span(self, field: wire.Field) -> Span:
        """The bytes of a field, of a fixed size or with a length."""
        if field.wire_type == wire.VARINT:
            raise wire.WireError.at(field.start, f"field {field.number} is a number")
        return self.span.storage.span(field.start, field.end)
