"""TensorFlow's messages: the fields that dsconv reads or writes, by their names and numbers.

Of a message that is read and written again, protocol buffers keep the fields that are not declared.

Source: ``graph.proto``, ``node_def.proto``, ``attr_value.proto``, ``tensor.proto``,
``tensor_shape.proto``, ``function.proto``, ``op_def.proto``, ``meta_graph.proto``,
``saved_model.proto`` and ``memmapped_file_system.proto`` of TensorFlow.
"""

from __future__ import annotations

from dsconv.formats.protobuf.schema import (
    Double,
    Enum,
    Float,
    Int32,
    Int64,
    TypedMessage,
    field,
)
from dsconv.formats.storage import Span


class GraphDef(TypedMessage):
    """A graph, whose nodes `graph.parse_graph` reads."""

    node: list[NodeDef] = field(1)
    library: FunctionDefLibrary = field(2)
    versions: Span = field(4)


class NodeDef(TypedMessage):
    """A node, which `node.parse_node` reads."""

    name: str = field(1)
    op: str = field(2)
    input: list[str] = field(3)
    device: str = field(4)
    attr: dict[str, AttrValue] = field(5)


class AttrValue(TypedMessage, oneof=True):
    """An attribute of a node. Single values have the numbers that they have in a list."""

    list: ListValue = field(1)
    s: bytes = field(2)
    i: Int64 = field(3)
    f: Float = field(4)
    b: bool = field(5)
    type: Enum = field(6)
    shape: TensorShapeProto = field(7)
    tensor: TensorProto = field(8)
    func: NameAttrList = field(10)


class ListValue(TypedMessage):
    """A list of values of one type."""

    s: list[bytes] = field(2)
    i: list[Int64] = field(3)
    f: list[Float] = field(4)
    b: list[bool] = field(5)
    type: list[Enum] = field(6)
    shape: list[TensorShapeProto] = field(7)
    tensor: list[TensorProto] = field(8)


class NameAttrList(TypedMessage):
    """A function, by its name."""

    name: str = field(1)


class TensorShapeProto(TypedMessage):
    """A shape, which `tensor.parse_shape` reads."""

    dim: list[Dim] = field(2)
    unknown_rank: bool = field(3)


class Dim(TypedMessage):
    """The size of a dimension, -1 where it is unknown."""

    size: Int64 = field(1)
    name: str = field(2)


class TensorProto(TypedMessage):
    """A tensor, which `tensor.parse_tensor` reads."""

    dtype: Enum = field(1)
    tensor_shape: TensorShapeProto = field(2)
    tensor_content: bytes = field(4)
    float_val: list[Float] = field(5)
    double_val: list[Double] = field(6)
    int_val: list[Int32] = field(7)
    string_val: list[bytes] = field(8)
    scomplex_val: list[Float] = field(9)
    int64_val: list[Int64] = field(10)
    bool_val: list[bool] = field(11)
    dcomplex_val: list[Double] = field(12)
    half_val: list[Int32] = field(13)
    uint32_val: list[Int64] = field(16)
    uint64_val: list[Int64] = field(17)


class FunctionDefLibrary(TypedMessage):
    """The functions of a graph."""

    function: list[FunctionDef] = field(1)


class FunctionDef(TypedMessage):
    """A function: what it takes and gives, its nodes, and the tensors that it returns."""

    signature: OpDef = field(1)
    node_def: list[NodeDef] = field(3)
    ret: dict[str, str] = field(4)


class OpDef(TypedMessage):
    """What an op takes and gives."""

    name: str = field(1)
    input_arg: list[ArgDef] = field(2)
    output_arg: list[ArgDef] = field(3)


class ArgDef(TypedMessage):
    """An input or an output of an op."""

    name: str = field(1)
    type: Enum = field(3)


class SavedModelProto(TypedMessage):
    """A SavedModel: the same network for several uses."""

    saved_model_schema_version: Int64 = field(1)
    meta_graphs: list[MetaGraphDef] = field(2)


class MetaGraphDef(TypedMessage):
    """A graph with what a program needs to use it."""

    meta_info_def: MetaInfoDef = field(1)
    graph_def: Span = field(2)
    signature_def: dict[str, SignatureDef] = field(5)


class MetaInfoDef(TypedMessage):
    """What a graph is for, and who wrote it."""

    tags: list[str] = field(4)
    tensorflow_version: str = field(5)


class SignatureDef(TypedMessage):
    """A way to call a graph: tensors by the names that the caller knows."""

    inputs: dict[str, TensorInfo] = field(1)
    outputs: dict[str, TensorInfo] = field(2)
    method_name: str = field(3)


class TensorInfo(TypedMessage):
    """A tensor of a graph."""

    name: str = field(1)
    dtype: Enum = field(2)
    tensor_shape: Span = field(3)


class MemmappedFileSystemDirectory(TypedMessage):
    """The regions of a memory-mappable package."""

    element: list[DirectoryElement] = field(1)


class DirectoryElement(TypedMessage):
    """A region: where it starts, what it is called, and its bytes, which older writers left out."""

    offset: Int64 = field(1)
    name: str = field(2)
    length: Int64 = field(3)
