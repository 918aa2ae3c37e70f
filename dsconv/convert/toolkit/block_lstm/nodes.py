"""New nodes of a graph, or of a function of its library."""

from __future__ import annotations

from typing import Any

import numpy as np

from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.write import new_constant, new_node


class Nodes:
    """Nodes under one scope of a graph. Each method gives the name of the new node's result."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.made: list[Node] = []

    def op(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        """An op whose type T is float32, if the attributes do not say otherwise."""
        return self.other(kind, name, *inputs, **{"T": DataType.FLOAT, **attributes})

    def other(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        """An op that has just these attributes."""
        return self._add(new_node(self._full(name), kind, inputs, attributes))

    def values(self, name: str, values: Any) -> str:
        """A constant of the type of its values."""
        return self._add(new_constant(self._full(name), np.ascontiguousarray(values)))

    def integers(self, name: str, values: Any) -> str:
        """A constant of type int32."""
        return self._add(new_constant(self._full(name), np.array(values, np.int32)))

    def result(self, first: str, index: int) -> str:
        """Another of the results of a node, given the first."""
        return f"{first}:{index}"

    def _full(self, name: str) -> str:
        return f"{self.scope}/{name}"

    def _add(self, node: Node) -> str:
        self.made.append(node)
        return node.name


class FunctionNodes(Nodes):
    """Nodes of a function, which are named by the op's outputs as well.

    The scope stands before these names too: converters put functions into the graph that calls
    them.
    """

    def result(self, first: str, index: int) -> str:
        """Another of the results of a node, given the first."""
        return f"{first.rpartition(':')[0]}:{index}"

    def _add(self, node: Node) -> str:
        return f"{super()._add(node)}:{_OUTPUTS[node.op]}:0"


# The names of the ops' outputs, as TensorFlow registers them.
_OUTPUTS = {
    "Add": "z",
    "Const": "output",
    "Less": "z",
    "MatMul": "product",
    "Maximum": "z",
    "Minimum": "z",
    "Mul": "z",
    "Sigmoid": "y",
    "Split": "output",
    "Tanh": "y",
    "TensorListGetItem": "item",
    "TensorListSetItem": "output_handle",
}
