"""A fixed number of steps, each written down on its own."""

from __future__ import annotations

import numpy as np

from dsconv.convert.toolkit.block_lstm.arithmetic import LstmSteps, gates_of_inputs, masked
from dsconv.convert.toolkit.block_lstm.nodes import Nodes
from dsconv.convert.toolkit.block_lstm.parameters import RESULTS, BlockLstm


def unrolled(nodes: Nodes, lstm: BlockLstm) -> dict[int, str]:
    """Add the steps; the names of the used outputs [steps, batch, cells] by their indices."""
    first = nodes.integers("first", 0)
    gates = nodes.op("Split", "steps", first, gates_of_inputs(nodes, lstm), num_split=lstm.steps)
    steps = LstmSteps.of(nodes, nodes.values("weights", lstm.weights), lstm.clip)
    c, h = lstm.cell, lstm.hidden
    rows: dict[int, list[str]] = {output: [] for output in lstm.used}
    # Zeros for the other steps need a batch of known size.
    known = lstm.valid is not None and lstm.batch >= 0
    for step in range(min(lstm.valid or 0, lstm.steps) if known else lstm.steps):
        values = steps.add(nodes, f"step_{step}", nodes.result(gates, step), c, h)
        c, h = values["cs"], values["h"]
        for output, names in rows.items():
            names.append(values[RESULTS[output]])
    results = {output: _packed(nodes, lstm, output, names) for output, names in rows.items()}
    if known:
        return results
    numbers = nodes.values("numbers", np.arange(lstm.steps, dtype=np.int64))
    return masked(nodes, results, numbers, lstm.length)


def _packed(nodes: Nodes, lstm: BlockLstm, output: int, rows: list[str]) -> str:
    """A result of all steps, [steps, batch, cells]; zeros for those that are missing."""
    name = RESULTS[output]
    missing = lstm.steps - len(rows)
    if missing:
        zeros = nodes.values(f"{name}/zeros", np.zeros((lstm.batch, lstm.cells), np.float32))
        rows = [*rows, *[zeros] * missing]
    return nodes.op("Pack", name, *rows, N=lstm.steps, axis=0)
