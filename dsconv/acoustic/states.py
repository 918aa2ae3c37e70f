"""How the states of the LSTM come in and go out, in each version's way.

Since 0.6 they are inputs and outputs; up to 0.5 they are variables that each call sets. What comes
after the last valid frame is picked by GatherNd, in 0.2 by Gather, and without lengths by a slice.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.acoustic.matching import Matcher, mismatch
from dsconv.acoustic.network import Lstm
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node, TensorName

VARIABLE = "VariableV2"
ASSIGN = "Assign"


@dataclass(frozen=True)
class FoundLstm:
    """The LSTM as it stands in the graph.

    `masked` is its output, padding set to zero; the LSTM itself in a graph without `lengths`. The
    states before are inputs or variables; None where each call starts from zeros.
    """

    node: Node
    lstm: Lstm
    lengths: Node | None
    masked: Node
    previous_c: Node | None
    previous_h: Node | None


class StateReader(Matcher):
    """Reads the states around an LSTM; `batch` is the number of clips in a call."""

    def __init__(self, graph: Graph, found: FoundLstm, batch: int) -> None:
        super().__init__(graph)
        self.found = found
        self.batch = batch

    def check_variable(self, variable: Node, scores: Node, reached: dict[str, Node]) -> None:
        """A state's variable must start at zero, and be set before the scores are given."""
        users = [user for user in self.graph.consumers[variable.name] if user.op == ASSIGN]
        updates = [user for user in users if user.name in reached]
        if len(updates) != 1:
            raise mismatch(variable, f"is set {len(updates)} times", "once in a call")
        for assign in users:
            target, value = self.inputs(assign, 2)
            self.check_is(assign, target, variable)
            if assign is not updates[0]:
                self.check_zeros(self.graph.source(value))
            elif self._state_after(value) is not variable:
                raise mismatch(assign, f"sets '{variable.name}'", "the state that it takes")
        waits = [TensorName.parse(name) for name in scores.inputs]
        if not any(name.control and name.node == updates[0].name for name in waits):
            raise mismatch(
                scores, f"does not depend on '{updates[0].name}'", "a state that is kept"
            )

    def state_of(self, output: Node) -> str | None:
        """The name of the state whose value after the last valid frame an output gives."""
        if self.graph.source(output.name).op not in ("Gather", "GatherNd", "StridedSlice"):
            return None
        return self._state_after(TensorName.parse(output.name)).name

    def _state_after(self, name: TensorName) -> Node:
        """The state before the first frame of which a tensor is the value after the last."""
        node = self.made_by(name, "Gather", "GatherNd", "StridedSlice")
        if self.found.lengths is None:
            return self._of_last_step(node)
        source, picked = self.inputs(node, 2)
        if node.op == "Gather":
            source = self._check_picks_row(source, picked)
        else:
            self._check_picks_last(self.made_by(picked, "Pack"), self.found.lengths)
        history = self.made_by(source, "ConcatV2")
        first, steps, axis = self.inputs(history, 3)
        self.numbers(history, axis, 0, "axis")
        expanded = self.made_by(first, "ExpandDims")
        previous, axis = self.inputs(expanded, 2)
        self.numbers(expanded, axis, [0], "axis")
        state = self.graph.source(previous)
        if state is self.found.previous_c:
            self.check_is(history, steps, self.found.node)
            self.made_by(steps, "BlockLSTM", output=1)
        elif state is self.found.previous_h:
            self.check_is(history, steps, self.found.masked)
        else:
            raise mismatch(expanded, f"takes '{state.name}'", "a state before the first frame")
        return state

    def _of_last_step(self, node: Node) -> Node:
        """In a graph without lengths, the state whose last step a node gives."""
        if node.op != "StridedSlice":
            raise mismatch(node, f"has the op {node.op}", "the last step of the LSTM")
        steps = self.sliced(node, -1)
        found, output = self.graph.origin(steps)
        # The outputs of BlockLSTM are i, cs, f, o, ci, co and h.
        states = {1: self.found.previous_c, 6: self.found.previous_h}
        state = states.get(output) if found is self.found.node else None
        if state is None:
            raise mismatch(node, f"takes '{steps}'", "the steps of a state")
        return state

    def _check_picks_last(self, pack: Node, lengths: Node) -> None:
        """The indices [length, index in the batch]."""
        self.expect(pack, axis=1)
        count, clips = self.inputs(pack, 2)
        self.check_is(pack, count, lengths)
        self._check_clip_indices(clips)

    def _check_picks_row(self, source: TensorName, picked: TensorName) -> TensorName:
        """As the first exports do: of steps and clips as rows, length * batch + index.

        Returns the steps before they became rows.
        """
        rows = self.made_by(source, "Reshape")
        source, shape = self.inputs(rows, 2)
        self.numbers(rows, shape, [-1, self.found.lstm.cells], "shape")
        added = self.made_by(picked, "Add", "AddV2")
        product, clips = self.one_of(added, "Mul")
        self._check_clip_indices(clips)
        scaled = self.made_by(product, "Mul")
        lengths, batch = self.one_of(scaled, "Placeholder")
        self._check_batch(scaled, batch, "a factor")
        assert self.found.lengths is not None
        self.check_is(scaled, lengths, self.found.lengths)
        return source

    def _check_clip_indices(self, name: TensorName) -> None:
        """The indices of the clips in the batch."""
        in_batch = self.made_by(name, "Range")
        start, limit, delta = self.inputs(in_batch, 3)
        for end, expected in ((start, 0), (delta, 1)):
            self.numbers(in_batch, end, expected, "ends")
        self._check_batch(in_batch, limit, "ends")

    def _check_batch(self, user: Node, count: TensorName, what: str) -> None:
        """A tensor must be the number of clips.

        Where the number of steps is dynamic, 0.5 reads it from the shape of the LSTM's input.
        """
        if self.graph.source(count).op == "StridedSlice":
            self.check_dimension(user, count, self.inputs(self.found.node, 9)[1], 1)
        else:
            self.numbers(user, count, self.batch, what)
