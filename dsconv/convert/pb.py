"""The plain graph: the way back from a memory-mappable package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.convert.plan import Plan
from dsconv.convert.target import Target
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.write import write_graph
from dsconv.formats.output import new_file
from dsconv.formats.table import GRAPH

if TYPE_CHECKING:
    from dsconv.acoustic.source import Source
    from dsconv.convert.options import Options


class PbTarget(Target):
    """Mapped tensors move back into the graph as constants."""

    name = "pb"
    label = "frozen graph"
    suffix = GRAPH.suffix
    validated = False

    def plan(self, source: Source, options: Options) -> PbPlan:  # noqa: ARG002
        """Only a package has tensors to bring back. `details` counts the nodes that change."""
        if not source.graph.packaged:
            raise ConversionError("it is a frozen graph already, not a package; use it directly.")
        mapped = sum(node.op == "ImmutableConst" for node in source.graph)
        return PbPlan(self.name, source, details={"converted_nodes": mapped})


class PbPlan(Plan):
    """Writes the graph of a package."""

    def write(self, output: Path, *, force: bool) -> int:
        """Write the graph."""
        with new_file(output, force=force) as file:
            write_graph(file, self.source.graph)
            return file.tell()
