"""The arithmetic of an LSTM in basic ops, whatever runs its steps.

What the inputs contribute to the gates is multiplied for all steps at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dsconv.convert.toolkit.block_lstm.nodes import Nodes
from dsconv.convert.toolkit.block_lstm.parameters import BlockLstm
from dsconv.formats.graphdef.dtypes import DataType


def gates_of_inputs(nodes: Nodes, lstm: BlockLstm) -> str:
    """What the inputs contribute to the gates, [steps * batch, 4 * cells]."""
    shape = nodes.integers("rows/shape", [-1, lstm.inputs])
    rows = nodes.op("Reshape", "rows", lstm.x, shape, Tshape=DataType.INT32)
    weights = nodes.values("input_weights", lstm.input_weights)
    product = nodes.op("MatMul", "inputs", rows, weights, transpose_a=False, transpose_b=False)
    return nodes.op("Add", "gates", product, nodes.values("bias", lstm.bias))


def masked(nodes: Nodes, results: dict[int, str], numbers: str, length: str) -> dict[int, str]:
    """The results with zeros after `length` steps; `numbers` are those of the steps, in int64."""
    column = nodes.integers("mask/shape", [-1, 1, 1])
    shaped = {"T": DataType.INT64, "Tshape": DataType.INT32}
    steps = nodes.op("Reshape", "mask/steps", numbers, column, **shaped)
    valid = nodes.op("Less", "mask/valid", steps, length, T=DataType.INT64)
    types = {"SrcT": DataType.BOOL, "DstT": DataType.FLOAT, "Truncate": False}
    mask = nodes.other("Cast", "mask", valid, **types)
    return {
        output: nodes.op("Mul", f"masked_{output}", name, mask) for output, name in results.items()
    }


@dataclass(frozen=True)
class LstmSteps:
    """What all steps take: the weights [cells, 4 * cells], the axis of the gates, the bounds."""

    weights: str
    axis: str
    bounds: tuple[str, str] | None

    @classmethod
    def of(cls, nodes: Nodes, weights: str, clip: float) -> LstmSteps:
        """The steps with their constants; the cell state is not bounded if `clip` is 0."""
        bounds = None
        if clip:
            least = nodes.values("clip/least", np.float32(-clip))
            bounds = least, nodes.values("clip/most", np.float32(clip))
        return cls(weights, nodes.integers("axis", 1), bounds)

    def add(self, nodes: Nodes, scope: str, gates: str, cell: str, hidden: str) -> dict[str, str]:
        """Add one step: its results, each [batch, cells], from what its input contributes."""

        def op(kind: str, name: str, *inputs: str) -> str:
            return nodes.op(kind, f"{scope}/{name}", *inputs)

        not_transposed = {"transpose_a": False, "transpose_b": False}
        kept = nodes.op("MatMul", f"{scope}/kept", hidden, self.weights, **not_transposed)
        summed = op("Add", "gates", gates, kept)
        split = nodes.op("Split", f"{scope}/split", self.axis, summed, num_split=4)
        i, f, o = (
            op("Sigmoid", name, nodes.result(split, index))
            for name, index in (("i", 0), ("f", 2), ("o", 3))
        )
        ci = op("Tanh", "ci", nodes.result(split, 1))
        cs = op("Add", "cs", op("Mul", "new", ci, i), op("Mul", "old", cell, f))
        if self.bounds:
            cs = op("Maximum", "cs/least", cs, self.bounds[0])
            cs = op("Minimum", "cs/most", cs, self.bounds[1])
        co = op("Tanh", "co", cs)
        return {"i": i, "cs": cs, "f": f, "o": o, "ci": ci, "co": co, "h": op("Mul", "h", co, o)}
