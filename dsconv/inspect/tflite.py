"""Inspect a TFLite model, without LiteRT.

Source: the order of the fields in ``schema.fbs`` of TensorFlow Lite.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flatbuffers import encode
from flatbuffers import number_types as kinds
from flatbuffers.table import Table

from dsconv.acoustic.metadata import Metadata
from dsconv.acoustic.versions import LATEST, LATEST_GRAPH_VERSION, label_of
from dsconv.errors import ModelError
from dsconv.formats.digest import Digest
from dsconv.formats.identify import FileFormat
from dsconv.formats.storage import Storage
from dsconv.formats.tflite.schema import OPS, TYPES
from dsconv.inspect.converted import ConvertedFile, identify_file, inspection_of
from dsconv.inspect.report import FEWEST_ELEMENTS, Inspection, TensorInfo, WeightInfo
from dsconv.inspect.runtimes import tflite_runtimes

_WEIGHT_TYPES = ("float32", "float16", "int8", "uint8", "int16", "float64")
_CUSTOM = 32


def inspect_tflite(path: Path, found: FileFormat, digest: Digest) -> Inspection:
    """Inspect a file that was found to be TFLite. Raises ModelError if it is damaged."""
    with read_tflite(path) as reader:
        file = reader.file()
    runtimes = tflite_runtimes(identify_file(file), file.ops)
    return inspection_of(path, found, digest, file, runtimes)


@contextmanager
def read_tflite(path: Path) -> Iterator[Reader]:
    """Read a model inside the block. Raises ModelError if what is read there is damaged."""
    storage = Storage.of_file(path)
    try:
        yield Reader(storage.view)
    except (IndexError, OverflowError, TypeError, ValueError, struct.error):
        raise ModelError("the model is damaged; copy or download it again.") from None


class Message:
    """A table of a flatbuffer; fields are known by their places in the schema."""

    def __init__(self, view: memoryview, position: int) -> None:
        self._table = Table(view, position)

    def number(self, field: int, kind: type = kinds.Int32Flags) -> int:
        """A scalar, 0 where it is left out."""
        offset = self._offset(field)
        return int(self._table.Get(kind, self._table.Pos + offset)) if offset else 0

    def text(self, field: int) -> str:
        """A string, empty where it is left out."""
        offset = self._offset(field)
        if not offset:
            return ""
        return bytes(self._table.String(self._table.Pos + offset)).decode("utf-8", "replace")

    def numbers(self, field: int) -> list[int]:
        """A vector of int32."""
        start, count = self._vector(field, 4)
        return [int(n) for n in struct.unpack_from(f"<{count}i", self._table.Bytes, start)]

    def data(self, field: int) -> memoryview:
        """A vector of bytes."""
        start, count = self._vector(field, 1)
        view: memoryview = self._table.Bytes
        return view[start : start + count]

    def child(self, field: int) -> Message | None:
        """A table, None where it is left out."""
        offset = self._offset(field)
        if not offset:
            return None
        return Message(self._table.Bytes, self._table.Indirect(self._table.Pos + offset))

    def children(self, field: int) -> list[Message]:
        """A vector of tables."""
        start, count = self._vector(field, 4)
        return [
            Message(self._table.Bytes, self._table.Indirect(start + 4 * place))
            for place in range(count)
        ]

    def _vector(self, field: int, size: int) -> tuple[int, int]:
        """The start and the length of a vector of elements of a size; 0 where it is left out."""
        offset = self._offset(field)
        if not offset:
            return 0, 0
        start, count = self._table.Vector(offset), self._table.VectorLen(offset)
        if start + size * count > len(self._table.Bytes):
            raise ValueError("a vector beyond the end of the file")
        return start, count

    def _offset(self, field: int) -> int:
        return int(self._table.Offset(4 + 2 * field))


class Reader:
    """The model: operator codes (1), subgraphs (2), buffers (4), metadata (6)."""

    def __init__(self, view: memoryview) -> None:
        root = encode.Get(kinds.UOffsetTFlags.packer_type, view, 0)
        self.model = Message(view, int(root))
        self.codes = [_op_name(code) for code in self.model.children(1)]
        self.subgraphs = self.model.children(2)
        self._buffers = self.model.children(4)

    def constant(self, tensor: Message) -> memoryview:
        """The buffer (2) of a tensor; empty unless it is a constant."""
        return self._buffer(tensor.number(2, kinds.Uint32Flags))

    def file(self) -> ConvertedFile:
        """All that there is to say."""
        file = ConvertedFile()
        for graph in self.subgraphs:
            file.ops.update(self.codes[operator.number(0)] for operator in graph.children(3))
            file.weights += self._weights(graph)
        main = self.subgraphs[0]
        tensors = main.children(0)
        file.inputs = [tensor_info(tensors[number]) for number in main.numbers(1)]
        file.outputs = [tensor_info(tensors[number]) for number in main.numbers(2)]
        file.metadata = Metadata.from_values(dict(self._metadata(main, tensors)))
        properties = {
            entry.text(0): bytes(self._buffer(entry.number(1, kinds.Uint32Flags)))
            for entry in self.model.children(6)
        }
        file.source_sha256 = properties.get("source_sha256", b"").decode() or None
        version = properties.get("dsconv_version", b"").decode()
        file.produced_by = f"dsconv {version}" if version else self._exporter(file)
        return file

    def _exporter(self, file: ConvertedFile) -> str | None:
        known = (file.metadata.version or 0) >= LATEST_GRAPH_VERSION
        return label_of(LATEST) if known else self.model.text(3) or None

    def _weights(self, graph: Message) -> Iterator[WeightInfo]:
        for tensor in graph.children(0):
            size = len(self.constant(tensor))
            info = tensor_info(tensor)
            count = math.prod(info.shape or [])
            if size and count >= FEWEST_ELEMENTS and info.dtype in _WEIGHT_TYPES:
                yield WeightInfo(info.name, info.dtype, info.shape or [], count, size)

    def _metadata(self, graph: Message, tensors: list[Message]) -> Iterator[tuple[str, bytes]]:
        """The constants behind the `metadata_*` outputs, each copied by one op."""
        for operator in graph.children(3):
            sources, outputs = operator.numbers(1), operator.numbers(2)
            name = tensors[outputs[0]].text(3) if outputs else ""
            if name.startswith("metadata_") and sources:
                source = tensors[sources[0]]
                data = bytes(self.constant(source))
                if TYPES.get(source.number(1, kinds.Int8Flags), ("",))[0] == "string":
                    start, end = struct.unpack_from("<2i", data, 4)
                    yield name, data[start:end]
                else:
                    yield name, str(struct.unpack_from("<i", data)[0]).encode()

    def _buffer(self, number: int) -> memoryview:
        return self._buffers[number].data(0)


def _op_name(code: Message) -> str:
    """The custom code (1), or the name of the builtin code (3, before TensorFlow 2.4 in 0)."""
    number = max(code.number(0, kinds.Int8Flags), code.number(3))
    if number == _CUSTOM:
        return code.text(1)
    return OPS[number] if number < len(OPS) else f"builtin op {number}"


def tensor_info(tensor: Message) -> TensorInfo:
    """Name (3), type (1) and shape (0), with the open sizes of the signature (7)."""
    dtype = TYPES.get(tensor.number(1, kinds.Int8Flags), ("?", 0))[0]
    return TensorInfo(tensor.text(3), dtype, tensor.numbers(7) or tensor.numbers(0))
