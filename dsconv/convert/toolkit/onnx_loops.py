"""Loops of ONNX without the variables that no iteration changes.

tf2onnx carries each variable of TensorFlow's loop from one iteration to the next. A runtime then
copies large weights in each, and does not take them for constants, which it would rearrange once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

# What stands before the variables: the limit and the condition, in the body the iteration and the
# condition; the body gives the condition first.
_LOOP_INPUTS, _BODY_INPUTS, _BODY_OUTPUTS = 2, 2, 1


def take_unchanged_from_outside(graph: Any) -> None:
    """Let the bodies of a graph's loops read what they pass on unchanged where it comes from."""
    read = set(names_read(graph))
    for node in graph.node:
        if node.op_type == "Loop":
            _shorten(node, read)


def names_read(graph: Any) -> Iterator[str]:
    """The names of all tensors that something takes, in the graph and in those inside it."""
    for node in graph.node:
        yield from node.input
        for inner in inner_graphs(node):
            yield from names_read(inner)
    yield from (output.name for output in graph.output)


def inner_graphs(node: Any) -> Iterator[Any]:
    """The graphs that a node runs, such as the body of a loop."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _shorten(loop: Any, read: Collection[str]) -> None:
    (body,) = inner_graphs(loop)
    variables = len(loop.input) - _LOOP_INPUTS
    for index in reversed(range(variables)):
        name = body.input[_BODY_INPUTS + index].name
        if body.output[_BODY_OUTPUTS + index].name == name and loop.output[index] not in read:
            _rename(body, name, loop.input[_LOOP_INPUTS + index])
            del body.input[_BODY_INPUTS + index]
            del body.output[_BODY_OUTPUTS + index]
            del loop.input[_LOOP_INPUTS + index]
            del loop.output[index]


def _rename(graph: Any, old: str, new: str) -> None:
    """Let the nodes of a graph, and of those inside it, take another tensor."""
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new
        for inner in inner_graphs(node):
            _rename(inner, old, new)
