"""Edits of an acoustic graph, to see what is still recognised and what is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from dsconv.acoustic.export import LSTM
from dsconv.graph.dtypes import DataType
from dsconv.graph.graph import Graph
from dsconv.graph.node import Node, TensorName
from dsconv.graph.tensor import Tensor
from dsconv.graph.write import edited, new_constant, new_node


def with_nodes(graph: Graph, *nodes: Node) -> Graph:
    """The graph with other nodes of the same names; those of new names come last."""
    new = {node.name: node for node in nodes}
    kept = [new.pop(node.name, node) for node in graph]
    return graph.replacing([*kept, *new.values()])


def with_inputs(graph: Graph, name: str, *inputs: str) -> Graph:
    """A node takes other tensors."""
    return with_nodes(graph, edited(graph[name], inputs=inputs))


def with_input(graph: Graph, name: str, number: int, tensor: str) -> Graph:
    """A node takes one other tensor."""
    inputs = list(graph[name].inputs)
    inputs[number] = tensor
    return with_inputs(graph, name, *inputs)


def with_attributes(graph: Graph, name: str, **attributes: Any) -> Graph:
    """A node has some other attributes."""
    return with_nodes(graph, edited(graph[name], attributes=attributes))


def with_op(graph: Graph, name: str, op: str) -> Graph:
    """A node does something else with the same inputs."""
    return with_nodes(graph, remade(graph, graph[name], name, op))


def with_constant(
    graph: Graph, name: str, value: ArrayLike, dtype: DTypeLike | None = None
) -> Graph:
    """A node becomes a constant: of its old type, if it was one and no type is given."""
    if dtype is None:
        tensor = graph.constant(name)
        assert tensor is not None
        dtype = tensor.dtype.label
    return with_nodes(graph, new_constant(name, np.asarray(value, dtype)))


def without(graph: Graph, *names: str) -> Graph:
    """The graph without some nodes."""
    return graph.replacing(node for node in graph if node.name not in names)


def with_op_behind(graph: Graph, tensor: str, op: str, name: str = "inserted") -> Graph:
    """Whatever takes a tensor takes it through one more node."""
    old = TensorName.parse(tensor)
    dtype = DataType.FLOAT
    inserted = new_node(name, op, [tensor], {"T": dtype})
    users = [
        edited(node, inputs=[name if TensorName.parse(i) == old else i for i in node.inputs])
        for node in graph
    ]
    return graph.replacing([*users, inserted])


def renamed(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The same graph with other names of nodes, everywhere they stand."""
    return graph.replacing(
        remade(graph, node, names.get(node.name, node.name), node.op, _renamed(node.inputs, names))
        for node in graph
    )


def remade(
    graph: Graph, node: Node, name: str, op: str, inputs: Iterable[str] | None = None
) -> Node:
    """A node built anew. The hint at other nodes' devices, which has their names, is left out."""
    if node.op == op == "Const":
        return new_constant(name, graph.tensor(node).array())
    attributes = {
        key: value
        for key, value in node.attributes.items()
        if key != "_class" and not isinstance(value, Tensor)
    }
    return new_node(
        name, op, node.inputs if inputs is None else inputs, attributes, node.device
    )


def _renamed(inputs: Iterable[str], names: Mapping[str, str]) -> list[str]:
    parsed = map(TensorName.parse, inputs)
    return [str(name._replace(node=names.get(name.node, name.node))) for name in parsed]


def batch_of_two(graph: Graph) -> Graph:
    """The 16-step graph of `small_model` as `--export_batch_size 2` makes it."""
    shapes = {
        "input_node": (2, 16, 19, 26),
        "input_lengths": (2,),
        "previous_state_c": (2, 32),
        "previous_state_h": (2, 32),
    }
    for name, shape in shapes.items():
        graph = with_attributes(graph, name, shape=shape)
    for name, units in (("Reshape_2/shape", 32), ("raw_logits/shape", 29)):
        graph = with_constant(graph, name, [-1, 2, units])
    for name in ("range", "range_1"):
        graph = with_constant(graph, f"{LSTM}/{name}/limit", 2)
    return graph
