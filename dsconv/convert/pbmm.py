"""The memory-mappable package that the original runtimes map into memory instead of reading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.convert.plan import Plan
from dsconv.convert.target import Target
from dsconv.errors import ConversionError
from dsconv.formats.graphdef import package
from dsconv.formats.graphdef.frozen import why_not_frozen
from dsconv.formats.graphdef.graph import NODE, Graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.write import immutable_constant
from dsconv.formats.output import new_file
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Chunk, write_chunks
from dsconv.formats.table import PACKAGE

if TYPE_CHECKING:
    from dsconv.acoustic.source import Source
    from dsconv.convert.options import Options


class PbmmTarget(Target):
    """Large constants move out of the graph, where they can be mapped."""

    name = "pbmm"
    label = "memory-mappable graph"
    suffix = PACKAGE.suffix

    def plan(self, source: Source, options: Options) -> PbmmPlan:  # noqa: ARG002
        """A graph with nothing to move stays a .pb. `details` counts the nodes that change."""
        graph = source.graph
        if graph.packaged:
            raise ConversionError("it is memory-mappable already; use it as it is.")
        if reason := why_not_frozen(graph):
            raise ConversionError(reason)
        large = sum(_is_large(graph, node) for node in graph)
        if not large:
            raise ConversionError(
                "0 nodes converted: it holds no constant of "
                f"{package.MINIMUM_BYTES:,} bytes or more, so there is nothing to map; "
                "use the .pb as it is."
            )
        return PbmmPlan(self.name, source, details={"converted_nodes": large})


class PbmmPlan(Plan):
    """Writes a package of a graph."""

    def write(self, output: Path, *, force: bool) -> int:
        """Write the package."""
        with new_file(output, force=force) as file:
            write_chunks(file, package_chunks(self.source.graph))
            return file.tell()

    def notes(self, output: Path) -> tuple[str, ...]:
        """The original runtimes tell a package by its name."""
        if ".pbmm" in str(output):
            return ()
        return (
            "the original runtimes map only files with .pbmm in their path; rename it for them.",
        )


def package_chunks(graph: Graph) -> Iterator[Chunk]:
    """The package's bytes; tensors pass from the graph's file to the output."""
    writer = package.PackageWriter()
    nodes: list[Chunk] = []
    for node in graph:
        if _is_large(graph, node):
            tensor = graph.tensor(node)
            region, chunks = writer.add_tensor(node.name, tensor.raw())
            yield from chunks
            node = immutable_constant(node, tensor, region)
        nodes.extend(wire.nested(NODE, [node.span]))
    yield from writer.finish([*nodes, *graph.rest])


def _is_large(graph: Graph, node: Node) -> bool:
    """Whether the original tool converts this node: a constant of plain numbers, large enough."""
    if node.op != "Const":
        return False
    tensor = graph.tensor(node)
    return tensor.dtype.itemsize is not None and tensor.nbytes >= package.MINIMUM_BYTES
