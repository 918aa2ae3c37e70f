"""Tables that know where their fields stand in a flatbuffer, and the packing of them.

Source: the format's internals, https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, get_origin, get_type_hints

import flatbuffers
import numpy as np
from flatbuffers import number_types as kinds
from numpy.typing import NDArray

# The flatbuffer grows by doubling; what it is given at the start saves that.
_SLACK_BYTES = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a field stands: its number in the table, and for a number its type.

    A vector may ask for an `alignment` in bytes beyond that of its numbers.
    """

    number: int
    kind: Any = None
    alignment: int = 1


class Table:
    """A dataclass whose fields are annotated with their places.

    A field holds a number, a text, an array of numbers, a table, a list of tables, or None. It is
    left out of the file where it is None or 0.
    """

    _places: ClassVar[Mapping[str, Place]]

    def __init_subclass__(cls) -> None:
        hints = get_type_hints(cls, include_extras=True)
        annotated = {name: hint for name, hint in hints.items() if get_origin(hint) is Annotated}
        cls._places = {name: hint.__metadata__[0] for name, hint in annotated.items()}

    def places(self) -> Iterable[tuple[Place, Any]]:
        """Each field's place and value."""
        return ((place, getattr(self, name)) for name, place in self._places.items())


def packed(root: Table, identifier: bytes, expected_bytes: int) -> memoryview:
    """The bytes of a file; `expected_bytes` are those of its large vectors."""
    builder = flatbuffers.Builder(expected_bytes + _SLACK_BYTES)
    builder.Finish(_add(builder, root), file_identifier=identifier)
    return memoryview(builder.Bytes)[builder.Head() :]


def _add(builder: Any, table: Table) -> int:
    """The offset of a table. What it refers to goes first: a flatbuffer is built from its end."""
    given = [(place, value) for place, value in table.places() if value is not None]
    places = [
        (place, value if place.kind else _add_child(builder, place, value))
        for place, value in sorted(given, key=lambda one: one[0].number)
    ]
    builder.StartObject(max((place.number + 1 for place, _ in places), default=0))
    for place, value in places:
        if place.kind:
            builder.PrependSlot(place.kind, place.number, place.kind.py_type(value), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(place.number, value, 0)
    return int(builder.EndObject())


def _add_child(builder: Any, place: Place, value: Any) -> int:
    if isinstance(value, Table):
        return _add(builder, value)
    if isinstance(value, bytes):
        return int(builder.CreateString(value))
    if isinstance(value, list):
        offsets = [_add(builder, child) for child in value]
        builder.StartVector(kinds.UOffsetTFlags.bytewidth, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())
    return _add_numbers(builder, value, place.alignment)


def _add_numbers(builder: Any, value: NDArray[np.generic], alignment: int) -> int:
    builder.Prep(alignment, value.nbytes)
    return int(builder.CreateNumpyVector(value))
