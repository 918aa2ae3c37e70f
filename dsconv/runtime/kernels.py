"""Which function computes a node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from dsconv.formats.graphdef.node import Node, TensorName
from dsconv.runtime.ops import OPS, Array, Op, unsupported
from dsconv.runtime.tensor_arrays import TENSOR_ARRAY_OPS

Values: TypeAlias = dict[str, tuple[Array, ...]]
"""The outputs of nodes that are evaluated, by the name of the node."""


def kernel(node: Node) -> Op:
    """The function of a node's op. Raises ConversionError for an op that is not known."""
    function = OPS.get(node.op) or TENSOR_ARRAY_OPS.get(node.op)
    if function is None:
        raise unsupported(node, "node")
    return function


def call(
    function: Op, node: Node, inputs: Iterable[TensorName], values: Values
) -> tuple[Array, ...]:
    """The outputs of a node, from those of the nodes before it."""
    result = function(node, *[values[name.node][name.output] for name in inputs])
    return result if isinstance(result, tuple) else (result,)
