"""TensorFlow's graph messages for writing nodes, made when they are used, without TensorFlow.

Source: the field numbers of ``graph.proto``, ``node_def.proto``, ``attr_value.proto``,
``tensor.proto``, ``tensor_shape.proto``, ``function.proto``, ``op_def.proto`` and
``versions.proto``. Only fields that dsconv writes are declared; protocol buffers keep the others
through a round trip.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool

_TYPES = {
    "double": 1,
    "float": 2,
    "int64": 3,
    "int32": 5,
    "bool": 8,
    "string": 9,
    "bytes": 12,
    "enum": 5,  # an int32 is the same on the wire and takes numbers that are not declared
}

# Message -> fields as "[repeated ]type name = number"; fields behind "|" form the oneof "value".
_SCHEMA = {
    "Dim": "int64 size = 1, string name = 2",
    "TensorShapeProto": "repeated Dim dim = 2, bool unknown_rank = 3",
    "TensorProto": "enum dtype = 1, TensorShapeProto tensor_shape = 2, bytes tensor_content = 4,"
    " repeated float float_val = 5, repeated double double_val = 6, repeated int32 int_val = 7,"
    " repeated bytes string_val = 8, repeated int64 int64_val = 10, repeated bool bool_val = 11",
    "ListValue": "repeated bytes s = 2, repeated int64 i = 3, repeated float f = 4,"
    " repeated bool b = 5, repeated enum type = 6, repeated TensorShapeProto shape = 7,"
    " repeated TensorProto tensor = 8",
    "AttrValue": "| ListValue list = 1, bytes s = 2, int64 i = 3, float f = 4, bool b = 5,"
    " enum type = 6, TensorShapeProto shape = 7, TensorProto tensor = 8, NameAttrList func = 10",
    "NameAttrList": "string name = 1",
    "AttrEntry": "string key = 1, AttrValue value = 2",
    "NodeDef": "string name = 1, string op = 2, repeated string input = 3, string device = 4,"
    " repeated AttrEntry attr = 5",
    "ArgDef": "string name = 1, enum type = 3",
    "OpDef": "string name = 1, repeated ArgDef input_arg = 2, repeated ArgDef output_arg = 3",
    "RetEntry": "string key = 1, string value = 2",
    "FunctionDef": "OpDef signature = 1, repeated NodeDef node_def = 3, repeated RetEntry ret = 4",
    "FunctionDefLibrary": "repeated FunctionDef function = 1",
}


def __getattr__(name: str) -> Any:
    """The message class of that name; protobuf is loaded for the first one that is asked for."""
    if name not in _SCHEMA:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from google.protobuf import message_factory

    message_class = message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"dsconv.{name}"))
    globals()[name] = message_class
    return message_class


@cache
def _pool() -> "DescriptorPool":
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(
        name="dsconv/graph.proto", package="dsconv", syntax="proto3"
    )
    for message_name, declaration in _SCHEMA.items():
        message = file.message_type.add(name=message_name)
        in_oneof = declaration.startswith("|")
        if in_oneof:
            message.oneof_decl.add(name="value")
        for text in declaration.removeprefix("|").split(","):
            *repeated, kind, name, _, number = text.split()
            field = message.field.add(name=name, number=int(number), label=3 if repeated else 1)
            if kind in _TYPES:
                field.type = _TYPES[kind]  # type: ignore[assignment]
            else:
                field.type, field.type_name = 11, f".dsconv.{kind}"  # type: ignore[assignment]
            if in_oneof:
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
