"""Evaluate a TensorFlow graph op by op in numpy.

The graph is walked as it is, with its variables, loops and control dependencies, independent of
what dsconv recognises in it; so it can serve as the reference of what was built from that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.graph import CONSTANTS, Graph
from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.runtime.loops import Loop, find_loops
from dsconv.runtime.model import Tensors
from dsconv.runtime.nodes import Values, compute, in_order, kernel, source_names
from dsconv.runtime.ops import Array

_VARIABLE = "VariableV2"
# What gives something else in each run, whatever it takes.
_CHANGING = ("Assign", "NoOp", "Placeholder", "TensorArrayV3", _VARIABLE)


class _Order(NamedTuple):
    """The nodes of a run in order, and the loops by the names of their Exits."""

    nodes: list[Node]
    loops: Mapping[str, Loop]


class Evaluator:
    """A graph with the values of its variables.

    Constants, and what is made of constants alone, are computed once.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._constants: Values = {}
        self._orders: dict[tuple[str, ...], _Order] = {}
        self._variables: dict[str, Array] = {}

    def run(self, feeds: Tensors, outputs: Iterable[str]) -> Tensors:
        """The values of `outputs` (names of nodes or tensors), after feeding inputs by name.

        Assignments that the outputs depend on take effect when the run is over; within it every
        node sees the variables as they were. Raises ConversionError for an op or a loop that is not
        known, for an input that is not fed, and where an Assert of the graph does not hold.
        """
        names = tuple(outputs)
        values = dict(self._constants)
        assigned: dict[str, Array] = {}
        order = self._order(names)
        for node in order.nodes:
            if node.name in values:
                continue
            if node.name in order.loops:
                values |= order.loops[node.name].run(values)
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
        values: Values,
        assigned: dict[str, Array],
    ) -> tuple[Array, ...]:
        if node.op == "Placeholder":
            if node.name not in feeds:
                raise ConversionError(f"input '{node.name}' is missing; feed it.")
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
        return compute(kernel(node), node, node.data_inputs, values)

    def _variable(self, node: Node) -> Array:
        """A variable's value; one that was never assigned has none in TensorFlow either."""
        if node.name not in self._variables:
            raise ConversionError(
                f"variable '{node.name}' has no value; run the node that initializes it first."
            )
        return self._variables[node.name]

    def _order(self, outputs: tuple[str, ...]) -> _Order:
        """The nodes that the outputs need, each after what it needs itself."""
        if outputs not in self._orders:
            names = source_names(outputs)
            loops = find_loops(self._graph, names)
            exits = {name: loop for loop in loops for name in loop.exits}
            inside = {name for loop in loops for name in loop.constants}

            def sources(node: Node) -> Iterable[str]:
                if node.name in exits:
                    return exits[node.name].sources
                return () if node.name in inside else _sources(node)

            self._orders[outputs] = _Order(list(in_order(self._graph, names, sources)), exits)
        return self._orders[outputs]

    def _is_constant(self, node: Node) -> bool:
        if node.op in CONSTANTS:
            return True
        if node.op in _CHANGING or not node.inputs:
            return False
        return all(TensorName.parse(name).node in self._constants for name in node.inputs)


def _sources(node: Node) -> list[str]:
    """What a node needs first; an Assign needs no value of the variable that it sets."""
    return source_names(node.inputs[1:] if node.op == "Assign" else node.inputs)
