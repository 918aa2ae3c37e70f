"""BlockLSTM in ops that every toolkit knows.

No toolkit's own way is exact for all graphs: one has none, others make a slow loop. Where the
number of steps is fixed, each step is written down on its own, with what the inputs contribute
multiplied for all steps at once.

Source: ``tensorflow/core/kernels/rnn/lstm_ops.cc``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ConversionError
from dsconv.graph.dtypes import DataType
from dsconv.graph.edit import rewired, unused_name
from dsconv.graph.graph import CONSTANTS, Graph
from dsconv.graph.node import Node, TensorName
from dsconv.graph.write import new_constant, new_node
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.model import TensorSpec

OP = "BlockLSTM"
_FLOAT = DataType.FLOAT
# The results for all steps, in the order of the op's outputs.
_RESULTS = ("i", "cs", "f", "o", "ci", "co", "h")


def lowered(graph: Graph, inputs: Iterable[TensorSpec]) -> Graph:
    """The graph with each BlockLSTM unrolled; the same graph if it has none.

    Raises ConversionError for peepholes, for weights that are computed, for any number of steps.
    """
    for node in [node for node in graph if node.op == OP]:
        graph = _without(graph, node, tuple(inputs))
    return graph


def _without(graph: Graph, node: Node, inputs: tuple[TensorSpec, ...]) -> Graph:
    unrolled = _Unrolled(graph, node, _shape_of_input(graph, node, inputs))
    nodes: list[Node] = []
    for other in graph:
        if other is node:
            nodes.extend(unrolled.nodes)
            continue
        for output, name in unrolled.results.items():
            other = rewired(other, TensorName(node.name, output, False), name)
        nodes.append(other)
    return graph.replacing(nodes)


def _refused(node: Node, what: str) -> ConversionError:
    return ConversionError(f"'{node.name}' ({OP}) {what}.")


def _shape_of_input(graph: Graph, node: Node, inputs: tuple[TensorSpec, ...]) -> tuple[int, ...]:
    """The sizes [steps, batch, inputs] of what an LSTM takes, found by computing that of zeros."""
    if any(size < 0 for spec in inputs for size in spec.shape or ()):
        raise _refused(
            node,
            "runs a fixed number of steps in what the toolkits convert; pass --n-steps 16, or the "
            "sizes of all inputs with --input-shape",
        )
    feeds = {spec.name: np.zeros(spec.shape or (), spec.dtype) for spec in inputs}
    name = str(node.data_inputs[1])
    try:
        found = Evaluator(graph).run(feeds, [name])[name].shape
    except ConversionError as error:
        raise _refused(node, f"takes an input whose size is not known ({error})") from error
    if len(found) != 3:
        raise _refused(node, f"takes an input of shape {list(found)}, not [steps, batch, inputs]")
    return found


class _Unrolled:
    """The nodes in the place of an LSTM; `results` are their names by the LSTM's outputs."""

    def __init__(self, graph: Graph, node: Node, shape: tuple[int, ...]) -> None:
        self._graph, self._node = graph, node
        self._scope = unused_name(graph, f"{node.name}/unrolled")
        self._steps, self._batch, self._inputs = shape
        self.nodes: list[Node] = []
        self.results: dict[int, str] = {}
        self._check()
        self._unroll()

    def _check(self) -> None:
        """Refuse what is not computed here."""
        node = self._node
        if len(node.data_inputs) != 9:
            raise _refused(node, f"has {len(node.data_inputs)} inputs and not 9")
        if len(node.inputs) != 9:
            raise _refused(node, "waits for other nodes")
        if node.attribute("T", DataType) is not _FLOAT:
            raise _refused(node, "does not compute in float32")
        if node.attributes.get("use_peephole", False) is not False:
            raise _refused(node, "has peephole weights, which dsconv does not convert")

    def _unroll(self) -> None:
        node = self._node
        length, x, c, h = (str(name) for name in node.data_inputs[:4])
        wanted = self._wanted_outputs()
        valid = self._valid_steps()
        gates = self._gates_of_inputs(x)
        rows: dict[int, list[str]] = {output: [] for output in wanted}
        for step in range(self._steps if valid is None else min(valid, self._steps)):
            values = self._step(f"{self._scope}/step_{step}", f"{gates}:{step}", c, h)
            c, h = values["cs"], values["h"]
            for output, names in rows.items():
                names.append(values[_RESULTS[output]])
        mask = self._mask(length) if valid is None else None
        for output, names in rows.items():
            self.results[output] = self._packed(_RESULTS[output], names, mask)

    def _wanted_outputs(self) -> list[int]:
        """The outputs of the LSTM that something takes."""
        users = self._graph.consumers[self._node.name]
        taken = [name for user in users for name in user.data_inputs]
        return sorted({name.output for name in taken if name.node == self._node.name})

    def _valid_steps(self) -> int | None:
        """The number of steps that are run if it is a constant; the others give zeros."""
        name = self._node.data_inputs[0]
        source = self._graph.source(name)
        while source.op == "Cast":
            source = self._graph.source(source.data_inputs[0])
        if source.op not in CONSTANTS:
            return None
        return int(self._graph.tensor(source).numbers()[0])

    def _gates_of_inputs(self, x: str) -> str:
        """What the inputs contribute to the gates, [batch, 4 * cells] for each step."""
        kernel, bias = self._constant(4, "weights"), self._constant(8, "biases")
        cells = bias.size // 4
        if kernel.shape != (self._inputs + cells, 4 * cells) or bias.shape != (4 * cells,):
            raise _refused(
                self._node, f"has weights of shape {list(kernel.shape)}, which do not fit"
            )
        bias = bias.copy()
        bias[2 * cells : 3 * cells] += np.float32(self._number("forget_bias"))
        flat = self._op(
            "Reshape",
            "rows",
            [x, self._integers("rows/shape", [-1, self._inputs])],
            Tshape=DataType.INT32,
        )
        weights = self._values("input_weights", kernel[: self._inputs])
        self._values("weights", kernel[self._inputs :])
        product = self._op(
            "MatMul", "inputs", [flat, weights], transpose_a=False, transpose_b=False
        )
        summed = self._op("Add", "gates", [product, self._values("bias", bias)])
        self._integers("axis", 1)
        if clip := max(0.0, self._number("cell_clip")):
            self._values("clip", np.float32(clip))
            self._values("clip/negative", np.float32(-clip))
        first = self._integers("first", 0)
        return self._op("Split", "steps", [first, summed], num_split=self._steps)

    def _step(self, scope: str, gates: str, c: str, h: str) -> dict[str, str]:
        """One step; the names of its results."""

        def op(kind: str, name: str, *inputs: str, **attributes: Any) -> str:
            return self._op(kind, f"{name}", list(inputs), scope=scope, **attributes)

        kept = op(
            "MatMul", "kept", h, f"{self._scope}/weights", transpose_a=False, transpose_b=False
        )
        summed = op("Add", "gates", gates, kept)
        split = op("Split", "split", f"{self._scope}/axis", summed, num_split=4)
        i, f, o = (
            op("Sigmoid", name, f"{split}:{place}")
            for name, place in (("i", 0), ("f", 2), ("o", 3))
        )
        ci = op("Tanh", "ci", f"{split}:1")
        new = op("Add", "cs", op("Mul", "new", ci, i), op("Mul", "old", c, f))
        if self._number("cell_clip") > 0:
            least = op("Maximum", "cs/least", new, f"{self._scope}/clip/negative")
            new = op("Minimum", "cs/most", least, f"{self._scope}/clip")
        co = op("Tanh", "co", new)
        return {"i": i, "cs": new, "f": f, "o": o, "ci": ci, "co": co, "h": op("Mul", "h", co, o)}

    def _mask(self, length: str) -> str:
        """1 for each step that is run, [steps, 1, 1]; the others give zeros."""
        numbers = self._values("numbers", np.arange(self._steps, dtype=np.int64).reshape(-1, 1, 1))
        less = self._op("Less", "valid", [numbers, length], T=DataType.INT64)
        types = {"SrcT": DataType.BOOL, "DstT": _FLOAT, "Truncate": False}
        return self._add(new_node(f"{self._scope}/mask", "Cast", [less], types))

    def _packed(self, name: str, rows: list[str], mask: str | None) -> str:
        """A result of all steps, [steps, batch, cells]."""
        missing = self._steps - len(rows)
        if missing:
            cells = self._constant(8, "biases").size // 4
            zeros = self._values(f"{name}/zeros", np.zeros((self._batch, cells), np.float32))
            rows = [*rows, *[zeros] * missing]
        packed = self._op("Pack", name, rows, N=self._steps, axis=0)
        return packed if mask is None else self._op("Mul", f"{name}/masked", [packed, mask])

    def _constant(self, place: int, what: str) -> NDArray[np.float32]:
        found = self._graph.constant(self._node.data_inputs[place])
        if found is None or found.dtype is not _FLOAT:
            raise _refused(self._node, f"has {what} that are no constants of float32")
        return np.asarray(found.array(), np.float32)

    def _number(self, key: str) -> float:
        return self._node.attribute(key, float)

    def _op(
        self, kind: str, name: str, inputs: list[str], *, scope: str = "", **attributes: Any
    ) -> str:
        full = f"{scope or self._scope}/{name}"
        return self._add(new_node(full, kind, inputs, {"T": _FLOAT, **attributes}))

    def _values(self, name: str, values: Any) -> str:
        return self._add(new_constant(f"{self._scope}/{name}", np.ascontiguousarray(values)))

    def _integers(self, name: str, values: Any) -> str:
        return self._add(new_constant(f"{self._scope}/{name}", np.array(values, np.int32)))

    def _add(self, node: Node) -> str:
        self.nodes.append(node)
        return node.name
