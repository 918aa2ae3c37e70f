"""A tensor as it stands in a graph: shape and type at once, values only when asked for.

Source: ``tensorflow/core/framework/tensor.proto``. Contents are raw little-endian bytes, or typed
values of which the last one repeats to the end.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dsconv.errors import ModelError
from dsconv.formats.graphdef import schema
from dsconv.formats.graphdef.dtypes import DataType, data_type
from dsconv.formats.protobuf import wire
from dsconv.formats.storage import Chunk, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, ...] | None
"""Sizes of the dimensions, -1 where unknown; None where even their number is unknown."""

_DIM, _UNKNOWN_RANK = schema.TensorShapeProto.field_numbers("dim", "unknown_rank")
_SIZE = schema.Dim.number("size")
_numbers = schema.TensorProto.field_numbers
_DTYPE, _SHAPE, _CONTENT = _numbers("dtype", "tensor_shape", "tensor_content")
(_STRING_VALUES,) = _numbers("string_val")
# Complex values are pairs of floats or doubles.
_FLOAT_VALUES = {*_numbers("float_val", "scomplex_val")}
_DOUBLE_VALUES = {*_numbers("double_val", "dcomplex_val")}
_INTEGER_VALUES = {
    *_numbers("int_val", "int64_val", "bool_val", "half_val", "uint32_val", "uint64_val")
}


def parse_shape(span: Span) -> Shape:
    """Read a TensorShapeProto."""
    shape: list[int] = []
    view = span.storage.view
    for field in wire.fields(view, span.start, span.end):
        if field.number == _UNKNOWN_RANK and field.value:
            return None
        if field.number == _DIM:
            size = 0
            for inner in wire.fields(view, field.start, field.end):
                if inner.number == _SIZE:
                    size = wire.signed(inner.value)
            shape.append(size)
    return tuple(shape)


@dataclass(frozen=True)
class Tensor:
    """A constant's value: `content` holds raw bytes, else `span` holds typed values."""

    dtype: DataType
    shape: tuple[int, ...]
    content: Span | None
    span: Span | None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements in memory; for strings, the bytes of the texts."""
        if self.dtype.itemsize is None:
            return sum(map(len, self.strings()))
        return self.size * self.dtype.itemsize

    def strings(self) -> list[bytes]:
        """The values of a string tensor, in row-major order."""
        return [
            bytes(self._view[f.start : f.end]) for f in self._values() if f.number == _STRING_VALUES
        ]

    def numbers(self) -> list[int | float]:
        """The values of a small numeric tensor, in row-major order, without numpy."""
        if self.content is not None:
            return list(
                struct.unpack(f"<{self.size}{_STRUCT_CODES[self.dtype]}", self.content.view)
            )
        stored = list(self._stored_numbers()) or [0]
        return (stored + stored[-1:] * (self.size - len(stored)))[: self.size]

    def array(self) -> NDArray[np.generic]:
        """The values as an array; a read-only view where the graph holds raw bytes.

        Strings come as an object array of bytes. bfloat16 comes as uint16 bit patterns and
        quantized types as their plain integers, because numpy has no such types.
        """
        import numpy as np

        if self.dtype is DataType.STRING:
            texts = np.empty(self.size, object)
            texts[:] = (self.strings() * self.size)[: self.size]
            return texts.reshape(self.shape)
        dtype = np.dtype(_NUMPY_NAMES.get(self.dtype, self.dtype.label)).newbyteorder("<")
        if self.content is not None:
            return np.frombuffer(self.content.view, dtype).reshape(self.shape)
        stored = self._stored_array(dtype)
        padded = np.zeros(self.size, dtype)
        padded[: len(stored)] = stored[: self.size]
        if 0 < len(stored) < self.size:
            padded[len(stored) :] = stored[-1]
        return padded.reshape(self.shape)

    def raw(self) -> Chunk:
        """The values as little-endian bytes: those of the file, where it holds them so."""
        return self.content if self.content is not None else self.array().tobytes()

    @property
    def _view(self) -> memoryview:
        assert self.span is not None
        return self.span.storage.view

    def _values(self) -> Iterator[wire.Field]:
        assert self.span is not None
        yield from wire.fields(self._view, self.span.start, self.span.end)

    def _stored_array(self, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
        """The typed values that the graph stores, without the repeated rest."""
        import numpy as np

        numbers = list(self._stored_numbers())
        if self.dtype in (DataType.HALF, DataType.BFLOAT16):
            return np.array(numbers, np.uint16).view(dtype)
        if self.dtype in (DataType.COMPLEX64, DataType.COMPLEX128):
            pairs = np.array(numbers, np.float64)
            return (pairs[0::2] + 1j * pairs[1::2]).astype(dtype)
        return np.array(numbers).astype(dtype)

    def _stored_numbers(self) -> Iterator[int | float]:
        for field in self._values():
            if field.number in _FLOAT_VALUES | _DOUBLE_VALUES:
                yield from self._reals(field)
            elif field.number in _INTEGER_VALUES:
                yield from self._integers(field)

    def _reals(self, field: wire.Field) -> Iterator[float]:
        code = "<f" if field.number in _FLOAT_VALUES else "<d"
        for (value,) in struct.iter_unpack(code, self._view[field.start : field.end]):
            yield value

    def _integers(self, field: wire.Field) -> Iterator[int]:
        if field.wire_type == wire.VARINT:
            yield wire.signed(field.value)
            return
        position = field.start
        while position < field.end:
            value, position = wire.read_varint(self._view, position, field.end)
            yield wire.signed(value)


def parse_tensor(span: Span) -> Tensor:
    """Read a TensorProto. Raises ModelError if its contents do not fit its shape."""
    dtype = DataType.INVALID
    shape: tuple[int, ...] = ()
    content = None
    for field in wire.fields(span.storage.view, span.start, span.end):
        if field.number == _DTYPE:
            dtype = data_type(field.value)
        elif field.number == _SHAPE:
            shape = parse_shape(span.storage.span(field.start, field.end)) or ()
        elif field.number == _CONTENT and field.end > field.start:
            content = span.storage.span(field.start, field.end)
    tensor = Tensor(dtype, shape, content, span)
    if any(size < 0 for size in shape):
        raise ModelError(f"damaged tensor: its shape is {list(shape)}; download the model again.")
    if content is not None and len(content) != tensor.nbytes:
        raise ModelError(
            f"damaged tensor: {len(content):,} bytes where {dtype.label} {list(shape)} "
            f"needs {tensor.nbytes:,}; copy or download the model again."
        )
    return tensor


_STRUCT_CODES = {
    DataType.FLOAT: "f",
    DataType.DOUBLE: "d",
    DataType.INT32: "i",
    DataType.UINT8: "B",
    DataType.INT16: "h",
    DataType.INT8: "b",
    DataType.INT64: "q",
    DataType.BOOL: "?",
    DataType.UINT16: "H",
    DataType.HALF: "e",
    DataType.UINT32: "I",
    DataType.UINT64: "Q",
}

_NUMPY_NAMES = {
    DataType.BFLOAT16: "uint16",
    DataType.QINT8: "int8",
    DataType.QUINT8: "uint8",
    DataType.QINT16: "int16",
    DataType.QUINT16: "uint16",
    DataType.QINT32: "int32",
}
