"""What a graph shows without being recognised whole: its LSTM, its states, its scores.

Found by what feeds what; only the outputs have the names that the exporters gave them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from dsconv.formats.graphdef.graph import VARIABLES, Graph
from dsconv.formats.graphdef.node import Node

States: TypeAlias = Literal["none", "variables", "inputs and outputs"]
"""Where the states of an LSTM are kept between two calls."""

# Ops between the last weights and the scores.
_SCORE_OPS = ("Add", "AddV2", "BiasAdd", "Identity", "Reshape", "Softmax", "Transpose")


def block_lstm(graph: Graph) -> Node | None:
    """The node of the LSTM of a streaming network; None where the graph has no such."""
    return next((node for node in graph if node.op == "BlockLSTM"), None)


def loop_kernels(graph: Graph) -> list[Node]:
    """The kernels of the LSTM cells that run in while loops: what a split into four comes from."""
    kernels = []
    for split in graph:
        if split.op == "Split" and split.attributes.get("num_split") == 4:
            biased = graph.source(split.data_inputs[1])
            if biased.op != "BiasAdd":
                continue
            product = graph.source(biased.data_inputs[0])
            if product.op != "MatMul":
                continue
            kernel = graph[product.data_inputs[1].node]
            while kernel.op in ("Enter", "Identity"):
                kernel = graph[kernel.data_inputs[0].node]
            kernels.append(kernel)
    return kernels


def states_of(graph: Graph) -> States:
    """Where the states of the graph's LSTM are kept."""
    lstm = block_lstm(graph)
    source = graph.source(lstm.data_inputs[2]) if lstm else None
    if source is not None and source.op == "Placeholder":
        return "inputs and outputs"
    return "variables" if source is not None and source.op in VARIABLES else "none"


def score_chain(graph: Graph, output: Node) -> list[Node]:
    """The nodes from the scores' output back to what makes the scores, usually a MatMul."""
    chain = [output]
    while chain[-1].op in _SCORE_OPS:
        chain.append(graph[chain[-1].data_inputs[0].node])
    return chain
