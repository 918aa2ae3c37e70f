"""New nodes, and graphs written to a file.

Small nodes are serialized messages. A large constant is assembled around its bytes, which go from
where they are (a mapped file, an array) straight to the output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from dsconv.errors import ModelError
from dsconv.formats.graphdef import messages, schema
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import NODE, Graph
from dsconv.formats.graphdef.node import Node, parse_node
from dsconv.formats.graphdef.tensor import Shape, Tensor
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Chunk, Storage, write_chunks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_VALUE_FIELDS = {bool: "b", DataType: "type", int: "i", float: "f", bytes: "s"}


def new_node(
    name: str,
    op: str,
    inputs: Iterable[str] = (),
    attributes: Mapping[str, Any] | None = None,
    device: str = "",
) -> Node:
    """A node from plain values: a tuple is a shape, a text a function's name, a message itself.

    A list holds bytes, types or shapes.
    """
    message = messages.NodeDef(name=name, op=op, input=list(inputs), device=device)
    for key, value in (attributes or {}).items():
        message.attr.add(key=key, value=_attribute_message(value))
    return _parsed(message)


def new_constant(
    name: str, value: NDArray[np.generic], shape: tuple[int, ...] | None = None
) -> Node:
    """A Const as TensorFlow makes it: a single value as a typed field, more as raw bytes.

    A single `value` with a larger `shape` fills that shape. Strings are object arrays of bytes.
    """
    dtype = _data_type(value.dtype)
    field = _TYPED_FIELDS.get(dtype)
    tensor = messages.TensorProto(dtype=dtype, tensor_shape=_shape_message(shape or value.shape))
    if field and (value.size == 1 or dtype is DataType.STRING):
        getattr(tensor, field).extend(value.ravel().tolist())
    else:
        tensor.tensor_content = value.tobytes()
    return new_node(name, "Const", (), {"dtype": dtype, "value": tensor})


def edited(
    node: Node,
    *,
    inputs: Iterable[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
    without: Iterable[str] = (),
) -> Node:
    """The same node with other inputs, or with some attributes set to other values or left out."""
    message = _message(node)
    for key in without:
        kept = [entry for entry in message.attr if entry.key != key]
        del message.attr[:]
        message.attr.extend(kept)
    if inputs is not None:
        message.input[:] = list(inputs)
    entries = {entry.key: entry for entry in message.attr}
    for key, value in (attributes or {}).items():
        entry = entries[key] if key in entries else message.attr.add(key=key)
        entry.value.CopyFrom(_attribute_message(value))
    return _parsed(message)


def constant_chunks(
    name: str,
    dtype: DataType,
    shape: Shape,
    content: Chunk,
    *,
    inputs: Iterable[str] = (),
    device: str = "",
    value_first: bool = False,
) -> list[Chunk]:
    """A serialized Const around raw bytes. `value_first` puts the value before the dtype."""
    tensor: list[Chunk] = [
        messages.TensorProto(dtype=dtype, tensor_shape=_shape_message(shape)).SerializeToString(),
        *wire.nested(schema.TensorProto.number("tensor_content"), [content]),
    ]
    value = [
        *wire.nested(wire.MAP_KEY, [b"value"]),
        *wire.nested(wire.MAP_VALUE, wire.nested(schema.AttrValue.number("tensor"), tensor)),
    ]
    entries = [
        [_attribute_entry("dtype", dtype)],
        wire.nested(schema.NodeDef.number("attr"), value),
    ]
    head = messages.NodeDef(name=name, op="Const", input=list(inputs), device=device)
    first, second = reversed(entries) if value_first else entries
    return [head.SerializeToString(), *first, *second]


def immutable_constant(node: Node, tensor: Tensor, region: str) -> Node:
    """The ImmutableConst that stands for a Const in a memory-mappable package.

    The three attributes keep the order of the two that they replace (the shape and the region go
    where the value was), so that the way back can restore that order.
    """
    value = {"shape": tensor.shape, "memory_region_name": region.encode()}
    dtype = {"dtype": tensor.dtype}
    attributes = {**value, **dtype} if value_comes_first(node, "value") else {**dtype, **value}
    return new_node(node.name, "ImmutableConst", node.inputs, attributes, node.device)


def value_comes_first(node: Node, key: str) -> bool:
    """Whether the attribute `key` stands before the dtype in the file."""
    order = list(node.attributes)
    return order.index(key) < order.index("dtype")


def graph_chunks(graph: Graph) -> Iterator[Chunk]:
    """Serialize a graph as a plain GraphDef: the tensors of a package come back inside."""
    for node in graph:
        if node.op == "ImmutableConst":
            tensor = graph.tensor(node)
            assert tensor.content is not None
            chunks = constant_chunks(
                node.name,
                tensor.dtype,
                tensor.shape,
                tensor.content,
                inputs=node.inputs,
                device=node.device,
                value_first=value_comes_first(node, "memory_region_name"),
            )
            yield from wire.nested(NODE, chunks)
        else:
            yield from wire.nested(NODE, [node.span])
    yield from graph.rest


def write_graph(output: BinaryIO, graph: Graph) -> None:
    """Append a graph to an open file as a plain GraphDef."""
    write_chunks(output, graph_chunks(graph))


def _data_type(dtype: np.dtype[np.generic]) -> DataType:
    """TensorFlow's number for a numpy type."""
    if dtype.hasobject:
        return DataType.STRING
    return next(kind for kind in DataType if kind.label == dtype.name)


def _message(node: Node) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return messages.NodeDef.FromString(bytes(node.span.view))
    except DecodeError as error:
        raise ModelError(f"node '{node.name}' is damaged; download the model again.") from error


def _parsed(message: Any) -> Node:
    data = message.SerializeToString()
    return parse_node(Storage.of_bytes(data).span(0, len(data)))


def _attribute_entry(key: str, value: Any) -> Chunk:
    node = messages.NodeDef()
    node.attr.add(key=key, value=_attribute_message(value))
    return bytes(node.SerializeToString())


def _attribute_message(value: Any) -> Any:
    if isinstance(value, tuple):
        return messages.AttrValue(shape=_shape_message(value))
    if isinstance(value, list):
        return messages.AttrValue(list=_list_message(value))
    if isinstance(value, str):
        return messages.AttrValue(func=messages.NameAttrList(name=value))
    for kind, field in _VALUE_FIELDS.items():
        if isinstance(value, kind):
            return messages.AttrValue(**{field: value})
    return messages.AttrValue(tensor=value)


def _list_message(values: list[Any]) -> Any:
    message = messages.ListValue()
    for value in values:
        if isinstance(value, tuple):
            message.shape.append(_shape_message(value))
        elif isinstance(value, DataType):
            message.type.append(value)
        else:
            message.s.append(value)
    return message


def _shape_message(shape: Shape) -> Any:
    message = messages.TensorShapeProto(unknown_rank=shape is None)
    for size in shape or ():
        message.dim.add(size=size)
    return message


_TYPED_FIELDS = {
    DataType.FLOAT: "float_val",
    DataType.DOUBLE: "double_val",
    DataType.INT32: "int_val",
    DataType.INT64: "int64_val",
    DataType.BOOL: "bool_val",
    DataType.STRING: "string_val",
}
