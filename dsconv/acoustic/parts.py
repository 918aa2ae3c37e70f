"""Parts of an acoustic graph that can be found without recognising all of it.

Found by what feeds what; only the outputs have the names that the exporters gave them.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsconv.formats.graphdef.graph import CONSTANTS, Graph
from dsconv.formats.graphdef.node import Node

# Ops between the last weights and the scores.
_SCORE_OPS = ("Add", "AddV2", "BiasAdd", "Identity", "Reshape", "Softmax", "Transpose")


@dataclass(frozen=True)
class FrontEnd:
    """The nodes that make features from samples. The sample rate is in Hz."""

    spectrogram: Node
    mfcc: Node
    sample_rate: int | float


def find_front_end(graph: Graph) -> FrontEnd | None:
    """The front end of a graph, None if it takes features."""
    for node in graph:
        if node.op == "Mfcc":
            sources = [graph.source(name) for name in node.data_inputs]
            if [source.op for source in sources[:1]] != ["AudioSpectrogram"] or len(sources) != 2:
                continue
            rate = graph.tensor(sources[1]) if sources[1].op in CONSTANTS else None
            if rate is not None and rate.size == 1:
                return FrontEnd(sources[0], node, rate.numbers()[0])
    return None


def score_chain(graph: Graph, output: Node) -> list[Node]:
    """The nodes from the scores' output back to what makes the scores, usually a MatMul."""
    chain = [output]
    while chain[-1].op in _SCORE_OPS:
        chain.append(graph[chain[-1].data_inputs[0].node])
    return chain
