"""Functions of a graph's library, such as the condition and the body of a loop.

A node in a function names what it takes in full, the op's output included: ``split:output:1`` is
the second tensor of the node ``split``. The function's own inputs have plain names.

Source: ``tensorflow/core/framework/function.proto``, ``op_def.proto``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dsconv.formats.graphdef import messages
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import LIBRARY, Graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.protobuf import wire


def new_function(
    name: str,
    inputs: Mapping[str, DataType],
    nodes: Iterable[Node],
    results: Mapping[str, tuple[DataType, str]],
) -> Any:
    """A FunctionDef; `results` are the types and tensors that it returns, by their names."""
    signature = messages.OpDef(name=name)
    for key, dtype in inputs.items():
        signature.input_arg.add(name=key, type=dtype)
    function = messages.FunctionDef()
    for key, (dtype, tensor) in results.items():
        signature.output_arg.add(name=key, type=dtype)
        function.ret.add(key=key, value=tensor)
    function.signature.CopyFrom(signature)
    for node in nodes:
        function.node_def.append(messages.NodeDef.FromString(bytes(node.span.view)))
    return function


def with_functions(graph: Graph, functions: Iterable[Any]) -> Graph:
    """The same graph with more functions in its library."""
    library = messages.FunctionDefLibrary(function=list(functions)).SerializeToString()
    # A message that comes twice is merged.
    return Graph(graph.nodes, [*graph.rest, *wire.nested(LIBRARY, [library])], graph.regions)
