"""The LSTM as a loop with one copy of its weights, or step after step as the exporter wrote it.

XNNPACK packs the weights of each product for itself. Unrolled, 16 copies go through the memory in
every call; in the loop one stays in the cache. That makes the loop four times as fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dsconv.acoustic.network import Lstm
from dsconv.acoustic.weights import input_kernel, lstm_bias, recurrent_kernel, values
from dsconv.convert.tflite.builder import SubgraphBuilder
from dsconv.convert.tflite.weights import MakeWeights, product
from dsconv.formats.graphdef.steps import DYNAMIC


@dataclass(frozen=True)
class States:
    """The tensors of the two states, each [1, cells]."""

    cell: int
    hidden: int


class _LstmBuilder:
    """What both forms have in common."""

    def __init__(
        self,
        graph: SubgraphBuilder,
        lstm: Lstm,
        weights: MakeWeights,
        steps: int,
        name: str = "lstm",
    ) -> None:
        self.graph = graph
        self.lstm = lstm
        self.weights = weights
        self.steps = steps
        self.name = name
        self.shape = [1, lstm.cells]

    def bias(self) -> int:
        """The bias [4 * cells], the forget bias added."""
        bias = lstm_bias(self.lstm, "".join(self.lstm.gates))
        return self.graph.constant(f"{self.name}/bias", bias)

    def cell(
        self,
        graph: SubgraphBuilder,
        name: str,
        gates: int,
        cell: int,
        outputs: tuple[str, str] | None = None,
    ) -> States:
        """The states after a frame, from the sums of its gates; `outputs` names them."""
        new_cell, new_hidden = outputs or (f"{name}/cell", f"{name}/hidden")
        parts = [graph.tensor(f"{name}/{gate}", self.shape) for gate in self.lstm.gates]
        graph.add("SPLIT", [graph.integers(1), gates], parts, num_splits=len(parts))
        gate = dict(zip(self.lstm.gates, parts, strict=True))
        kept = self.times(graph, f"{name}/kept", self.sigmoid(graph, f"{name}/f", gate["f"]), cell)
        candidate = graph.op("TANH", [gate["c"]], f"{name}/candidate", self.shape)
        opened = self.sigmoid(graph, f"{name}/i", gate["i"])
        added = self.times(graph, f"{name}/added", opened, candidate)
        after = graph.op("ADD", [kept, added], new_cell, self.shape)
        squashed = graph.op("TANH", [after], f"{name}/squashed", self.shape)
        shown = self.sigmoid(graph, f"{name}/o", gate["o"])
        return States(after, self.times(graph, new_hidden, shown, squashed))

    def sigmoid(self, graph: SubgraphBuilder, name: str, source: int) -> int:
        return graph.op("LOGISTIC", [source], f"{name}/sigmoid", self.shape)

    def times(self, graph: SubgraphBuilder, name: str, first: int, second: int) -> int:
        return graph.op("MUL", [first, second], name, self.shape)


class UnrolledLstm(_LstmBuilder):
    """Step after step, input and state joined: upstream's form, weights and scales."""

    def add(
        self, rows: int, states: States, lengths: int | None, outputs: tuple[str, str]
    ) -> tuple[int, States]:
        """The hidden states [steps, cells], and the states after the last step."""
        assert lengths is None
        graph, lstm = self.graph, self.lstm
        weights = self.weights(graph, "lstm/kernel", values(lstm.kernel))
        bias = self.bias()
        frames = [
            graph.tensor(f"step_{number}/input", [1, lstm.inputs]) for number in range(self.steps)
        ]
        graph.add("SPLIT", [graph.integers(0), rows], frames, num_splits=self.steps)
        hidden = []
        for number, frame in enumerate(frames):
            name, last = f"step_{number}", number == self.steps - 1
            joined = graph.op(
                "CONCATENATION",
                [frame, states.hidden],
                f"{name}/joined",
                [1, lstm.inputs + lstm.cells],
                axis=1,
            )
            sums = [1, 4 * lstm.cells]
            gates = product(graph, joined, weights, bias, f"{name}/gates", sums)
            states = self.cell(graph, name, gates, states.cell, outputs if last else None)
            hidden.append(states.hidden)
        shape = [self.steps, lstm.cells]
        return graph.op("CONCATENATION", hidden, "lstm/hidden", shape, axis=0), states


class LoopedLstm(_LstmBuilder):
    """A WHILE over the frames, the product with the input's weights ahead of it."""

    def add(
        self,
        rows: int,
        states: States,
        lengths: int | None,
        outputs: tuple[str, str] | None = None,
    ) -> tuple[int, States]:
        """The hidden states [frames, cells], zero in padding, and the states after the last.

        `outputs` names these: the cell's, and the hidden one.
        """
        graph, lstm, name = self.graph, self.lstm, self.name
        weights = self.weights(graph, f"{name}/input_kernel", input_kernel(lstm))
        sums = [self.steps, 4 * lstm.cells]
        projected = product(graph, rows, weights, self.bias(), f"{name}/projected", sums)
        count = graph.length(projected, f"{name}/count") if self.steps == DYNAMIC else None
        before = {
            "number": graph.integers(0),
            "cell": states.cell,
            "hidden": states.hidden,
            "projected": projected,
            "history": self.no_history(projected),
            "count": count,
            "lengths": lengths,
        }
        loop = _Loop(self, lengths is not None)
        named = dict(zip(("cell", "hidden"), outputs or (), strict=False))
        after = loop.carried(graph, f"{name}/after_", named)
        condition, body = loop.condition(), loop.body()
        graph.add(
            "WHILE",
            [number for name in after if (number := before[name]) is not None],
            list(after.values()),
            cond_subgraph_index=condition.number,
            body_subgraph_index=body.number,
        )
        return after["history"], States(after["cell"], after["hidden"])

    def no_history(self, projected: int) -> int:
        """Zeros [frames, cells].

        Made of a tensor with as many frames: with sizes that are computed, the original runtimes
        would not know them when they prepare the ops after it.
        """
        graph, shape, name = self.graph, [self.steps, self.lstm.cells], self.name
        ends = [graph.integers(end) for end in ([0, 0], [0, self.lstm.cells], [1, 1])]
        some = graph.op("STRIDED_SLICE", [projected, *ends], f"{name}/some", shape, end_mask=1)
        return graph.op("ZEROS_LIKE", [some], f"{name}/no_hidden", shape)


