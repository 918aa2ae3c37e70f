"""The memory-mappable package (.pbmm): large constants beside the graph, ready to be mapped.

Layout, offsets counted from the start of the file: the tensors, each padded to a multiple of 64
bytes; the GraphDef, directly after the last tensor; a directory message that lists offset, name
and length of each region, the graph last; eight bytes with the offset of the directory.

A converted ``Const`` becomes an ``ImmutableConst`` with three attributes: dtype, shape and the name
of its region. Readers of TensorFlow 1 ignore the lengths and take each region to end where the next
one starts, so the elements stand in rising order of offset.

Source: ``tensorflow/core/util/memmapped_file_system.{h,cc,proto}``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dsconv.errors import ModelError
from dsconv.formats.graphdef import schema
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Chunk, Span, Storage

PREFIX = "memmapped_package://"
GRAPH_REGION = PREFIX + "."
# That of TensorFlow's allocator: its kernels take the mapped tensors where they lie.
ALIGNMENT = 64
MINIMUM_BYTES = 10_000
"""Smaller constants stay in the graph; the original tool's default."""

_FOOTER_BYTES = 8

_ELEMENT = schema.MemmappedFileSystemDirectory.number("element")
_OFFSET, _NAME, _LENGTH = schema.DirectoryElement.field_numbers("offset", "name", "length")


@dataclass(frozen=True)
class _Element:
    """An entry of the directory. `length` is None where the writer left it out."""

    name: str
    offset: int
    length: int | None


def read_directory(storage: Storage) -> dict[str, Span]:
    """The regions of a package by name, the graph among them.

    Raises ModelError if the storage is not a package or is damaged.
    """
    end = len(storage) - _FOOTER_BYTES
    if end < 0:
        raise ModelError("not a memory-mappable package: too short.")
    directory = int.from_bytes(storage.view[end:], "little")
    if directory >= end:
        raise ModelError("not a memory-mappable package: no directory at its end.")
    elements = list(_parse_elements(storage, directory, end))
    following = [element.offset for element in elements[1:]] + [directory]
    regions = {}
    for element, after in zip(elements, following, strict=True):
        stop = after if element.length is None else element.offset + element.length
        if not element.offset <= stop <= directory:
            raise ModelError(
                f"damaged: region '{element.name}' does not fit into the file; copy it again."
            )
        regions[element.name] = storage.span(element.offset, stop)
    if GRAPH_REGION not in regions:
        raise ModelError("damaged: the package holds no graph; copy it again.")
    return regions


def is_package(storage: Storage) -> bool:
    """Whether the bytes end in a package's directory."""
    try:
        return bool(read_directory(storage))
    except ModelError:
        return False


def region_tensor(node: Node, regions: Mapping[str, Span]) -> Tensor:
    """The value of an ImmutableConst. Raises ModelError if its region is missing or too short."""
    region = node.attribute("memory_region_name", bytes).decode()
    shape = node.shape() or ()
    tensor = Tensor(node.attribute("dtype", DataType), shape, regions.get(region), None)
    if tensor.content is None:
        raise ModelError(
            f"node '{node.name}': the package has no region '{region}'; copy it again."
        )
    # A region without a length in the directory reaches to the next one, padding included.
    if len(tensor.content) < tensor.nbytes:
        raise ModelError(
            f"node '{node.name}': its region '{region}' is too short; copy the file again."
        )
    content = tensor.content.storage.span(
        tensor.content.start, tensor.content.start + tensor.nbytes
    )
    return Tensor(tensor.dtype, shape, content, None)


class PackageWriter:
    """Lays out the regions of a package in the order in which they are added."""

    def __init__(self) -> None:
        self._elements: list[_Element] = []
        self._names: set[str] = set()
        self._end = 0

    def add_tensor(self, node_name: str, content: Chunk) -> tuple[str, list[Chunk]]:
        """Place a tensor. Return the name of its region and the bytes to append to the file."""
        region = PREFIX + re.sub(r"[^A-Za-z0-9_.]", "_", node_name)
        while region in self._names or region == GRAPH_REGION:
            region += "_"
        padding = bytes(-self._end % ALIGNMENT)
        self._end += len(padding)
        self._add(region, len(content))
        return region, [padding, content]

    def finish(self, graph: list[Chunk]) -> Iterator[Chunk]:
        """The bytes that close the file: graph, directory and footer."""
        self._add(GRAPH_REGION, sum(map(len, graph)))
        yield from graph
        for element in self._elements:
            yield from wire.nested(_ELEMENT, _encode_element(element))
        yield self._end.to_bytes(_FOOTER_BYTES, "little")

    def _add(self, region: str, length: int) -> None:
        self._names.add(region)
        self._elements.append(_Element(region, self._end, length))
        self._end += length


def _parse_elements(storage: Storage, start: int, end: int) -> Iterator[_Element]:
    for field in wire.fields(storage.view, start, end):
        if field.number != _ELEMENT or field.wire_type != wire.LENGTH_DELIMITED:
            raise ModelError("not a memory-mappable package: no directory at its end.")
        name, offset, length = "", 0, None
        for inner in wire.fields(storage.view, field.start, field.end):
            if inner.number == _OFFSET:
                offset = inner.value
            elif inner.number == _NAME:
                name = str(storage.view[inner.start : inner.end], "utf-8", "replace")
            elif inner.number == _LENGTH:
                length = inner.value
        if not name.startswith(PREFIX):
            raise ModelError("not a memory-mappable package: no directory at its end.")
        yield _Element(name, offset, length)


def _encode_element(element: _Element) -> list[Chunk]:
    """A directory entry; protocol buffers leave out a field that is 0."""
    offset = [wire.number(_OFFSET, element.offset)] if element.offset else []
    name = wire.nested(_NAME, [element.name.encode()])
    return [*offset, *name, wire.number(_LENGTH, element.length or 0)]
