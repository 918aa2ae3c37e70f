"""ONNX's messages: the fields that dsconv reads or writes, and what is asked of them most.

Source: ``onnx.proto``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from dsconv.formats.protobuf.schema import Enum, Float, Int32, Int64, TypedMessage, field
from dsconv.formats.storage import Span

TYPES = {
    1: ("float32", 4),
    2: ("uint8", 1),
    3: ("int8", 1),
    5: ("int16", 2),
    6: ("int32", 4),
    7: ("int64", 8),
    8: ("string", 0),
    9: ("bool", 1),
    10: ("float16", 2),
    11: ("float64", 8),
    16: ("bfloat16", 2),
}
"""TensorProto.DataType: the name and the bytes of an element."""

_UNKNOWN = ("?", 0)


class ModelProto(TypedMessage):
    """A file."""

    ir_version: Int64 = field(1)
    producer_name: str = field(2)
    producer_version: str = field(3)
    graph: GraphProto = field(7)
    opset_import: list[OperatorSetIdProto] = field(8)
    metadata_props: dict[str, str] = field(14)


class OperatorSetIdProto(TypedMessage):
    """The version of the ops of a domain."""

    domain: str = field(1)
    version: Int64 = field(2)


class GraphProto(TypedMessage):
    """A graph. `input` may name initializers too, which have values."""

    node: list[NodeProto] = field(1)
    name: str = field(2)
    initializer: list[TensorProto] = field(5)
    input: list[ValueInfoProto] = field(11)
    output: list[ValueInfoProto] = field(12)


class NodeProto(TypedMessage):
    """An op; an input of an empty name is left out."""

    input: list[str] = field(1)
    output: list[str] = field(2)
    name: str = field(3)
    op_type: str = field(4)
    attribute: list[AttributeProto] = field(5)
    domain: str = field(7)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The values of the attributes by name."""
        return {attribute.name: attribute.value for attribute in self.attribute}

    @property
    def graphs(self) -> Iterator[GraphProto]:
        """The graphs that it runs."""
        for attribute in self.attribute:
            if attribute.has("g"):
                yield attribute.g
            yield from attribute.graphs


class AttributeProto(TypedMessage):
    """An attribute of a node: one of these fields, or `type` says which where all are empty."""

    name: str = field(1)
    f: Float = field(2)
    i: Int64 = field(3)
    s: bytes = field(4)
    t: TensorProto = field(5)
    g: GraphProto = field(6)
    floats: list[Float] = field(7)
    ints: list[Int64] = field(8)
    strings: list[bytes] = field(9)
    graphs: list[GraphProto] = field(11)
    type: Enum = field(20)

    @property
    def value(self) -> Any:
        """The value, None where it is of a kind that dsconv does not know."""
        name = _ATTRIBUTE_TYPES.get(self.type)
        return None if name is None else getattr(self, name)


# AttributeProto.AttributeType: the field that holds the value.
_ATTRIBUTE_TYPES = {
    1: "f",
    2: "i",
    3: "s",
    4: "t",
    5: "g",
    6: "floats",
    7: "ints",
    8: "strings",
    10: "graphs",
}


class TensorProto(TypedMessage):
    """A constant. `raw_data` are its little-endian bytes, unless they lie in another file."""

    dims: list[Int64] = field(1)
    data_type: Enum = field(2)
    float_data: list[Float] = field(4)
    int32_data: list[Int32] = field(5)
    int64_data: list[Int64] = field(7)
    name: str = field(8)
    raw_data: Span = field(9)
    external_data: dict[str, str] = field(13)

    @property
    def dtype(self) -> str:
        """The name of the type of its elements; ``?`` for one that dsconv does not know."""
        return TYPES.get(self.data_type, _UNKNOWN)[0]

    @property
    def size(self) -> int:
        """The number of its elements."""
        return math.prod(self.dims)

    @property
    def nbytes(self) -> int:
        """The bytes of its elements, 0 for texts and for types that dsconv does not know."""
        return self.size * TYPES.get(self.data_type, _UNKNOWN)[1]


class ValueInfoProto(TypedMessage):
    """An input or an output of a graph."""

    name: str = field(1)
    type: TypeProto = field(2)

    @property
    def dtype(self) -> str:
        """The name of the type of its elements; ``?`` for one that dsconv does not know."""
        return TYPES.get(self.type.tensor_type.elem_type, _UNKNOWN)[0]

    @property
    def shape(self) -> list[int] | None:
        """The shape, -1 for dynamic dimensions; None where even their number is not told."""
        tensor = self.type.tensor_type
        if not tensor.has("shape"):
            return None
        return [dim.dim_value if dim.has("dim_value") else -1 for dim in tensor.shape.dim]


class TypeProto(TypedMessage):
    """The type of a value, which is a tensor."""

    tensor_type: TensorTypeProto = field(1)


class TensorTypeProto(TypedMessage):
    """The type of a tensor."""

    elem_type: Enum = field(1)
    shape: TensorShapeProto = field(2)


class TensorShapeProto(TypedMessage):
    """A shape."""

    dim: list[Dimension] = field(1)


class Dimension(TypedMessage):
    """The size of a dimension: a number, or the name of one."""

    dim_value: Int64 = field(1)
    dim_param: str = field(2)
