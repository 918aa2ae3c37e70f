"""Edits of an acoustic graph, to see what is still recognised and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from dsconv.acoustic.export import LSTM
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.edit import extract, rewired
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.formats.graphdef.write import edited, new_constant, new_node

Edit: TypeAlias = Callable[[Graph], Graph]


def edits(*steps: Edit) -> Edit:
    """One edit after the other."""

    def edit(graph: Graph) -> Graph:
        for step in steps:
            graph = step(graph)
        return graph

    return edit


def takes(name: str, number: int, tensor: str) -> Edit:
    """A node takes one other tensor."""

    def edit(graph: Graph) -> Graph:
        tensors = list(graph[name].inputs)
        tensors[number] = tensor
        return inputs(name, *tensors)(graph)

    return edit


def inputs(name: str, *tensors: str) -> Edit:
    """A node takes other tensors. Nodes that were only needed for the old ones are dropped."""

    def edit(graph: Graph) -> Graph:
        ends = [node.name for node in graph if not graph.consumers[node.name]]
        return extract(with_nodes(graph, edited(graph[name], inputs=tensors)), ends)

    return edit


def attributes(name: str, **values: Any) -> Edit:
    """A node has some other attributes."""
    return lambda graph: with_nodes(graph, edited(graph[name], attributes=values))


def op(name: str, other: str) -> Edit:
    """A node does something else with the same inputs."""
    return lambda graph: with_nodes(graph, remade(graph, graph[name], op=other))


def constant(name: str, value: ArrayLike, dtype: DTypeLike | None = None) -> Edit:
    """A node becomes another constant: of its old type, if none is given."""

    def edit(graph: Graph) -> Graph:
        old = graph.tensor(graph[name]).dtype.label if dtype is None else dtype
        return with_nodes(graph, new_constant(name, np.asarray(value, old)))

    return edit


def as_type(name: str, dtype: str) -> Edit:
    """A weight gets another precision."""
    return lambda graph: constant(name, graph.tensor(graph[name]).array(), dtype)(graph)


def after(tensor: str, inserted: str) -> Edit:
    """Whatever takes a tensor takes it through one more op, the node 'inserted'."""
    old = TensorName.parse(tensor)

    def edit(graph: Graph) -> Graph:
        users = [rewired(node, old, "inserted") for node in graph]
        return added("inserted", inserted, tensor)(graph.replacing(users))

    return edit


def added(name: str, op: str, *tensors: str) -> Edit:
    """One more node on float32 tensors, which nothing takes yet."""
    return lambda graph: with_nodes(graph, new_node(name, op, tensors, {"T": DataType.FLOAT}))


def removed(*names: str) -> Edit:
    """Some nodes are not there."""
    return lambda graph: graph.replacing(node for node in graph if node.name not in names)


def batch_of_two(graph: Graph) -> Graph:
    """The 16-step graph of `small_model` as `--export_batch_size 2` makes it."""
    return edits(
        attributes("input_node", shape=(2, 16, 19, 26)),
        attributes("input_lengths", shape=(2,)),
        attributes("previous_state_c", shape=(2, 32)),
        attributes("previous_state_h", shape=(2, 32)),
        constant("Reshape_2/shape", [-1, 2, 32]),
        constant("raw_logits/shape", [-1, 2, 29]),
        constant(f"{LSTM}/range/limit", 2),
        constant(f"{LSTM}/range_1/limit", 2),
    )(graph)


def renamed(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The same graph with other names of nodes, everywhere they stand."""
    changed = []
    for node in graph:
        tensors = [TensorName.parse(name) for name in node.inputs]
        own = [str(name._replace(node=names.get(name.node, name.node))) for name in tensors]
        changed.append(remade(graph, node, name=names.get(node.name), inputs=own))
    return graph.replacing(changed)


def remade(
    graph: Graph,
    node: Node,
    *,
    name: str | None = None,
    op: str | None = None,
    inputs: Iterable[str] | None = None,
) -> Node:
    """A node built anew. The hint at other nodes' devices, which has their names, is left out."""
    name, op = name or node.name, op or node.op
    if node.op == op == "Const":
        return new_constant(name, graph.tensor(node).array())
    kept = {
        key: value
        for key, value in node.attributes.items()
        if key != "_class" and not isinstance(value, Tensor)
    }
    return new_node(name, op, node.inputs if inputs is None else inputs, kept, node.device)


def with_nodes(graph: Graph, *nodes: Node) -> Graph:
    """The graph with other nodes of the same names; those of new names come last."""
    new = {node.name: node for node in nodes}
    kept = [new.pop(node.name, node) for node in graph]
    return graph.replacing([*kept, *new.values()])
