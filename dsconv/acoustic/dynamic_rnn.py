"""Recognise an LSTM that a loop of TensorFlow 1 runs over the frames of a sequence.

Each iteration reads a frame from an array and writes one to another. From a clip's length on the
output is zero, and its states stay what they were; in a graph without lengths no clip ends early.

Source: ``dynamic_rnn`` in ``tensorflow/python/ops/rnn.py`` of TensorFlow 1.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dsconv.acoustic.basic_lstm import Step, read_step
from dsconv.acoustic.loop import LoopMatcher, Variable
from dsconv.acoustic.matching import ADD, mismatch
from dsconv.acoustic.network import Lstm
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node, TensorName

_INTEGERS = (DataType.INT32, DataType.INT64)


@dataclass(frozen=True)
class LoopLstm:
    """An LSTM from zero states over `sequence` [steps, batch, inputs], valid up to `lengths`.

    `lengths` is None where it runs over all steps of each clip.
    """

    lstm: Lstm
    sequence: TensorName
    lengths: Node | None
    frame: object
    """What the graph calls the loop."""


def read_lstm(graph: Graph, outputs: TensorName, name: str) -> LoopLstm:
    """The LSTM that makes outputs [steps, batch, cells].

    Raises ConversionError if anything else does, and says where it differs.
    """
    return _RnnReader(graph, outputs).read(name)


def read_lengths(matcher: LoopMatcher, name: TensorName) -> Node:
    """The input that lengths come from, converted between types of integers or not."""
    seen = []
    while (node := matcher.made_by(name, "Cast", "Placeholder")).op == "Cast":
        if node in seen:
            raise mismatch(node, "takes its own output", "another tensor")
        seen.append(node)
        for key in ("SrcT", "DstT"):
            if node.attribute(key, DataType) not in _INTEGERS:
                raise mismatch(node, f"converts another type ({key})", "int32 or int64")
        name = matcher.inputs(node, 1)[0]
    matcher.check_tensor(node, DataType.INT32, (-1,))
    return node


class _Choice(NamedTuple):
    """A Select by clip: what it takes before the clip's `length` and what from there on."""

    node: Node
    length: TensorName
    within: TensorName
    beyond: TensorName


