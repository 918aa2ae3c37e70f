"""The nodes of a graph: in which order they are evaluated, and which function computes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.runtime.ops import OPS, Array, Op, unsupported
from dsconv.runtime.tensor_arrays import TENSOR_ARRAY_OPS

Values: TypeAlias = dict[str, tuple[Array, ...]]
"""The outputs of nodes that are evaluated, by the name of the node."""


def source_names(inputs: Iterable[str]) -> list[str]:
    """The nodes that give some inputs, control dependencies included."""
    return [TensorName.parse(name).node for name in inputs]


def in_order(
    graph: Graph, ends: Iterable[str], sources: Callable[[Node], Iterable[str]]
) -> Iterator[Node]:
    """The nodes that some nodes need and these themselves, each after its `sources`.

    Raises ConversionError where nodes need each other in a circle.
    """
    done: set[str] = set()
    path: set[str] = set()
    waiting = [(name, False) for name in reversed(list(ends))]
    while waiting:
        name, ready = waiting.pop()
        node = graph[name]
        if ready:
            path.discard(name)
            done.add(name)
            yield node
        elif name not in done:
            if name in path:
                raise unsupported(node, "in a loop")
            path.add(name)
            waiting.append((name, True))
            waiting.extend((source, False) for source in sources(node) if source not in done)


def kernel(node: Node) -> Op:
    """The function of a node's op. Raises ConversionError for an op that is not known."""
    function = OPS.get(node.op) or TENSOR_ARRAY_OPS.get(node.op)
    if function is None:
        raise unsupported(node, "node")
    return function


def compute(
    function: Op, node: Node, inputs: Iterable[TensorName], values: Values
) -> tuple[Array, ...]:
    """The outputs of a node, from those of the nodes before it."""
    result = function(node, *[values[name.node][name.output] for name in inputs])
    return result if isinstance(result, tuple) else (result,)
