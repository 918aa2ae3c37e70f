"""Recognise one step of an LSTM that is written out in single ops, inside a loop over the frames.

Source: ``BasicLSTMCell`` in ``tensorflow/python/ops/rnn_cell_impl.py`` of TensorFlow 1.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.acoustic.loop import LoopMatcher, Variable
from dsconv.acoustic.matching import ADD, mismatch
from dsconv.acoustic.network import Lstm
from dsconv.formats.graphdef.node import Node, TensorName


@dataclass(frozen=True)
class Step:
    """One step of an LSTM.

    `x` is what it takes for a frame, `cell` and `hidden` are its states, `new_cell` is the cell
    state that it makes.
    """

    lstm: Lstm
    x: TensorName
    cell: Variable
    hidden: Variable
    new_cell: TensorName


def read_step(loop: LoopMatcher, new_hidden: TensorName, name: str) -> Step:
    """The step that makes a new hidden state.

    Raises ConversionError if it is that of another LSTM, and says where it differs.
    """
    return _StepReader(loop).read(new_hidden, name)


class _StepReader:
    def __init__(self, loop: LoopMatcher) -> None:
        self.loop = loop
        self.gates: dict[str, TensorName] = {}
        """The sum of weighted inputs and bias for each gate."""

    def read(self, new_hidden: TensorName, name: str) -> Step:
        """``new_hidden = tanh(new_cell) * sigmoid(o)``."""
        loop = self.loop
        product = loop.made_by(new_hidden, "Mul")
        squashed, gate = loop.one_of(product, "Tanh")
        self.gates["o"] = self._of(gate, "Sigmoid")
        new_cell = self._of(squashed, "Tanh")
        cell, forget_bias = self._read_cell(new_cell)
        split = self._split()
        x, hidden, kernel, bias = self._read_sums(loop.inputs(split, 2)[1])
        matrix = loop.weights(split, kernel, (-1, -1), "a kernel")
        columns = matrix.shape[1]
        vector = loop.weights(split, bias, (columns,), "a bias")
        lstm = Lstm(name, matrix, vector, forget_bias, self._order())
        if columns % 4 or min(lstm.cells, lstm.inputs) < 1:
            raise mismatch(
                split, f"has a kernel of shape {list(matrix.shape)}", "[inputs + cells, 4 * cells]"
            )
        return Step(lstm, x, cell, loop.current(hidden), new_cell)

    def _of(self, name: TensorName, op: str) -> TensorName:
        """What an op with one input takes."""
        return self.loop.inputs(self.loop.made_by(name, op), 1)[0]

    def _read_cell(self, new_cell: TensorName) -> tuple[Variable, float]:
        """``new_cell = cell * sigmoid(f + forget_bias) + sigmoid(i) * tanh(c)``."""
        loop = self.loop
        added = loop.made_by(new_cell, *ADD)
        terms = [loop.made_by(name, "Mul") for name in loop.inputs(added, 2)]
        news = [term for term in terms if self._takes(term, "Tanh")]
        if len(news) != 1:
            raise mismatch(added, f"adds {len(news)} new values", "one new value and the old one")
        (old,) = (term for term in terms if term is not news[0])
        candidate, gate = loop.one_of(news[0], "Tanh")
        self.gates["c"] = self._of(candidate, "Tanh")
        self.gates["i"] = self._of(gate, "Sigmoid")
        gate, cell = loop.one_of(old, "Sigmoid")
        biased = loop.made_by(self._of(gate, "Sigmoid"), *ADD)
        self.gates["f"], bias = loop.one_of(biased, "Split")
        return loop.current(cell), loop.number(biased, bias, "a forget bias")

    def _takes(self, node: Node, op: str) -> bool:
        return any(self.loop.graph.source(name).op == op for name in node.data_inputs)

    def _split(self) -> Node:
        """The Split into gates, which all of them must come from."""
        loop = self.loop
        nodes = [loop.graph.source(name) for name in self.gates.values()]
        split = nodes[0]
        for node in nodes:
            if node.op != "Split" or node is not split:
                raise mismatch(node, f"({node.op}) makes a gate", "one Split for all four")
        loop.expect(split, num_split=4)
        loop.numbers(split, loop.inputs(split, 2)[0], 1, "a dimension")
        return split

    def _order(self) -> tuple[str, str, str, str]:
        """The gates by the outputs of the Split."""
        outputs = {self.loop.graph.origin(name)[1]: gate for gate, name in self.gates.items()}
        if sorted(outputs) != [0, 1, 2, 3]:
            raise mismatch(
                self._split(), f"gives its outputs {sorted(outputs)}", "four different ones"
            )
        return outputs[0], outputs[1], outputs[2], outputs[3]

    def _read_sums(self, name: TensorName) -> tuple[TensorName, ...]:
        """``[x, hidden] @ kernel + bias``: x, hidden, kernel and bias."""
        loop = self.loop
        sums = loop.made_by(name, "BiasAdd")
        if sums.attributes.get("data_format", b"NHWC") != b"NHWC":
            raise mismatch(sums, "adds along another dimension (data_format)", "the last")
        multiplied, bias = loop.inputs(sums, 2)
        product = loop.made_by(multiplied, "MatMul")
        loop.expect(product, transpose_a=False, transpose_b=False)
        joined, kernel = loop.inputs(product, 2)
        joint = loop.made_by(joined, "ConcatV2")
        x, hidden, axis = loop.inputs(joint, 3)
        loop.numbers(joint, axis, 1, "axis")
        return x, hidden, loop.invariant(kernel), loop.invariant(bias)
