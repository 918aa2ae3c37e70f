"""Tables of a flatbuffer whose fields have names: a class is the schema for reading and writing.

A field is declared as ``name: type = field(index)``, in the order of the .fbs file. A table in a
file decodes an attribute when it is asked for; a new table is given its fields as arguments.

Source: the format's internals, https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from flatbuffers import Builder, encode
from flatbuffers import number_types as kinds
from flatbuffers.table import Table as Bytes

if TYPE_CHECKING:
    from typing_extensions import Self

Int8: TypeAlias = int
Uint8: TypeAlias = int
Int32: TypeAlias = int
Uint32: TypeAlias = int
Int64: TypeAlias = int
Float32: TypeAlias = float

# Scalars: how flatbuffers names them, and how struct and numpy name the elements of a vector.
_SCALARS = {
    "bool": (kinds.BoolFlags, "?"),
    "Int8": (kinds.Int8Flags, "b"),
    "Uint8": (kinds.Uint8Flags, "B"),
    "Int32": (kinds.Int32Flags, "i"),
    "Uint32": (kinds.Uint32Flags, "I"),
    "Int64": (kinds.Int64Flags, "q"),
    "Float32": (kinds.Float32Flags, "f"),
}
# The flatbuffer grows by doubling; what it is given at the start saves that.
_SLACK_BYTES = 1 << 20


def field(index: int, kind: str | None = None, alignment: int = 1) -> Any:
    """A field of a table, by its index; its annotation says the kind where `kind` does not.

    A vector may ask for an `alignment` in bytes beyond that of its numbers.
    """
    return _Field(index, kind, alignment)


class Table:
    """A table, whose subclass declares its fields.

    A field is a number, a text, a vector (of bytes as `memoryview`), a table or a list of tables.
    One that is left out of the file is 0, empty, or None for a table.
    """

    fields: ClassVar[Mapping[str, _Field]] = {}
    _bytes: Any = None

    def __init_subclass__(cls) -> None:
        cls.fields = {key: each for key, each in vars(cls).items() if isinstance(each, _Field)}

    def __init__(self, **values: Any) -> None:
        """A new table; what is None or not given is left out of the file, as is a number of 0."""
        if unknown := set(values) - set(self.fields):
            raise TypeError(f"{type(self).__name__} has no field {sorted(unknown)}")
        vars(self).update(values)

    @classmethod
    def at(cls, view: memoryview, position: int) -> Self:
        """The table at a position of a file."""
        table = cls()
        table._bytes = Bytes(view, position)
        return table

    @classmethod
    def root(cls, view: memoryview) -> Self:
        """The outermost table of a file."""
        return cls.at(view, int(encode.Get(kinds.UOffsetTFlags.packer_type, view, 0)))

    def read_as(self, schema: type[_T]) -> _T:
        """The same bytes as another table: how a union is read."""
        return schema.at(self._bytes.Bytes, self._bytes.Pos)

    def values(self) -> dict[str, Any]:
        """All fields by name."""
        return {name: getattr(self, name) for name in self.fields}


_T = TypeVar("_T", bound=Table)


class _Field:
    """A field: where it stands in its table, and what it is."""

    name: str
    owner: type[Table]

    def __init__(self, index: int, kind: str | None, alignment: int) -> None:
        self.index = index
        self.kind = kind or ""
        self.alignment = alignment
        self.is_vector = False

    def __set_name__(self, owner: type[Table], name: str) -> None:
        self.name, self.owner = name, owner
        match = _ANNOTATION.fullmatch(self.kind or owner.__annotations__[name])
        assert match is not None
        self.kind, self.is_vector = match["kind"], bool(match["vector"])

    @property
    def schema(self) -> type[Table]:
        """The schema of a field of tables."""
        found: type[Table] = getattr(sys.modules[self.owner.__module__], self.kind)
        return found

    def __get__(self, table: Table | None, owner: type[Table]) -> Any:
        """The value; it is kept, and found in the table itself from then on."""
        if table is None:
            return self
        if table._bytes is None:
            return None
        value = vars(table)[self.name] = self._read(table._bytes)
        return value

    def _read(self, table: Any) -> Any:
        if self.is_vector or self.kind == "memoryview":
            return self._read_vector(table)
        offset = int(table.Offset(4 + 2 * self.index))
        if self.kind in _SCALARS:
            kind, _ = _SCALARS[self.kind]
            return table.Get(kind, table.Pos + offset) if offset else kind.py_type(0)
        if self.kind == "str":
            text = bytes(table.String(table.Pos + offset)) if offset else b""
            return text.decode("utf-8", "replace")
        if not offset:
            return None
        return self.schema.at(table.Bytes, table.Indirect(table.Pos + offset))

    def _read_vector(self, table: Any) -> Any:
        _, code = _SCALARS.get(self.kind, (None, "B" if self.kind == "memoryview" else "I"))
        start, count = self._bounds(table, struct.calcsize(code))
        if self.kind == "memoryview":
            return table.Bytes[start : start + count]
        if self.kind in _SCALARS:
            return list(struct.unpack_from(f"<{count}{code}", table.Bytes, start))
        positions = [table.Indirect(start + 4 * index) for index in range(count)]
        return [self.schema.at(table.Bytes, position) for position in positions]

    def _bounds(self, table: Any, size: int) -> tuple[int, int]:
        """The start and the length of a vector of elements of a size; 0 where it is left out."""
        offset = int(table.Offset(4 + 2 * self.index))
        if not offset:
            return 0, 0
        start, count = table.Vector(offset), table.VectorLen(offset)
        if start + size * count > len(table.Bytes):
            raise ValueError("a vector beyond the end of the file")
        return start, count

    def add(self, builder: Builder, value: Any) -> int:
        """The offset of what a table refers to, which is written before it."""
        if self.kind == "str":
            return int(builder.CreateString(value))
        if self.kind == "memoryview" or (self.is_vector and self.kind in _SCALARS):
            return self._add_numbers(builder, value)
        return _add_vector(builder, value) if self.is_vector else _add(builder, value)

    def _add_numbers(self, builder: Builder, value: Any) -> int:
        import numpy as np

        _, code = _SCALARS.get(self.kind, (None, "B"))
        array = np.asarray(value, np.dtype(code))
        builder.Prep(self.alignment, array.nbytes)
        return int(builder.CreateNumpyVector(array))


_ANNOTATION = re.compile(r"(?P<vector>list\[)?(?P<kind>\w+)\]?(?: \| None)?")


def packed(root: Table, identifier: bytes, expected_bytes: int) -> memoryview:
    """The bytes of a file; `expected_bytes` are those of its large vectors."""
    builder = Builder(expected_bytes + _SLACK_BYTES)
    builder.Finish(_add(builder, root), file_identifier=identifier)
    return memoryview(builder.Bytes)[builder.Head() :]


def _add(builder: Builder, table: Table) -> int:
    """The offset of a table. What it refers to goes first: a flatbuffer is built from its end."""
    given = [(each, vars(table).get(name)) for name, each in table.fields.items()]
    slots = [
        (each, value if _is_number(each) else each.add(builder, value))
        for each, value in sorted(given, key=lambda one: one[0].index)
        if value is not None
    ]
    builder.StartObject(max((each.index + 1 for each, _ in slots), default=0))
    for each, value in slots:
        if _is_number(each):
            kind, _ = _SCALARS[each.kind]
            builder.PrependSlot(kind, each.index, kind.py_type(value), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(each.index, value, 0)
    return int(builder.EndObject())


def _is_number(each: _Field) -> bool:
    """Whether a field stands in the table itself."""
    return each.kind in _SCALARS and not each.is_vector


def _add_vector(builder: Builder, tables: list[Table]) -> int:
    offsets = [_add(builder, table) for table in tables]
    builder.StartVector(kinds.UOffsetTFlags.bytewidth, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
