"""The constants of a Core ML program as numpy arrays: in the program, or in its file of weights.

Source: ``MIL.proto``, and the headers of the blobs that coremltools writes.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsconv.coreml.program import Blob, TensorType, Value
from dsconv.errors import ConversionError, ModelError
from dsconv.graph.message import Message
from dsconv.graph.storage import Storage

Array: TypeAlias = NDArray[Any]
Constant: TypeAlias = "Array | str | tuple[Constant, ...]"

_MODEL_PATH = "@model_path/"

# A blob: sentinel, type, bytes, position of the data, unused bits behind the last element; padding.
_HEADER = struct.Struct("<IIQQQ32x")
_SENTINEL = 0xDEADBEEF
_BLOB_TYPES = {
    "float16": 1,
    "float32": 2,
    "uint8": 3,
    "int8": 4,
    "int16": 6,
    "uint16": 7,
    "int4": 8,
    "uint1": 9,
    "uint2": 10,
    "uint4": 11,
    "uint3": 12,
    "uint6": 13,
    "int32": 14,
    "uint32": 15,
}

_SUB_BYTE_BITS = {"uint1": 1, "uint2": 2, "uint3": 3, "uint4": 4, "uint6": 6, "int4": 4}

# The fields of a TensorValue, and the types that its lists of numbers hold.
_FLOATS, _INTS, _BOOLS, _STRINGS, _LONGS, _DOUBLES, _BYTES = range(1, 8)
_FIELDS = {
    "float32": _FLOATS,
    "float64": _DOUBLES,
    "bool": _BOOLS,
    "int16": _INTS,
    "uint16": _INTS,
    "int32": _INTS,
    "int64": _LONGS,
    "uint64": _LONGS,
}


class WeightFiles:
    """The files of weights that lie next to a model, each mapped once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Storage] = {}

    def open(self, name: str) -> Storage:
        """The file that a blob names. Raises ModelError if it is missing or not in the package."""
        if name not in self._files:
            relative = PurePosixPath(name.removeprefix(_MODEL_PATH))
            if not name.startswith(_MODEL_PATH) or relative.is_absolute() or ".." in relative.parts:
                raise ModelError(
                    f"weights are said to lie in '{name}', out of the package; copy it again."
                )
            path = self._folder / relative
            if not path.exists():
                raise ModelError(f"{path} is missing; copy the whole package again.")
            self._files[name] = Storage.of_file(path)
        return self._files[name]


def read_value(value: Value, weights: WeightFiles) -> Constant:
    """A constant: an array, a text, or a tuple of them for a list.

    Arrays of whole bytes are read-only views on the file; smaller integers are unpacked to 8 bits.
    Raises ModelError if the value is damaged, ConversionError for a type that numpy does not have.
    """
    if value.list is not None:
        return tuple(read_value(item, weights) for item in value.list)
    kind = value.type
    if kind is None or kind.any_rank or min(kind.shape, default=0) < 0:
        raise ModelError("a constant has no fixed type; convert the model again.")
    if kind.dtype == "string":
        return _read_texts(kind, value.immediate)
    if value.blob is not None:
        return _read_blob(kind, value.blob, weights)
    return _read_immediate(kind, value.immediate)


