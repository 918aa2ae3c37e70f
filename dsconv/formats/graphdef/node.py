"""One node of a graph: what it is called, what it does, what feeds it.

Source: ``node_def.proto`` and ``attr_value.proto`` of TensorFlow. Attributes are decoded when they
are asked for; a tensor among them stays where it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar

from dsconv.errors import ModelError
from dsconv.formats.graphdef import schema
from dsconv.formats.graphdef.dtypes import DataType, data_type
from dsconv.formats.graphdef.tensor import Shape, Tensor, parse_shape, parse_tensor
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Span

Value: TypeAlias = "bytes | int | float | bool | DataType | Shape | Tensor | list[Value]"
T = TypeVar("T")


class TensorName(NamedTuple):
    """An input of a node taken apart: ``^a`` is control, ``a:1`` the second output of ``a``."""

    node: str
    output: int
    control: bool

    @classmethod
    def parse(cls, name: str) -> TensorName:
        """Take a name from a node's inputs apart."""
        if name.startswith("^"):
            return cls(name[1:], 0, True)
        node, colon, output = name.rpartition(":")
        if colon and output.isdecimal():
            return cls(node, int(output), False)
        return cls(name, 0, False)

    def __str__(self) -> str:
        if self.control:
            return f"^{self.node}"
        return f"{self.node}:{self.output}" if self.output else self.node


class Attributes(Mapping[str, Value]):
    """A node's attributes by name, in the order of the file."""

    def __init__(self, spans: dict[str, Span]) -> None:
        self._spans = spans

    def __getitem__(self, key: str) -> Value:
        return _parse_value(self._spans[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def span(self, key: str) -> Span:
        """The serialized AttrValue, undecoded."""
        return self._spans[key]


@dataclass(frozen=True)
class Node:
    """A NodeDef. `span` is the node as it is serialized."""

    name: str
    op: str
    inputs: tuple[str, ...]
    device: str
    attributes: Attributes
    span: Span

    @property
    def data_inputs(self) -> list[TensorName]:
        """The inputs that carry tensors."""
        return [name for name in map(TensorName.parse, self.inputs) if not name.control]

    def attribute(self, key: str, kind: type[T]) -> T:
        """An attribute of a known type. Raises ModelError if it is missing or of another type."""
        value = self.attributes.get(key)
        # Exactly that type: to Python a bool and a data type are ints too.
        if not isinstance(value, kind) or type(value) is not kind:
            found = "nothing" if value is None else type(value).__name__
            raise ModelError(
                f"node '{self.name}' ({self.op}): attribute '{key}' should be "
                f"{kind.__name__} and is {found}; the graph is damaged."
            )
        return value

    def attribute_or(self, key: str, default: Any) -> Any:
        """An attribute, or TensorFlow's default where the graph leaves it out."""
        return self.attributes.get(key, default)

    def shape(self, key: str = "shape") -> Shape:
        """A shape attribute; None where it is missing or of unknown rank."""
        value = self.attributes.get(key)
        return value if isinstance(value, tuple) else None


def parse_node(span: Span) -> Node:
    """Read a NodeDef."""
    name, op, device = "", "", ""
    inputs: list[str] = []
    attributes: dict[str, Span] = {}
    view = span.storage.view
    for field in wire.fields(view, span.start, span.end):
        number = field.number
        if number == _ATTR:
            key, value = _parse_map_entry(span.storage.span(field.start, field.end))
            attributes[key] = value
        elif number == _INPUT:
            inputs.append(_text(view, field))
        elif number == _NAME:
            name = _text(view, field)
        elif number == _OP:
            op = _text(view, field)
        elif number == _DEVICE:
            device = _text(view, field)
    return Node(name, op, tuple(inputs), device, Attributes(attributes), span)


def _text(view: memoryview, field: wire.Field) -> str:
    try:
        return str(view[field.start : field.end], "utf-8")
    except UnicodeDecodeError:
        raise wire.WireError.at(field.start, "a name that is not text") from None


def _parse_map_entry(span: Span) -> tuple[str, Span]:
    key, value = "", span.storage.span(span.end, span.end)
    for field in wire.fields(span.storage.view, span.start, span.end):
        if field.number == wire.MAP_KEY:
            key = _text(span.storage.view, field)
        elif field.number == wire.MAP_VALUE:
            value = span.storage.span(field.start, field.end)
    return key, value


def _parse_value(span: Span) -> Value:
    view = span.storage.view
    for field in wire.fields(view, span.start, span.end):
        if field.number == _LIST:
            return _parse_list(span.storage.span(field.start, field.end))
        if field.number in _SINGLE:
            return _parse_single(span, field)
        # A function or a placeholder of a function: its serialized form is all that dsconv needs.
        return bytes(view[field.start : field.end])
    return []


def _parse_single(span: Span, field: wire.Field) -> Value:
    storage = span.storage
    kind = _SINGLE[field.number]
    if kind == "s":
        return bytes(storage.view[field.start : field.end])
    if kind == "i":
        return wire.signed(field.value)
    if kind == "f":
        (number,) = struct.unpack("<f", storage.view[field.start : field.end])
        return float(number)
    if kind == "b":
        return bool(field.value)
    if kind == "type":
        return data_type(field.value)
    if kind == "shape":
        return parse_shape(storage.span(field.start, field.end))
    return parse_tensor(storage.span(field.start, field.end))


def _parse_list(span: Span) -> list[Value]:
    values: list[Value] = []
    for field in wire.fields(span.storage.view, span.start, span.end):
        packed = field.wire_type == wire.LENGTH_DELIMITED and field.number in _PACKABLE
        if packed:
            values.extend(_parse_packed(span, field))
        elif field.number in _SINGLE:
            values.append(_parse_single(span, field))
    return values


def _parse_packed(span: Span, field: wire.Field) -> Iterator[Value]:
    view = span.storage.view
    if _SINGLE[field.number] == "f":
        for (number,) in struct.iter_unpack("<f", view[field.start : field.end]):
            yield float(number)
        return
    position = field.start
    while position < field.end:
        start = position
        value, position = wire.read_varint(view, position, field.end)
        yield _parse_single(span, wire.Field(field.number, wire.VARINT, start, position, value))


_NAME, _OP, _INPUT, _DEVICE, _ATTR = schema.NodeDef.field_numbers(
    "name", "op", "input", "device", "attr"
)
_LIST = schema.AttrValue.number("list")
# The values of a list have the numbers of single ones.
_SINGLE = {each.number: name for name, each in schema.ListValue.fields.items()}
_PACKABLE = set(schema.ListValue.field_numbers("i", "f", "b", "type"))
