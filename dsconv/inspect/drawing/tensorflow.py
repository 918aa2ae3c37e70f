"""The operations of a TensorFlow graph, plain (.pb) or memory-mappable (.pbmm)."""

from __future__ import annotations

from dsconv.acoustic.source import Source
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import CONSTANTS, NO_RESULTS, VARIABLES, Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.inspect.drawing.opgraph import Op, OpGraph, Tensor

_INPUT = "Placeholder"
_ASSIGN = "Assign"
# Ops that only order others, or save the variables: no data comes out of them.
_NO_DATA = (*NO_RESULTS, "SaveV2")
_NOT_DRAWN = (*CONSTANTS, *VARIABLES, *_NO_DATA, _INPUT)


def read_tensorflow(source: Source) -> OpGraph:
    """Read a graph. Values have the names of the nodes that make them; variables are constants."""
    graph = source.graph
    constants = [node for node in graph if node.op in (*CONSTANTS, *VARIABLES)]
    used = {TensorName.parse(name).node for node in graph for name in node.inputs}
    ops = [_op(node) for node in graph if node.op not in _NOT_DRAWN]
    return OpGraph(
        [_described(node) for node in graph if node.op == _INPUT],
        [_constant(graph, node) for node in constants],
        ops,
        [(name, name) for name in _outputs([op for op in ops if op.name not in used])],
    )


def _outputs(unused: list[Op]) -> list[str]:
    """The results; what is used by nothing in a scope is left over, if there are others."""
    names = [op.name for op in unused if op.kind != _ASSIGN]
    return [name for name in names if "/" not in name] or names


def _op(node: Node) -> Op:
    return Op(node.name, node.op, tuple(name.node for name in node.data_inputs), (node.name,))


def _described(node: Node) -> Tensor:
    dtype = node.attributes.get("dtype")
    shape = node.shape()
    label = dtype.label if isinstance(dtype, DataType) else "?"
    return Tensor(node.name, label, tuple(shape) if shape is not None else None)


def _constant(graph: Graph, node: Node) -> Tensor:
    if node.op in VARIABLES:
        return _described(node)
    tensor = graph.tensor(node)
    return Tensor(node.name, tensor.dtype.label, tuple(tensor.shape))
