"""Every single edit of a graph that a sweep tries: one input, attribute, constant or op changed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import CONSTANTS, Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.formats.graphdef.write import edited
from tests.acoustic.edits import Edit, after, attributes, constant, inputs, op, takes, with_nodes

Mutation = tuple[str, Edit]

# Ops that take as many inputs as each other.
_EXCHANGED = (
    ("Add", "Mul", "Sub", "Minimum", "Maximum"),
    ("Tanh", "Sigmoid", "Relu", "Relu6", "Elu", "Identity"),
    ("GreaterEqual", "Greater", "Less", "LessEqual", "Equal"),
    ("Select", "SelectV2"),
)
_SMALL = 16
"""Elements up to which each one of a constant is changed."""


def valued(name: str, new: ArrayLike) -> Edit:
    """A constant has another value, and keeps what puts it inside of a loop."""

    def edit(graph: Graph) -> Graph:
        changed = constant(name, new)(graph)
        return with_nodes(changed, edited(changed[name], inputs=graph[name].inputs))

    return edit


def mutations(graph: Graph, random: Generator, tensors: int) -> Iterator[Mutation]:
    """Single edits by what they do; each input is exchanged for so many `tensors`, at random."""
    used = sorted({name for node in graph for name in node.inputs if not name.startswith("^")})
    for node in graph:
        yield from _other_inputs(node, used, random, tensors)
        yield from _other_attributes(node)
        yield from _other_values(graph, node)
        yield from _other_ops(node)
    for name in used:
        yield f"Tanh after {name}", after(name, "Tanh")


def _other_inputs(
    node: Node, used: list[str], random: Generator, tensors: int
) -> Iterator[Mutation]:
    for number, old in enumerate(node.inputs):
        if old.startswith("^"):
            continue
        others = [name for name in used if TensorName.parse(name) != TensorName.parse(old)]
        for other in random.choice(others, min(tensors, len(others)), replace=False):
            yield f"{node.name}[{number}] takes {other}", takes(node.name, number, str(other))
        fewer = [*node.inputs[:number], *node.inputs[number + 1 :]]
        yield f"{node.name} lacks [{number}]", inputs(node.name, *fewer)
    if len(node.data_inputs) > 1:
        turned = [*node.inputs[1::-1], *node.inputs[2:]]
        yield f"{node.name} takes its inputs turned round", inputs(node.name, *turned)


def _other_attributes(node: Node) -> Iterator[Mutation]:
    for key, value in node.attributes.items():
        other: object
        if key.startswith("_") or key == "value":
            continue
        if isinstance(value, bool):
            other = not value
        elif isinstance(value, DataType):
            other = DataType.INT64 if value is DataType.INT32 else DataType.INT32
        elif isinstance(value, int):
            other = value + 1
        elif isinstance(value, bytes):
            other = b"NCHW" if value == b"NHWC" else b"other"
        elif isinstance(value, tuple):
            for index in range(len(value)):
                shape = tuple(size + 27 * (n == index) for n, size in enumerate(value))
                yield f"{node.name} has {key} {shape}", attributes(node.name, **{key: shape})
            continue
        else:
            continue
        yield f"{node.name} has {key} {other!r}", attributes(node.name, **{key: other})


def _other_values(graph: Graph, node: Node) -> Iterator[Mutation]:
    if node.op not in CONSTANTS:
        return
    tensor = graph.tensor(node)
    if tensor.dtype is DataType.STRING:
        return
    values = np.array(tensor.array())
    for index in range(values.size if values.size <= _SMALL else 1):
        changed = values.copy()
        changed.flat[index] += 1
        yield f"{node.name} is 1 more at {index}", valued(node.name, changed)
    if values.ndim:
        yield f"{node.name} turned round", valued(node.name, values[::-1].copy())
        yield f"{node.name} is longer", valued(node.name, np.concatenate([values, values]))


def _other_ops(node: Node) -> Iterator[Mutation]:
    for group in _EXCHANGED:
        if node.op in group:
            for other in group:
                if other != node.op:
                    yield f"{node.name} is a {other}", op(node.name, other)
