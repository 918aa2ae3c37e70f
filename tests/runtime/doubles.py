"""Graphs in double precision, whose results stand for the exact ones."""

from __future__ import annotations

import numpy as np

from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.write import edited, new_constant

_PASSING = ("Enter", "Exit", "Identity", "Merge", "NextIteration", "Switch")
_GIVING_FLOW = ("TensorArrayScatterV3", "TensorArrayWriteV3")


def in_doubles(graph: Graph) -> Graph:
    """A graph of float32 tensors with float64 in their place; the flow of TensorArrays stays."""
    flow = _flow(graph)
    return graph.replacing([node if node.name in flow else _doubled(graph, node) for node in graph])


def _doubled(graph: Graph, node: Node) -> Node:
    if node.op == "Const" and graph.tensor(node).dtype is DataType.FLOAT:
        value = graph.tensor(node).array().astype(np.float64)
        return edited(new_constant(node.name, value), inputs=node.inputs)
    types = {key: value for key, value in node.attributes.items() if value is DataType.FLOAT}
    return edited(node, attributes=dict.fromkeys(types, DataType.DOUBLE)) if types else node


def _flow(graph: Graph) -> set[str]:
    """The nodes that only pass on what orders the ops of a TensorArray, round a loop as well."""
    found: set[str] = set()
    waiting = [node for node in graph if node.op in ("TensorArrayV3", *_GIVING_FLOW)]
    while waiting:
        source = waiting.pop()
        tensor = f"{source.name}:1" if source.op == "TensorArrayV3" else source.name
        for user in graph.consumers[source.name]:
            passes = user.op in _PASSING and {tensor, f"{source.name}:1"} & set(user.inputs)
            if passes and user.name not in found:
                found.add(user.name)
                waiting.append(user)
    return found
