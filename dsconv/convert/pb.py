"""The plain graph: the way back from a memory-mappable package."""

import time

from dsconv.convert.options import Options
from dsconv.convert.target import Conversion, Job, SingleFile
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import write_graph
from dsconv.formats.output import new_file
from dsconv.formats.table import GRAPH


class PbTarget(SingleFile):
    """Mapped tensors move back into the graph as constants."""

    name = "pb"
    label = "frozen graph"
    suffix = GRAPH.suffix
    toolkit = None
    validated = False

    def check(self, graph: Graph, options: Options) -> None:  # noqa: ARG002
        """Only a package has tensors to bring back."""
        if not graph.packaged:
            raise ConversionError("it is a plain graph already; use it as it is.")

    def convert(self, job: Job) -> Conversion:
        """Write the graph. `details` counts the nodes that were converted."""
        start = time.perf_counter()
        converted = sum(node.op == "ImmutableConst" for node in job.graph)
        with new_file(job.output, force=job.force) as file:
            write_graph(file, job.graph)
            size = file.tell()
        seconds = time.perf_counter() - start
        return Conversion(
            self.name, job.source, job.output, size, seconds, {"converted_nodes": converted}
        )
