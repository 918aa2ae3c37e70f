"""Edits of a graph: keep what some outputs need, freeze an input, cut a tensor.

Each returns a new graph; nodes that an edit does not touch are shared with the old one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.formats.graphdef.tensor import Shape
from dsconv.formats.graphdef.write import edited, new_constant, new_node

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def extract(graph: Graph, outputs: Iterable[str]) -> Graph:
    """Keep the nodes that `outputs` (names of nodes or tensors) need, in the order of the file."""
    waiting = [graph[TensorName.parse(name).node] for name in outputs]
    needed: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node.name not in needed:
            needed.add(node.name)
            waiting.extend(graph[TensorName.parse(name).node] for name in node.inputs)
    return graph.replacing(node for node in graph if node.name in needed)


def freeze_input(graph: Graph, name: str, value: ArrayLike) -> Graph:
    """Turn a Placeholder into a Const of the same name.

    `value` is converted to the Placeholder's type. Raises ConversionError if the node is no
    Placeholder or the value does not fit its shape.
    """
    import numpy as np

    node = graph[name]
    if node.op != "Placeholder":
        raise ConversionError(f"'{name}' is a {node.op}, not an input; only inputs can be frozen.")
    dtype = node.attribute("dtype", DataType)
    array = np.asarray(value, dtype.label)
    shape = node.shape()
    if shape is not None and not _fits(array.shape, shape):
        raise ConversionError(
            f"input '{name}' has shape {list(shape)}; a value of shape {list(array.shape)} "
            "does not fit."
        )
    constant = new_constant(name, array)
    return graph.replacing(constant if other is node else other for other in graph)


def cut(graph: Graph, tensor: str, shape: Shape, *, name: str | None = None) -> Graph:
    """Make a tensor an input: what consumed it is fed by a new Placeholder.

    `tensor` is a node's name, or ``node:1`` for another of its outputs. `shape` is the
    Placeholder's; its type is read from the node. The Placeholder replaces the node and
    its name, or `name`. Nodes that only the cut tensor needed stay until `extract` drops them.
    """
    target = TensorName.parse(tensor)
    node = graph[target.node]
    name = name or (target.node if target.output == 0 else f"{target.node}_{target.output}")
    if name in graph and name != target.node:
        raise ConversionError(f"the graph has a node '{name}' already; choose another name.")
    placeholder = new_node(
        name, "Placeholder", (), {"dtype": _output_type(node), "shape": shape}, node.device
    )
    if name == target.node:
        if any(ref.output for ref in _references(graph, node.name)):
            raise ConversionError(f"'{node.name}' has other outputs in use; pass another name.")
        return graph.replacing(placeholder if other is node else other for other in graph)
    return graph.replacing(_nodes_after_cut(graph, node, target, placeholder))


def rewired(node: Node, old: TensorName, new: str) -> Node:
    """The node with the tensor `old` among its inputs replaced by `new`."""
    inputs = [new if TensorName.parse(name) == old else name for name in node.inputs]
    return node if tuple(inputs) == node.inputs else edited(node, inputs=inputs)


def unused_name(graph: Graph, preferred: str) -> str:
    """`preferred`, or `preferred_1`, `preferred_2` and so on: the first that no node has."""
    name, count = preferred, 0
    while name in graph:
        count += 1
        name = f"{preferred}_{count}"
    return name


def _nodes_after_cut(
    graph: Graph, node: Node, target: TensorName, placeholder: Node
) -> Iterable[Node]:
    for other in graph:
        if other is node:
            yield placeholder
        yield rewired(other, target, placeholder.name)


def _references(graph: Graph, name: str) -> list[TensorName]:
    users = graph.consumers[name]
    return [ref for user in users for ref in user.data_inputs if ref.node == name]


def _fits(actual: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    return len(actual) == len(declared) and all(
        expected in (-1, size) for size, expected in zip(actual, declared, strict=True)
    )


def _output_type(node: Node) -> DataType:
    """The type of a node's tensors. Raises ConversionError for an op whose rule is not known."""
    if node.op in _FIXED_OUTPUT_TYPES:
        return _FIXED_OUTPUT_TYPES[node.op]
    key = _OUTPUT_TYPE_ATTRIBUTES.get(node.op)
    if key is None:
        raise ConversionError(
            f"'{node.name}' is a {node.op}, whose output type dsconv does not know; cut elsewhere."
        )
    return node.attribute(key, DataType)


_FIXED_OUTPUT_TYPES = {
    "AudioSpectrogram": DataType.FLOAT,
    "Mfcc": DataType.FLOAT,
    **dict.fromkeys(("Equal", "Greater", "GreaterEqual", "Less", "LessEqual"), DataType.BOOL),
}

_SAME_TYPE_OPS = (
    "Abs Add AddN AddV2 AvgPool BatchMatMul BatchMatMulV2 BiasAdd BlockLSTM ConcatV2 Conv2D "
    "DepthwiseConv2dNative Div Elu Exp ExpandDims Fill FusedBatchNorm FusedBatchNormV3 Identity "
    "LeakyRelu Log LogSoftmax MatMul Max MaxPool Maximum Mean Min Minimum Mul Neg Pack Pad PadV2 "
    "Pow RealDiv Relu Relu6 Reshape Rsqrt Sigmoid Slice Softmax Softplus Split Sqrt Square "
    "SquaredDifference Squeeze StopGradient StridedSlice Sub Sum Tanh Tile Transpose"
).split()

_OUTPUT_TYPE_ATTRIBUTES = {
    **dict.fromkeys(_SAME_TYPE_OPS, "T"),
    **dict.fromkeys(("Const", "ImmutableConst", "Placeholder", "VariableV2"), "dtype"),
    **dict.fromkeys(("Gather", "GatherNd", "GatherV2"), "Tparams"),
    "Cast": "DstT",
    "Range": "Tidx",
    "Shape": "out_type",
}
