"""Evaluate a TensorFlow graph op by op in numpy.

The graph is walked as it is, with its variables and control dependencies, independent of what
dsconv recognises in it; so it can serve as the reference of what was built from that recognition.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dsconv.errors import ConversionError
from dsconv.graph.graph import CONSTANTS, Graph
from dsconv.graph.node import Node, TensorName
from dsconv.runtime.model import Tensors
from dsconv.runtime.ops import OPS, Array, unsupported

_VARIABLE = "VariableV2"


class Evaluator:
    """A graph with the values of its variables.

    Constants, and what is made of constants alone, are computed once.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._constants: dict[str, tuple[Array, ...]] = {}
        self._plans: dict[tuple[str, ...], list[Node]] = {}
        self._variables: dict[str, Array] = {}

    def run(self, feeds: Tensors, outputs: Iterable[str]) -> Tensors:
        """The values of `outputs` (names of nodes or tensors), after feeding inputs by name.

        Assignments that the outputs depend on take effect when the run is over; within it every
        node sees the variables as they were. Raises ConversionError for an op that is not known,
        and for an input that is not fed.
        """
        names = tuple(outputs)
        values = dict(self._constants)
        assigned: dict[str, Array] = {}
        for node in self._plan(names):
            if node.name in values:
                continue
            values[node.name] = self._evaluate(node, feeds, values, assigned)
            if self._is_constant(node):
                for array in values[node.name]:
                    array.setflags(write=False)
                self._constants[node.name] = values[node.name]
        self._variables.update(assigned)
        found = {}
        for name in names:
            tensor = TensorName.parse(name)
            found[name] = values[tensor.node][tensor.output] if values[tensor.node] else np.empty(0)
        return found

    def _evaluate(
        self,
        node: Node,
        feeds: Tensors,
        values: dict[str, tuple[Array, ...]],
        assigned: dict[str, Array],
    ) -> tuple[Array, ...]:
        if node.op == "Placeholder":
            if node.name not in feeds:
                raise ConversionError(f"input '{node.name}' is needed and was not fed.")
            return (feeds[node.name],)
        if node.op in CONSTANTS:
            # Arrays that are not aligned, as in most files, would be copied at each use.
            return (np.require(self._graph.tensor(node).array(), requirements="A"),)
        if node.op == "NoOp":
            return ()
        if node.op == _VARIABLE:
            return (self._variable(node),)
        if node.op == "Assign":
            variable, value = node.data_inputs
            assigned[variable.node] = values[value.node][value.output]
            return (assigned[variable.node],)
        if node.op not in OPS:
            raise unsupported(node, "node")
        inputs = [values[name.node][name.output] for name in node.data_inputs]
        result = OPS[node.op](node, *inputs)
        return result if isinstance(result, tuple) else (result,)

    def _variable(self, node: Node) -> Array:
        """A variable's value; one that was never assigned has none in TensorFlow either."""
        if node.name not in self._variables:
            raise ConversionError(
                f"variable '{node.name}' has no value; run the node that initializes it first."
            )
        return self._variables[node.name]

    def _plan(self, outputs: tuple[str, ...]) -> list[Node]:
        """The nodes that the outputs need, each behind what it needs itself."""
        if outputs not in self._plans:
            self._plans[outputs] = list(self._ordered(outputs))
        return self._plans[outputs]

    def _ordered(self, outputs: tuple[str, ...]) -> Iterable[Node]:
        done: set[str] = set()
        path: set[str] = set()
        waiting = [(TensorName.parse(name).node, False) for name in reversed(outputs)]
        while waiting:
            name, ready = waiting.pop()
            node = self._graph[name]
            if ready:
                path.discard(name)
                done.add(name)
                yield node
            elif name not in done:
                if name in path:
                    raise unsupported(node, "in a loop")
                path.add(name)
                waiting.append((name, True))
                waiting.extend(
                    (source, False) for source in self._sources(node) if source not in done
                )

    def _sources(self, node: Node) -> list[str]:
        """What a node needs first; an Assign needs no value of the variable that it sets."""
        inputs = node.inputs[1:] if node.op == "Assign" else node.inputs
        return [TensorName.parse(name).node for name in inputs]

    def _is_constant(self, node: Node) -> bool:
        if node.op in CONSTANTS:
            return True
        if node.op in ("Assign", "NoOp", "Placeholder", _VARIABLE) or not node.inputs:
            return False
        return all(TensorName.parse(name).node in self._constants for name in node.inputs)