_NO_BIAS = -1


class _Loop:
    """The two subgraphs of the loop. Both take all that is carried from frame to frame."""

    def __init__(self, lstm: LoopedLstm, lengths: bool) -> None:
        self.lstm = lstm
        self.cells = lstm.lstm.cells
        self.lengths = lengths
        self.dynamic = lstm.steps == DYNAMIC

    def carried(
        self, graph: SubgraphBuilder, prefix: str = "", names: Mapping[str, str] | None = None
    ) -> dict[str, int]:
        """New tensors for all that is carried, in the order of the WHILE; `names` of their own."""
        steps, shape = self.lstm.steps, self.lstm.shape
        shapes: dict[str, tuple[list[int], str]] = {
            "number": ([], "int32"),
            "cell": (shape, "float32"),
            "hidden": (shape, "float32"),
            "projected": ([steps, 4 * self.cells], "float32"),
            "history": ([steps, self.cells], "float32"),
        }
        if self.dynamic:
            shapes["count"] = ([], "int32")
        if self.lengths:
            shapes["lengths"] = ([1], "int32")
        named = names or {}
        return {
            key: graph.tensor(named.get(key, prefix + key), sizes, dtype)
            for key, (sizes, dtype) in shapes.items()
        }

    def condition(self) -> SubgraphBuilder:
        """Whether there is another frame."""
        graph = self.lstm.graph.model.subgraph("more_frames")
        carried = self.carried(graph)
        count = carried["count"] if self.dynamic else graph.integers(self.lstm.steps)
        more = graph.op("LESS", [carried["number"], count], "more", [], dtype="bool")
        graph.interface(list(carried.values()), [more])
        return graph

    def body(self) -> SubgraphBuilder:
        """One frame; its hidden state goes in at the end of the history, the oldest goes out."""
        lstm = self.lstm
        graph = lstm.graph.model.subgraph("frame")
        carried = self.carried(graph)
        number, hidden = carried["number"], carried["hidden"]
        weights = lstm.weights(graph, "recurrent_kernel", recurrent_kernel(lstm.lstm))
        index = graph.reshape(number, "index", [1], "int32")
        sums = [1, 4 * self.cells]
        frame = graph.op("GATHER", [carried["projected"], index], "frame", sums, axis=0)
        recurrence = product(graph, hidden, weights, _NO_BIAS, "recurrence", sums)
        gates = graph.op("ADD", [frame, recurrence], "gates", sums)
        states = lstm.cell(graph, "new", gates, carried["cell"])
        shown = states.hidden
        if self.lengths:
            states, shown = self.valid(graph, carried, States(carried["cell"], hidden), states)
        after = carried | {
            "number": graph.op("ADD", [number, graph.integers(1)], "next", [], dtype="int32"),
            "cell": states.cell,
            "hidden": states.hidden,
            "history": self.appended(graph, carried["history"], shown),
        }
        graph.interface(list(carried.values()), list(after.values()))
        return graph

    def appended(self, graph: SubgraphBuilder, history: int, hidden: int) -> int:
        """The history [frames, cells] without its first row, and a new last row."""
        steps = self.lstm.steps
        begin, strides = graph.integers([1, 0]), graph.integers([1, 1])
        rest = graph.op(
            "STRIDED_SLICE",
            [history, begin, graph.integers([0, 0]), strides],
            "rest",
            [steps - 1 if steps > 0 else -1, self.cells],
            # The ends are those of the history, whatever is written there.
            end_mask=3,
        )
        shape = [steps, self.cells]
        return graph.op("CONCATENATION", [rest, hidden], "new_history", shape, axis=0)

    def valid(
        self, graph: SubgraphBuilder, carried: dict[str, int], old: States, new: States
    ) -> tuple[States, int]:
        """The states, which padding leaves as they are, and the row, which is zero there."""
        valid = graph.op(
            "LESS", [carried["number"], carried["lengths"]], "is_valid", [1], dtype="bool"
        )
        zeros = graph.constant("zeros", np.zeros(self.lstm.shape))
        row, hidden, cell = (
            graph.op("SELECT", [valid, found, other], f"valid_{name}", self.lstm.shape)
            for name, found, other in (
                ("row", new.hidden, zeros),
                ("hidden", new.hidden, old.hidden),
                ("cell", new.cell, old.cell),
            )
        )
        return States(cell, hidden), row
