"""The order in which the nodes of a graph are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.runtime.ops import unsupported


def source_names(inputs: Iterable[str]) -> list[str]:
    """The nodes that give some inputs, control dependencies included."""
    return [TensorName.parse(name).node for name in inputs]


def in_order(
    graph: Graph, ends: Iterable[str], sources: Callable[[Node], Iterable[str]]
) -> Iterator[Node]:
    """The nodes that some nodes need and these themselves, each behind its `sources`.

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
