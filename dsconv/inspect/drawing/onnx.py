"""The operations of an ONNX model, without the onnx package."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dsconv.formats.onnx.schema import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
)
from dsconv.inspect.drawing.opgraph import Op, OpGraph, Tensor


def read_onnx(path: Path) -> OpGraph:
    """Read a model. The inputs of a node include what the graphs inside it take from outside."""
    graph = ModelProto.of_file(path).graph
    constants = list(map(_constant, graph.initializer))
    names = {tensor.name for tensor in constants}
    ops = []
    for node in graph.node:
        if node.op_type == "Constant":
            constants += [Tensor(name, _value_type(node), None) for name in node.output]
        else:
            ops.append(_op(node))
    inputs = [_value(each) for each in graph.input if each.name not in names]
    return OpGraph(inputs, constants, ops, [(each.name, each.name) for each in graph.output])


def _op(node: NodeProto) -> Op:
    inside: Counter[str] = Counter()
    constants: list[Tensor] = []
    taken = list(node.input)
    for graph in node.graphs:
        kinds, inner_constants, outer = _contents(graph)
        inside += kinds
        constants += inner_constants
        taken += outer
    outputs = tuple(filter(None, node.output))
    name = node.name or (outputs[0] if outputs else "")
    inputs = tuple(dict.fromkeys(filter(None, taken)))
    return Op(name, node.op_type, inputs, outputs, inside, tuple(constants))


def _contents(graph: GraphProto) -> tuple[Counter[str], list[Tensor], list[str]]:
    """What a graph inside a node runs, its constants, and what it takes from outside."""
    kinds: Counter[str] = Counter()
    constants = list(map(_constant, graph.initializer))
    known = {tensor.name for tensor in constants} | {each.name for each in graph.input}
    outer: list[str] = []
    for node in graph.node:
        kinds[node.op_type] += 1
        outer += node.input
        known |= set(node.output)
        for inner in node.graphs:
            inner_kinds, inner_constants, taken = _contents(inner)
            kinds += inner_kinds
            constants += inner_constants
            outer += taken
    return kinds, constants, [name for name in outer if name not in known]


def _constant(tensor: TensorProto) -> Tensor:
    return Tensor(tensor.name, tensor.dtype, tuple(tensor.dims))


def _value(value: ValueInfoProto) -> Tensor:
    return Tensor(value.name, value.dtype, None if value.shape is None else tuple(value.shape))


def _value_type(node: NodeProto) -> str:
    """The type of the tensor in the attribute of a Constant."""
    tensors = [attribute.t for attribute in node.attribute if attribute.has("t")]
    return tensors[0].dtype if tensors else "?"
