"""What a BlockLSTM computes with, read from its node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import CONSTANTS, Graph
from dsconv.formats.graphdef.node import Node

OP = "BlockLSTM"

RESULTS = ("i", "cs", "f", "o", "ci", "co", "h")
"""The results for all steps, in the order of the op's outputs."""


@dataclass(frozen=True)
class BlockLstm:
    """An LSTM; `length`, `x`, `cell` and `hidden` are tensors by name.

    `x` is [steps, batch, inputs], of which `steps` and `batch` are -1 for any number; the states
    are [batch, cells]. The gates' weights are `input_weights` [inputs, 4 * cells], `weights`
    [cells, 4 * cells] and `bias` [4 * cells], the forget bias added. `clip` bounds the cell's
    state, 0 does not. `valid` is the number of steps that are run, if `length` is a constant; the
    others give zeros. `used` are the outputs that something takes.
    """

    name: str
    length: str
    x: str
    cell: str
    hidden: str
    steps: int
    batch: int
    input_weights: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    clip: float
    valid: int | None
    used: tuple[int, ...]

    @property
    def inputs(self) -> int:
        """The size of the input."""
        return len(self.input_weights)

    @property
    def cells(self) -> int:
        """The size of the states."""
        return len(self.weights)


def read(graph: Graph, node: Node, shape: tuple[int, ...]) -> BlockLstm:
    """An LSTM that takes an input of `shape`. Raises ConversionError for what is not converted."""
    _check(node)
    length, x, cell, hidden = (str(name) for name in node.data_inputs[:4])
    steps, batch, inputs = shape
    kernel, bias = _constant(graph, node, 4, "weights"), _constant(graph, node, 8, "biases").copy()
    cells = bias.size // 4
    if kernel.shape != (inputs + cells, 4 * cells) or bias.shape != (4 * cells,):
        raise refused(node, f"has weights of shape {list(kernel.shape)}, which do not fit")
    bias[2 * cells : 3 * cells] += np.float32(node.attribute("forget_bias", float))
    return BlockLstm(
        node.name,
        length,
        x,
        cell,
        hidden,
        steps,
        batch,
        input_weights=kernel[:inputs],
        weights=kernel[inputs:],
        bias=bias,
        clip=max(0.0, node.attribute("cell_clip", float)),
        valid=_valid_steps(graph, node),
        used=_used_outputs(graph, node),
    )


def refused(node: Node, what: str) -> ConversionError:
    """The error for an LSTM that is not converted."""
    return ConversionError(f"'{node.name}' ({OP}) {what}.")


def _check(node: Node) -> None:
    """Refuse what is not computed here."""
    if len(node.data_inputs) != 9:
        raise refused(node, f"has {len(node.data_inputs)} inputs and not 9")
    if len(node.inputs) != 9:
        raise refused(node, "waits for other nodes")
    if node.attribute("T", DataType) is not DataType.FLOAT:
        raise refused(node, "does not compute in float32")
    if node.attributes.get("use_peephole", False) is not False:
        raise refused(node, "has peephole weights, which dsconv does not convert")


def _constant(graph: Graph, node: Node, index: int, what: str) -> NDArray[np.float32]:
    found = graph.constant(node.data_inputs[index])
    if found is None or found.dtype is not DataType.FLOAT:
        raise refused(node, f"has {what} that are no constants of float32")
    return np.asarray(found.array(), np.float32)


def _valid_steps(graph: Graph, node: Node) -> int | None:
    """The number of steps that are run if it is a constant."""
    source = graph.source(node.data_inputs[0])
    while source.op == "Cast":
        source = graph.source(source.data_inputs[0])
    return int(graph.tensor(source).numbers()[0]) if source.op in CONSTANTS else None


def _used_outputs(graph: Graph, node: Node) -> tuple[int, ...]:
    """The outputs of the LSTM that something takes."""
    taken = [name for user in graph.consumers[node.name] for name in user.data_inputs]
    return tuple(sorted({name.output for name in taken if name.node == node.name}))