class _RnnReader(LoopMatcher):
    def __init__(self, graph: Graph, outputs: TensorName) -> None:
        super().__init__(graph)
        self.gather = self.made_by(outputs, "TensorArrayGatherV3")
        self.array, self.picked, self.flow = self.inputs(self.gather, 3)
        self.written = self.last(self.flow)
        self.write = self.made_by(self.written.next, "TensorArrayWriteV3")
        self.time = self.current(self.inputs(self.write, 4)[1])

    def read(self, name: str) -> LoopLstm:
        """The whole loop."""
        handle, _, value, flow = self.inputs(self.write, 4)
        self.check_same(self.write, self.invariant(handle), self.array)
        self.check_current(self.write, flow, self.written)
        masked = self._choice(value) if self.graph.origin(value)[0].op == "Select" else None
        length = masked.length if masked else None
        new_hidden = masked.within if masked else value
        step = read_step(self, new_hidden, name)
        sequence = self._sequence(step.x)
        if masked:
            padding = self.invariant(masked.beyond)
            self._check_zeros(masked.node, padding, sequence, step.lstm.cells)
        for state, new in ((step.cell, step.new_cell), (step.hidden, new_hidden)):
            self._check_state(state, new, length)
            self._check_zeros(state.merge, state.initial, sequence, step.lstm.cells)
        self._check_time(sequence)
        self._check_gathered(sequence, step)
        lengths = None if length is None else read_lengths(self, length)
        return LoopLstm(step.lstm, sequence, lengths, self.frame)

    def _choice(self, name: TensorName) -> _Choice:
        """A choice by clip, which is beyond its length from the frame of that index on."""
        node = self.made_by(name, "Select")
        condition, beyond, within = self.inputs(node, 3)
        compared = self.made_by(condition, "GreaterEqual")
        time, length = self.inputs(compared, 2)
        self.check_current(compared, time, self.time)
        return _Choice(node, self.invariant(length), within, beyond)

    def _check_state(self, state: Variable, new: TensorName, length: TensorName | None) -> None:
        """A state must become the new one, and beyond the clip's length stay what it is."""
        if length is None:
            self.check_same(state.merge, state.next, new)
            return
        choice = self._choice(state.next)
        self.check_same(choice.node, choice.length, length)
        self.check_current(choice.node, choice.beyond, state)
        self.check_same(choice.node, choice.within, new)

    def _check_zeros(self, user: Node, name: TensorName, sequence: TensorName, cells: int) -> None:
        """A tensor must be zeros [batch, cells]."""
        filled = self.made_by(name, "Fill")
        shape, value = self.inputs(filled, 2)
        self.numbers(filled, value, 0, "a value")
        joined = self.made_by(shape, "ConcatV2")
        first, second, axis = self.inputs(joined, 3)
        self.numbers(joined, axis, 0, "axis")
        self.numbers(joined, second, [cells], "a dimension")
        expanded = self.made_by(first, "ExpandDims")
        batch, axis = self.inputs(expanded, 2)
        self.numbers(expanded, axis, 0, "axis")
        self.check_dimension(user, batch, sequence, 1)

    def _sequence(self, x: TensorName) -> TensorName:
        """The sequence of which an iteration reads the frame of its index."""
        read = self.made_by(x, "TensorArrayReadV3")
        handle, index, flow = self.inputs(read, 3)
        self.check_current(read, index, self.time)
        scatter = self.made_by(self.invariant(flow), "TensorArrayScatterV3")
        array, indices, sequence, empty = self.inputs(scatter, 4)
        self.check_same(read, self.invariant(handle), array)
        self._check_array(scatter, array, empty, sequence)
        count = self._count_up_to(indices)
        self.check_dimension(scatter, count, sequence, 0)
        return sequence

    def _check_array(
        self, user: Node, array: TensorName, empty: TensorName, sequence: TensorName
    ) -> None:
        """An array must be as long as the sequence, with nothing in it yet."""
        node = self.made_by(array, "TensorArrayV3")
        self.expect(node, dtype=DataType.FLOAT, dynamic_size=False, element_shape=None)
        self.check_dimension(node, self.inputs(node, 1)[0], sequence, 0)
        if self.made_by(empty, "TensorArrayV3", output=1) is not node:
            raise mismatch(user, f"takes '{empty}'", f"'{node.name}:1'")

    def _count_up_to(self, name: TensorName) -> TensorName:
        """The end of the indices 0, 1, 2..."""
        node = self.made_by(name, "Range")
        start, limit, delta = self.inputs(node, 3)
        self.numbers(node, start, 0, "start")
        self.numbers(node, delta, 1, "delta")
        return limit

    def _check_time(self, sequence: TensorName) -> None:
        """Iterations must be counted from 0 up to the number of frames."""
        assert self.condition is not None
        self.numbers(self.time.merge, self.time.initial, 0, "a first index")
        added = self.made_by(self.time.next, *ADD)
        index, increment = self.inputs(added, 2)
        self.check_current(added, index, self.time)
        self.numbers(added, increment, 1, "an increment")
        less = self.made_by(self.inputs(self.condition, 1)[0], "Less")
        index, frames = self.inputs(less, 2)
        if self.made_by(index, "Merge") is not self.time.merge:
            raise mismatch(less, f"compares '{index}'", f"'{self.time.merge.name}'")
        self.check_dimension(less, self.invariant(frames), sequence, 0)

    def _check_gathered(self, sequence: TensorName, step: Step) -> None:
        """The outputs must be all that was written, in order."""
        self._check_array(self.gather, self.array, self.written.initial, sequence)
        self.expect(self.gather, dtype=DataType.FLOAT, element_shape=(-1, step.lstm.cells))
        sized = self.made_by(self._count_up_to(self.picked), "TensorArraySizeV3")
        for found, expected in zip(self.inputs(sized, 2), (self.array, self.flow), strict=True):
            self.check_same(sized, found, expected)
