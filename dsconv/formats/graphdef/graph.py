"""A GraphDef, read lazily over the mapped file.

Opening a graph walks the names of its nodes; tensors stay on disk until someone asks for their
values. An edited graph is a new `Graph` that shares the untouched nodes with the old one.

Source: ``tensorflow/core/framework/graph.proto``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from dsconv.errors import ConversionError, ModelError, about
from dsconv.formats.content import Content
from dsconv.formats.graphdef import package, schema
from dsconv.formats.graphdef.node import Node, TensorName, parse_node
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.formats.identify import describe, identify
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Chunk, Span
from dsconv.formats.table import GRAPH, PACKAGE

CONSTANTS = ("Const", "ImmutableConst")
"""Ops that hold a value: in the graph itself, or in a region of the memory-mappable package."""

VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
"""Ops that hold a variable: the older ones by reference, the newest one as a resource."""

NO_RESULTS = ("Assert", "NoOp")
"""Ops that compute nothing: they check others, or order them."""


NODE, LIBRARY, VERSIONS = schema.GraphDef.field_numbers("node", "library", "versions")
"""The numbers of a GraphDef's fields."""


class Graph:
    """Nodes in file order, also by name.

    `rest` holds the graph's other fields (library, versions) as they are serialized; `regions` the
    tensors of a memory-mappable package by region name, None for a plain graph.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        rest: Iterable[Chunk] = (),
        regions: Mapping[str, Span] | None = None,
    ) -> None:
        self.nodes = tuple(nodes)
        self.rest = tuple(rest)
        self.regions = regions
        self._by_name = {node.name: node for node in self.nodes}
        if len(self._by_name) != len(self.nodes):
            raise ModelError("two nodes have the same name; the graph is damaged.")

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Node:
        """The node of that name. Raises ConversionError if there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            raise ConversionError(
                f"the graph has no node '{name}'; `dsconv inspect` lists its inputs and outputs."
            ) from None

    @property
    def packaged(self) -> bool:
        """Whether the tensors stand in a memory-mappable package, outside the graph."""
        return self.regions is not None

    def replacing(self, nodes: Iterable[Node]) -> Graph:
        """The same graph with other nodes."""
        return Graph(nodes, self.rest, self.regions)

    def tensor(self, node: Node) -> Tensor:
        """The value of a constant. Raises ModelError if the node is no constant."""
        if node.op == "ImmutableConst":
            return package.region_tensor(node, self.regions or {})
        if node.op == "Const":
            try:
                return node.attribute("value", Tensor)
            except ModelError as error:
                raise ModelError(f"node '{node.name}': {error}") from error
        raise ModelError(f"node '{node.name}' is a {node.op}, not a constant.")

    @cached_property
    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that take any output of a node, control dependencies included, by its name."""
        users: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for source in {TensorName.parse(name).node for name in node.inputs}:
                if source in users:
                    users[source].append(node)
        return users

    def downstream(self, starts: Iterable[Node]) -> dict[str, Node]:
        """The nodes that any of the nodes reaches, by name."""
        seen: dict[str, Node] = {}
        waiting = [user for node in starts for user in self.consumers[node.name]]
        while waiting:
            node = waiting.pop()
            if node.name not in seen:
                seen[node.name] = node
                waiting.extend(self.consumers[node.name])
        return seen

    def source(self, name: TensorName | str) -> Node:
        """The node that makes a tensor, seen through Identity nodes."""
        return self.origin(name)[0]

    def origin(self, name: TensorName | str) -> tuple[Node, int]:
        """The node that makes a tensor and which of its outputs, seen through Identity nodes.

        Raises ModelError if the Identity nodes lead nowhere.
        """
        found = name if isinstance(name, TensorName) else TensorName.parse(name)
        for _ in self.nodes:
            node = self[found.node]
            if node.op != "Identity" or not node.data_inputs:
                return node, found.output
            found = node.data_inputs[0]
        raise ModelError(f"'{found.node}' takes its own output; the graph is damaged.")

    def constant(self, name: TensorName | str) -> Tensor | None:
        """The value of a tensor if it is a constant, seen through Identity nodes, else None."""
        node = self.source(name)
        return self.tensor(node) if node.op in CONSTANTS else None


def open_graph(path: str | os.PathLike[str]) -> Graph:
    """Open a frozen graph, plain (.pb) or memory-mappable (.pbmm), told apart by content.

    Raises ModelError if the file is anything else, and says what it is.
    """
    return read_graph(Content.of(Path(path)))


def read_graph(content: Content) -> Graph:
    """The graph in a file that is open already. Raises ModelError as `open_graph` does."""
    path, found, storage = content.path, identify(content), content.storage
    if found not in (GRAPH, PACKAGE) or storage is None:
        raise ModelError(describe(path, found))
    with about(path):
        if found is PACKAGE:
            regions = package.read_directory(storage)
            return parse_graph(regions.pop(package.GRAPH_REGION), regions)
        return parse_graph(storage.span(0, len(storage)))


def parse_graph(span: Span, regions: Mapping[str, Span] | None = None) -> Graph:
    """Read a serialized GraphDef."""
    nodes: list[Node] = []
    rest: list[Chunk] = []
    for field in wire.fields(span.storage.view, span.start, span.end):
        if field.number == NODE:
            nodes.append(parse_node(span.storage.span(field.start, field.end)))
        elif field.wire_type == wire.LENGTH_DELIMITED:
            rest.extend(wire.nested(field.number, [span.storage.span(field.start, field.end)]))
        else:
            key = wire.key(field.number, field.wire_type)
            rest.extend([key, span.storage.span(field.start, field.end)])
    return Graph(nodes, rest, regions)
