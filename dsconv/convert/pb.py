"""The plain graph: the way back from a memory-mappable package."""

import time
from pathlib import Path

from dsconv.convert.target import Conversion
from dsconv.graph.graph import Graph
from dsconv.graph.write import write_graph
from dsconv.output import new_file


class PbTarget:
    """Mapped tensors move back into the graph as constants."""

    name = "pb"
    label = "frozen graph"
    suffix = ".pb"

    def refusal(self, graph: Graph) -> str | None:
        """Only a package has tensors to bring back."""
        return None if graph.packaged else "it is a plain graph already; use it as it is."

    def convert(self, graph: Graph, source: Path, output: Path, *, force: bool) -> Conversion:
        """Write the graph. `details` counts the nodes that were converted."""
        start = time.perf_counter()
        counts = {"converted_nodes": sum(node.op == "ImmutableConst" for node in graph)}
        with new_file(output, force=force) as file:
            write_graph(file, graph)
            size = file.tell()
        seconds = time.perf_counter() - start
        return Conversion(self.name, source, output, size, seconds, counts)