def unpack(data: Array, bits: int, count: int, *, signed: bool = False) -> Array:
    """The first `count` integers of so many bits, the lowest bits of each byte being the first."""
    size = 3 if bits in (3, 6) else 1
    groups = np.zeros(-(-len(data) // size) * size, np.uint8)
    groups[: len(data)] = data
    word: Array = groups
    if size == 3:
        low, middle, high = groups.reshape(-1, 3).astype(np.uint32).T
        word = low | (middle << np.uint32(8)) | (high << np.uint32(16))
    shifts = np.arange(0, 8 * size, bits, dtype=word.dtype)
    mask = word.dtype.type((1 << bits) - 1)
    integers: Array = ((word[:, None] >> shifts) & mask).astype(np.uint8).reshape(-1)[:count]
    if not signed:
        return integers
    sign = 1 << (bits - 1)
    return np.asarray((integers ^ np.uint8(sign)).astype(np.int8) - np.int8(sign), np.int8)


def _byte_count(dtype: str, count: int) -> int:
    """The bytes of so many elements. Raises ConversionError for a type that is not read here."""
    if dtype in _SUB_BYTE_BITS:
        return -(-count * _SUB_BYTE_BITS[dtype] // 8)
    if dtype not in _FIELDS and dtype not in _BLOB_TYPES:
        raise ConversionError(
            f"a constant is of type {dtype}, which dsconv does not read; convert to float32."
        )
    return count * np.dtype(dtype).itemsize


def _from_bytes(kind: TensorType, data: memoryview) -> Array:
    """An array of elements as they lie in memory."""
    count = math.prod(kind.shape)
    if len(data) != _byte_count(kind.dtype, count):
        raise ModelError(
            f"a constant of shape {list(kind.shape)} and type {kind.dtype} has {len(data):,} "
            "bytes; copy the model again."
        )
    if kind.dtype in _SUB_BYTE_BITS:
        packed = np.frombuffer(data, np.uint8)
        signed = kind.dtype.startswith("int")
        array = unpack(packed, _SUB_BYTE_BITS[kind.dtype], count, signed=signed)
    else:
        array = np.frombuffer(data, np.dtype(kind.dtype).newbyteorder("<"))
    return array.reshape(kind.shape)


def _read_blob(kind: TensorType, blob: Blob, weights: WeightFiles) -> Array:
    """An array in a file of weights."""
    storage = weights.open(blob.file_name)
    if not 0 <= blob.offset <= len(storage) - _HEADER.size:
        raise _damaged_blob(blob, "begins behind the end of the file")
    sentinel, number, size, start, unused = _HEADER.unpack_from(storage.view, blob.offset)
    if sentinel != _SENTINEL:
        raise _damaged_blob(blob, "has no header")
    expected_size = _byte_count(kind.dtype, math.prod(kind.shape))
    if number != _BLOB_TYPES.get(kind.dtype):
        raise _damaged_blob(blob, f"is not of type {kind.dtype}")
    if size != expected_size:
        raise _damaged_blob(blob, f"has {size:,} bytes and not {expected_size:,}")
    if unused != 8 * size - math.prod(kind.shape) * _bits(kind.dtype):
        raise _damaged_blob(blob, "has another number of elements")
    if start + size > len(storage):
        raise _damaged_blob(blob, "ends behind the end of the file")
    return _from_bytes(kind, storage.view[start : start + size])


def _bits(dtype: str) -> int:
    return _SUB_BYTE_BITS.get(dtype) or 8 * np.dtype(dtype).itemsize


def _damaged_blob(blob: Blob, what: str) -> ModelError:
    return ModelError(f"the weight at {blob.offset:,} in {blob.file_name} {what}; copy it again.")


def _read_immediate(kind: TensorType, tensor: Message) -> Array:
    """An array in the program itself."""
    if _BYTES in tensor:
        spans = tensor.message(_BYTES).spans(1)
        return _from_bytes(kind, memoryview(b"".join(span.view for span in spans)))
    _byte_count(kind.dtype, 0)
    field = _FIELDS.get(kind.dtype)
    if tensor.numbers not in ((), (field,)):
        raise ModelError(f"a constant of type {kind.dtype} holds another; copy the model again.")
    if field in (_FLOATS, _DOUBLES):
        spans = tensor.message(field).spans(1)
        return _from_bytes(kind, memoryview(b"".join(span.view for span in spans)))
    integers = tensor.message(field).integers(1) if field else []
    if len(integers) != math.prod(kind.shape):
        raise ModelError(
            f"a constant of shape {list(kind.shape)} has {len(integers):,} elements; "
            "copy the model again."
        )
    return np.array(integers, np.int64).astype(kind.dtype).reshape(kind.shape)


def _read_texts(kind: TensorType, tensor: Message) -> Constant:
    """A text, or a tuple of them."""
    texts = tuple(tensor.message(_STRINGS).texts(1))
    if len(texts) != math.prod(kind.shape):
        raise ModelError("a constant has another number of texts; copy the model again.")
    return texts if kind.shape else texts[0]
