"""An ONNX file, written without a second copy of the weights.

The model around the weights is a message of the onnx package; each weight is put into the file
after it, from the mapped graph or from an array that lives no longer than it takes.

Source: ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsconv.formats.onnx.schema import GraphProto, ModelProto, TensorProto
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Chunk, write_chunks
from dsconv.formats.toolkits import import_onnx

LARGEST_FILE = (1 << 31) - (1 << 20)
"""Protobuf reads no message above 2 GiB; weights that would not fit stand in a file beside."""


@dataclass(frozen=True)
class Initializer:
    """A constant of the graph. `chunks` makes its little-endian bytes, of `nbytes` in all."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    chunks: Callable[[], Iterable[Chunk]]

    @property
    def nbytes(self) -> int:
        """The size of the values."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    @classmethod
    def of_array(cls, name: str, array: NDArray[np.generic]) -> Initializer:
        """A constant that is in memory."""
        array = np.asarray(array, order="C")
        return cls(name, array.dtype, array.shape, lambda: [array.tobytes()])


def external_data_path(path: Path) -> Path:
    """The file of the weights of a model that is too large for one file."""
    return path.with_name(path.name + ".data")


def is_external(initializers: Iterable[Initializer]) -> bool:
    """Whether the weights are too many for one file."""
    return sum(initializer.nbytes for initializer in initializers) > LARGEST_FILE


def write_model(path: Path, model: Any, initializers: list[Initializer]) -> None:
    """Write a ModelProto, whose graph has no initializers yet, with these.

    Those that are too many for one file go into another beside it, but for the small ones.
    """
    if is_external(initializers):
        _write_external(path, model, initializers)
        return
    headers = [_header(initializer) for initializer in initializers]
    entries = [
        _entry(header, initializer.nbytes)
        for header, initializer in zip(headers, initializers, strict=True)
    ]
    graph = model.graph.SerializeToString()
    size = len(graph) + sum(map(len, entries)) + sum(part.nbytes for part in initializers)
    rest = type(model)()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    with path.open("xb") as file:
        file.write(rest.SerializeToString())
        file.write(wire.header(ModelProto.number("graph"), size))
        file.write(graph)
        for entry, initializer in zip(entries, initializers, strict=True):
            file.write(entry)
            write_chunks(file, initializer.chunks())


def _entry(header: bytes, nbytes: int) -> bytes:
    """What stands before the values of an initializer inside the graph."""
    start = header + wire.header(TensorProto.number("raw_data"), nbytes)
    return wire.header(GraphProto.number("initializer"), len(start) + nbytes) + start


def _header(initializer: Initializer) -> bytes:
    """A TensorProto without its values."""
    return bytes(_tensor(initializer).SerializeToString())


def _tensor(initializer: Initializer) -> Any:
    onnx = import_onnx()
    return onnx.TensorProto(
        name=initializer.name,
        dims=initializer.shape,
        data_type=onnx.helper.np_dtype_to_tensor_dtype(initializer.dtype),
    )


def _write_external(path: Path, model: Any, initializers: list[Initializer]) -> None:
    """The values one after the other in another file, aligned to pages as ONNX asks for."""
    onnx = import_onnx()
    data = external_data_path(path)
    with data.open("xb") as file:
        for initializer in initializers:
            tensor = _tensor(initializer)
            if initializer.nbytes < _PAGE:
                tensor.raw_data = b"".join(_bytes(initializer))
            else:
                file.write(bytes(-file.tell() % _PAGE))
                where = {"location": data.name, "offset": file.tell(), "length": initializer.nbytes}
                tensor.data_location = onnx.TensorProto.EXTERNAL
                for key, value in where.items():
                    tensor.external_data.add(key=key, value=str(value))
                write_chunks(file, initializer.chunks())
            model.graph.initializer.append(tensor)
    path.write_bytes(model.SerializeToString())


# The usual size of a page: onnx.proto asks for it, so that a runtime can map each tensor.
_PAGE = 4096


def _bytes(initializer: Initializer) -> Iterator[bytes]:
    for chunk in initializer.chunks():
        yield bytes(chunk if isinstance(chunk, bytes | memoryview) else chunk.view)
