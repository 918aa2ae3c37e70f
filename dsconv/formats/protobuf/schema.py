"""Messages whose fields have names: a class is the schema that reading and writing share.

A field is declared as ``name: type = field(number)``, as a line of a .proto file says it::

    class NodeProto(TypedMessage):
        output: list[str] = field(2)
        op_type: str = field(4)

Reading is lazy: an attribute is decoded when it is asked for, and one that is not there has the
default of proto3. `message_class` makes protobuf's own class of a schema, for writing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

from dsconv.formats.protobuf.message import Message
from dsconv.formats.protobuf.wire import MAP_KEY, MAP_VALUE

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool

# Scalars by their names in .proto files, where Python has no such type.
Int32: TypeAlias = int
Int64: TypeAlias = int
Enum: TypeAlias = int
Fixed32: TypeAlias = int
Float: TypeAlias = float
Double: TypeAlias = float


def field(number: int) -> Any:
    """A field of a schema, by its number."""
    return _Field(number)


class TypedMessage(Message):
    """A message whose subclass declares its fields. With `oneof` they exclude each other.

    A field of type `Span` is one of bytes, or a message, that is left where it lies.
    """

    fields: ClassVar[Mapping[str, _Field]] = {}
    oneof: ClassVar[bool] = False

    def __init_subclass__(cls, oneof: bool = False) -> None:
        cls.fields = {key: each for key, each in vars(cls).items() if isinstance(each, _Field)}
        cls.oneof = oneof

    @classmethod
    def number(cls, name: str) -> int:
        """The number of a field."""
        return cls.fields[name].number

    @classmethod
    def field_numbers(cls, *names: str) -> tuple[int, ...]:
        """The numbers of several fields."""
        return tuple(cls.fields[name].number for name in names)

    def has(self, name: str) -> bool:
        """Whether a field is there."""
        return self.fields[name].number in self

    @property
    def present(self) -> list[str]:
        """The names of the fields that are there."""
        return [name for name, each in self.fields.items() if each.number in self]

    @property
    def undeclared(self) -> list[int]:
        """The numbers of fields that are there and that the schema does not name."""
        return sorted(set(self.numbers) - {each.number for each in self.fields.values()})


class _Field:
    """A field: its number, and the type that its annotation says."""

    name: str
    kind: str
    container: str | None
    owner: type[TypedMessage]

    def __init__(self, number: int) -> None:
        self.number = number

    def __set_name__(self, owner: type[TypedMessage], name: str) -> None:
        match = _ANNOTATION.fullmatch(owner.__annotations__[name])
        assert match is not None
        self.name, self.owner = name, owner
        self.container, self.kind = match["container"], match["kind"]

    @property
    def message_type(self) -> type[TypedMessage] | None:
        """The schema of a field of messages."""
        if self.kind in _SCALARS:
            return None
        found: type[TypedMessage] = getattr(sys.modules[self.owner.__module__], self.kind)
        return found

    def __get__(self, message: TypedMessage | None, owner: type[TypedMessage]) -> Any:
        """The value; it is kept, and found in the message itself from then on."""
        if message is None:
            return self
        value = message.__dict__[self.name] = self._read(message)
        return value

    def _read(self, message: TypedMessage) -> Any:
        if self.container == "dict":
            return {
                "".join(entry.texts(MAP_KEY)[-1:]): self._last(
                    self._values(entry, MAP_VALUE), entry
                )
                for entry in map(Message, message.spans(self.number))
            }
        values = self._values(message, self.number)
        return values if self.container == "list" else self._last(values, message)

    def _values(self, message: Message, number: int) -> list[Any]:
        if self.kind in _SCALARS:
            return _SCALARS[self.kind].read(message, number)
        kind = self.message_type
        assert kind is not None
        return [kind(span) for span in message.spans(number)]

    def _last(self, values: list[Any], message: Message) -> Any:
        """The value of a field that is not repeated: the last one, or the default."""
        if values:
            return values[-1]
        if self.kind in _SCALARS and self.kind != "Span":
            return _SCALARS[self.kind].default
        nothing = message.span.storage.span(message.span.end, message.span.end)
        return nothing if self.kind == "Span" else (self.message_type or Message)(nothing)


_ANNOTATION = re.compile(r"(?:(?P<container>list|dict)\[(?:str, )?)?(?P<kind>\w+)\]?")


class _Scalar(NamedTuple):
    """How a scalar is read, its default, and its number in protobuf's descriptors."""

    read: Callable[[Message, int], list[Any]]
    default: Any
    descriptor_type: int


def _booleans(message: Message, number: int) -> list[bool]:
    return [bool(value) for value in message.integers(number)]


_SCALARS = {
    "str": _Scalar(Message.texts, "", 9),
    "bytes": _Scalar(lambda message, n: [bytes(span.view) for span in message.spans(n)], b"", 12),
    "Span": _Scalar(Message.spans, None, 12),
    "bool": _Scalar(_booleans, False, 8),
    "Int32": _Scalar(Message.integers, 0, 5),
    "Int64": _Scalar(Message.integers, 0, 3),
    # An int32 is the same on the wire and takes numbers that are not declared.
    "Enum": _Scalar(Message.integers, 0, 5),
    "Fixed32": _Scalar(
        lambda message, n: [int.from_bytes(s.view, "little") for s in message.spans(n)], 0, 7
    ),
    "Float": _Scalar(lambda message, n: message.reals(n, "f"), 0.0, 2),
    "Double": _Scalar(lambda message, n: message.reals(n, "d"), 0.0, 1),
}


def message_class(schema: type[TypedMessage]) -> Any:
    """Protobuf's class of the messages of a schema."""
    from google.protobuf import message_factory

    name = f"dsconv.{schema.__name__}"
    return message_factory.GetMessageClass(_pool(schema.__module__).FindMessageTypeByName(name))


@cache
def _pool(module: str) -> DescriptorPool:
    """The descriptors of all schemas of a module."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(name=module, package="dsconv", syntax="proto3")
    for schema in vars(sys.modules[module]).values():
        if isinstance(schema, type) and issubclass(schema, TypedMessage) and schema.fields:
            _describe(file.message_type.add(name=schema.__name__), schema)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _describe(message: Any, schema: type[TypedMessage]) -> None:
    if schema.oneof:
        message.oneof_decl.add(name="value")
    for name, each in schema.fields.items():
        described = message.field.add(
            name=name, number=each.number, label=3 if each.container else 1
        )
        kind: dict[str, Any] = {"type": 11, "type_name": f".dsconv.{each.kind}"}
        if each.kind in _SCALARS:
            kind = {"type": _SCALARS[each.kind].descriptor_type}
        if each.container == "dict":
            # No map to protobuf, which would lose the order of the entries.
            entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
            entry.field.add(name="key", number=MAP_KEY, label=1, type=9)
            entry.field.add(name="value", number=MAP_VALUE, label=1, **kind)
            kind = {"type": 11, "type_name": f".dsconv.{message.name}.{entry.name}"}
        for key, value in kind.items():
            setattr(described, key, value)
        if schema.oneof:
            described.oneof_index = 0
