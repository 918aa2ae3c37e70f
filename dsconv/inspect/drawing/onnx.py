"""The operations of an ONNX model, without the onnx package.

Source: the field numbers of ``onnx.proto``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dsconv.formats.protobuf.message import Message
from dsconv.formats.storage import Storage
from dsconv.inspect.drawing.opgraph import Op, OpGraph, Tensor
from dsconv.inspect.onnx import tensor_info, weight_info


def read_onnx(path: Path) -> OpGraph:
    """Read a model. The inputs of a node include what the graphs inside it take from outside."""
    graph = Message.of_storage(Storage.of_file(path)).message(7)
    constants = [Tensor.of(weight_info(each)) for each in graph.messages(5)]
    names = {tensor.name for tensor in constants}
    ops = []
    for node in graph.messages(1):
        if node.text(4) == "Constant":
            constants += [Tensor(name, _value_type(node), None) for name in node.texts(2)]
        else:
            ops.append(_op(node))
    values = [Tensor.of(tensor_info(each)) for each in graph.messages(11)]
    inputs = [tensor for tensor in values if tensor.name not in names]
    outputs = [each.text(1) for each in graph.messages(12)]
    return OpGraph(inputs, constants, ops, [(name, name) for name in outputs])


def _op(node: Message) -> Op:
    inside: Counter[str] = Counter()
    constants: list[Tensor] = []
    taken = node.texts(1)
    for graph in _graphs(node):
        kinds, held, outer = _contents(graph)
        inside += kinds
        constants += held
        taken += outer
    outputs = tuple(filter(None, node.texts(2)))
    name = node.text(3) or (outputs[0] if outputs else "")
    inputs = tuple(dict.fromkeys(filter(None, taken)))
    return Op(name, node.text(4), inputs, outputs, inside, tuple(constants))


def _graphs(node: Message) -> list[Message]:
    """The graphs (6, 11) among the attributes of a node (5)."""
    return [
        graph
        for attribute in node.messages(5)
        for graph in (*attribute.messages(6), *attribute.messages(11))
    ]


def _contents(graph: Message) -> tuple[Counter[str], list[Tensor], list[str]]:
    """What a graph inside a node runs, holds, and takes from outside."""
    kinds: Counter[str] = Counter()
    constants = [Tensor.of(weight_info(each)) for each in graph.messages(5)]
    known = {tensor.name for tensor in constants} | {g.text(1) for g in graph.messages(11)}
    outer: list[str] = []
    for node in graph.messages(1):
        kinds[node.text(4)] += 1
        outer += node.texts(1)
        known |= set(node.texts(2))
        for inner in _graphs(node):
            inner_kinds, held, taken = _contents(inner)
            kinds += inner_kinds
            constants += held
            outer += taken
    return kinds, constants, [name for name in outer if name not in known]


def _value_type(node: Message) -> str:
    """The type of the tensor (5) in the attribute of a Constant."""
    tensors = [attribute.message(5) for attribute in node.messages(5) if 5 in attribute]
    return weight_info(tensors[0]).dtype if tensors else "?"
