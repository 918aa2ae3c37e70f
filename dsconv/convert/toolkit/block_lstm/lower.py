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
from dsconv.formats.graphdef.edit import extract, rewired, unused_name
from dsconv.formats.graphdef.functions import with_functions
from dsconv.formats.graphdef.graph import CONSTANTS, Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.model import TensorSpec
from dsconv.runtime.ops import OPS
from dsconv.runtime.tensor_arrays import TENSOR_ARRAY_OPS

# Dynamic dimensions are given each of these; what is the same with both does not depend on them.
_OPEN_SIZES = (2, 3)
_LOOPS = ("Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch")
_KNOWN = {*OPS, *TENSOR_ARRAY_OPS, *CONSTANTS, *_LOOPS, "NoOp", "Placeholder"}


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

    They are found by computing that of zeros. Where an op on the way is not computed here, the
    number of inputs is what the kernel takes beside the states, and the batch is that of the
    states; the steps are any.
    """
    x, state = str(node.data_inputs[1]), str(node.data_inputs[3])
    if _is_unknown(graph, x):
        kernel = graph.constant(node.data_inputs[4])
        if kernel is None or len(kernel.shape) != 2:
            raise refused(node, "has weights that are no constant matrix")
        rows, gates = kernel.shape
        batch = -1 if _is_unknown(graph, state) else _shape(graph, node, state, inputs)[0]
        return (-1, batch, rows - gates // 4)
    shape = _shape(graph, node, x, inputs)
    if len(shape) != 3:
        what = f"takes an input of shape {list(shape)}, not [steps, batch, inputs]"
        raise refused(node, what)
    return shape


def _shape(graph: Graph, node: Node, name: str, inputs: tuple[TensorSpec, ...]) -> tuple[int, ...]:
    """The shape of a tensor that an LSTM takes, -1 for a dynamic dimension."""
    is_open = any(size < 0 for spec in inputs for size in spec.shape or ())
    sizes = _OPEN_SIZES[: 2 if is_open else 1]
    shapes = [_shape_for(graph, node, name, inputs, size) for size in sizes]
    if len({len(shape) for shape in shapes}) > 1:
        raise refused(node, "takes an input whose rank is not known")
    return tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in zip(*shapes, strict=True))


def _shape_for(
    graph: Graph, node: Node, name: str, inputs: tuple[TensorSpec, ...], dynamic_size: int
) -> tuple[int, ...]:
    """The shape of a tensor that an LSTM takes if each dynamic dimension is the given one."""
    feeds = {
        spec.name: np.zeros([dynamic_size if n < 0 else n for n in spec.shape or ()], spec.dtype)
        for spec in inputs
    }
    try:
        # Some ops have no value at zero; only the shape counts.
        with np.errstate(all="ignore"):
            return Evaluator(graph).run(feeds, [name])[name].shape
    except ConversionError as error:
        raise refused(node, f"takes an input whose size is not known ({error})") from error


def _is_unknown(graph: Graph, tensor: str) -> bool:
    """Whether a tensor needs an op that is not computed here."""
    return any(node.op not in _KNOWN for node in extract(graph, [tensor]))
