"""Inspect an ONNX model, without the onnx package.

Source: the field numbers of ``onnx.proto``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from dsconv.acoustic.metadata import Metadata
from dsconv.digest import Digest
from dsconv.graph import wire
from dsconv.graph.identify import FileFormat
from dsconv.graph.storage import Span, Storage
from dsconv.inspect.converted import ConvertedFile, inspection_of
from dsconv.inspect.report import Inspection, TensorInfo, WeightInfo
from dsconv.inspect.runtimes import NO_ORIGINAL_RUNTIME

# TensorProto.DataType: the name and the bytes of an element.
_TYPES = {
    1: ("float32", 4),
    2: ("uint8", 1),
    3: ("int8", 1),
    5: ("int16", 2),
    6: ("int32", 4),
    7: ("int64", 8),
    8: ("string", 0),
    9: ("bool", 1),
    10: ("float16", 2),
    11: ("float64", 8),
    16: ("bfloat16", 2),
}
_FEW_ELEMENTS = 8


def inspect_onnx(path: Path, found: FileFormat, digest: Digest) -> Inspection:
    """Inspect a file that was found to be ONNX. Raises ModelError if it is damaged."""
    storage = Storage.of_file(path)
    file = ConvertedFile()
    properties: dict[str, str] = {}
    producer = ["", ""]
    for number, span in _messages(storage.span(0, len(storage))):
        if number in (2, 3):
            producer[number - 2] = _text(span)
        elif number == 7:
            _read_graph(span, file)
        elif number == 14:
            properties |= [_entry(span)]
    file.produced_by = " ".join(producer).strip() or None
    file.metadata = Metadata.from_text(properties)
    file.source_sha256 = properties.get("source_sha256")
    return inspection_of(path, found, digest, file, NO_ORIGINAL_RUNTIME)


def _read_graph(graph: Span, file: ConvertedFile) -> None:
    """Nodes (1), initializers (5), inputs (11) and outputs (12) of a GraphProto."""
    for number, span in _messages(graph):
        if number == 1:
            file.ops[next(_text(part) for key, part in _messages(span) if key == 4)] += 1
        elif number == 5:
            weight = _initializer(span)
            if weight.parameters >= _FEW_ELEMENTS:
                file.weights.append(weight)
        elif number in (11, 12):
            (file.inputs if number == 11 else file.outputs).append(_value(span))


def _initializer(span: Span) -> WeightInfo:
    """Dims (1), data type (2) and name (8) of a TensorProto."""
    shape: list[int] = []
    kind, name = 0, ""
    view = span.storage.view
    for part in wire.fields(view, span.start, span.end):
        if part.number == 1:
            shape += _varints(view, part)
        elif part.number == 2:
            kind = part.value
        elif part.number == 8:
            name = str(view[part.start : part.end], "utf-8", "replace")
    dtype, size = _TYPES.get(kind, ("?", 0))
    count = math.prod(shape)
    return WeightInfo(name, dtype, shape, count, count * size)


def _varints(view: memoryview, part: wire.Field) -> Iterator[int]:
    """A repeated integer, packed or not."""
    if part.wire_type == wire.VARINT:
        yield part.value
        return
    position = part.start
    while position < part.end:
        value, position = wire.read_varint(view, position, part.end)
        yield value


def _value(span: Span) -> TensorInfo:
    """Name (1) and type (2) of a ValueInfoProto; sizes that are names are open."""
    name, kind, shape = "", 0, None
    for number, part in _messages(span):
        if number == 1:
            name = _text(part)
        elif number == 2:
            for key, tensor in _messages(part):
                if key == 1:
                    kind, shape = _tensor_type(tensor)
    return TensorInfo(name, _TYPES.get(kind, ("?", 0))[0], shape)


def _tensor_type(span: Span) -> tuple[int, list[int] | None]:
    """Element type (1) and shape (2) of a TypeProto.Tensor."""
    kind, shape = 0, None
    for part in wire.fields(span.storage.view, span.start, span.end):
        if part.number == 1:
            kind = part.value
        elif part.number == 2:
            dims = _messages(span.storage.span(part.start, part.end))
            shape = [_size(dim) for number, dim in dims if number == 1]
    return kind, shape


def _size(span: Span) -> int:
    """The value (1) of a dimension, -1 for a name."""
    fields = wire.fields(span.storage.view, span.start, span.end)
    return next((wire.signed(part.value) for part in fields if part.number == 1), -1)


def _entry(span: Span) -> tuple[str, str]:
    parts = {number: _text(part) for number, part in _messages(span)}
    return parts.get(1, ""), parts.get(2, "")


def _messages(span: Span) -> Iterator[tuple[int, Span]]:
    """The length-delimited fields of a message."""
    for part in wire.fields(span.storage.view, span.start, span.end):
        if part.wire_type == wire.LENGTH_DELIMITED:
            yield part.number, span.storage.span(part.start, part.end)


def _text(span: Span) -> str:
    return str(span.view, "utf-8", "replace")
