"""Basic ops instead of each BlockLSTM of a graph.

No toolkit's own way is exact for all graphs, and two have none. Where the number of steps is fixed,
each step is written down on its own; else they are a loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dsconv.convert.toolkit.block_lstm.loop import looped
from dsconv.convert.toolkit.block_lstm.nodes import Nodes
from dsconv.convert.toolkit.block_lstm.parameters import OP, BlockLstm, read, refused
from dsconv.convert.toolkit.block_lstm.unrolled import unrolled
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.edit import rewired, unused_name
from dsconv.formats.graphdef.functions import with_functions
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.model import TensorSpec

# Dynamic dimensions are given each of these; what is the same with both does not depend on them.
_OPEN_SIZES = (2, 3)


def lowered(graph: Graph, inputs: Iterable[TensorSpec]) -> Graph:
    """The graph with each BlockLSTM in plain ops; the same graph if it has none.

    Raises ConversionError for peepholes, for weights that are computed, for inputs whose size is
    not known.
    """
    lstms = [node for node in graph if node.op == OP]
    specs = tuple(inputs)
    shapes = [_shape_of_input(graph, node, specs) for node in lstms]
    for node, shape in zip(lstms, shapes, strict=True):
        # Its input may be what became of another one.
        graph = _without(graph, read(graph, graph[node.name], shape))
    return graph


def _without(graph: Graph, lstm: BlockLstm) -> Graph:
    fixed = lstm.steps >= 0
    nodes = Nodes(unused_name(graph, f"{lstm.name}/{'unrolled' if fixed else 'loop'}"))
    functions: list[Any] = []
    results = unrolled(nodes, lstm) if fixed else looped(nodes, lstm, functions)
    found: list[Node] = []
    for other in graph:
        if other.name == lstm.name:
            found.extend(nodes.made)
            continue
        for output, name in results.items():
            other = rewired(other, TensorName(lstm.name, output, False), name)
        found.append(other)
    return with_functions(graph.replacing(found), functions)


def _shape_of_input(graph: Graph, node: Node, inputs: tuple[TensorSpec, ...]) -> tuple[int, ...]:
    """The sizes [steps, batch, inputs] of what an LSTM takes, -1 for any.

    They are found by computing that of zeros.
    """
    is_open = any(size < 0 for spec in inputs for size in spec.shape or ())
    shapes = [_shape_for(graph, node, inputs, size) for size in _OPEN_SIZES[: 2 if is_open else 1]]
    if len(shapes[0]) != 3:
        what = f"takes an input of shape {list(shapes[0])}, not [steps, batch, inputs]"
        raise refused(node, what)
    return tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in zip(*shapes, strict=True))


def _shape_for(
    graph: Graph, node: Node, inputs: tuple[TensorSpec, ...], dynamic_size: int
) -> tuple[int, ...]:
    """The shape of what an LSTM takes if each dynamic dimension is the given one."""
    name = str(node.data_inputs[1])
    feeds = {
        spec.name: np.zeros([dynamic_size if n < 0 else n for n in spec.shape or ()], spec.dtype)
        for spec in inputs
    }
    try:
        return Evaluator(graph).run(feeds, [name])[name].shape
    except ConversionError as error:
        raise refused(node, f"takes an input whose size is not known ({error})") from error
