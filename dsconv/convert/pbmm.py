"""The memory-mappable package that the original runtimes map into memory instead of reading."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dsconv.convert.options import Options
from dsconv.convert.target import Conversion, Job, SingleFile
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


class PbmmTarget(SingleFile):
    """Large constants move out of the graph, where they can be mapped."""

    name = "pbmm"
    label = "memory-mappable graph"
    suffix = PACKAGE.suffix
    toolkit = None
    validated = True

    def check(self, graph: Graph, options: Options) -> None:  # noqa: ARG002
        """A graph with nothing to move stays a .pb."""
        if graph.packaged:
            raise ConversionError("it is memory-mappable already; use it as it is.")
        if reason := why_not_frozen(graph):
            raise ConversionError(reason)
        if not any(_is_large(graph, node) for node in graph):
            raise ConversionError(
                "0 nodes converted: it holds no constant of "
                f"{package.MINIMUM_BYTES:,} bytes or more, so there is nothing to map; "
                "use the .pb as it is."
            )

    def convert(self, job: Job) -> Conversion:
        """Write the package. `details` counts the nodes that were converted."""
        start = time.perf_counter()
        graph, output = job.graph, job.output
        notes = []
        if ".pbmm" not in str(output):
            notes.append(
                "the original runtimes map only files with .pbmm in their path; rename it for them."
            )
        converted = sum(_is_large(graph, node) for node in graph)
        with new_file(output, force=job.force) as file:
            write_chunks(file, package_chunks(graph))
            size = file.tell()
        seconds = time.perf_counter() - start
        details: dict[str, int | str] = {"converted_nodes": converted}
        return Conversion(self.name, job.source, output, size, seconds, details, tuple(notes))


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
