"""The constants of a Core ML program as numpy arrays: in the program, or in its file of weights.

Source: ``MIL.proto``.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml.program import TensorType, Value
from dsconv.formats.coreml.schema import RepeatedBytes, TensorValue
from dsconv.formats.coreml.weights import BITS, WeightFiles, byte_count

Array: TypeAlias = NDArray[Any]
Constant: TypeAlias = "Array | str | tuple[Constant, ...]"


# The field of a TensorValue that holds the elements of a type, where it is not `bytes`.
_FIELDS = {
    "float32": "floats",
    "float64": "doubles",
    "bool": "bools",
    "int16": "ints",
    "uint16": "ints",
    "int32": "ints",
    "int64": "longInts",
    "uint64": "longInts",
}

_SUB_BYTE = {
    "int4": "int8",
    "uint1": "uint8",
    "uint2": "uint8",
    "uint3": "uint8",
    "uint4": "uint8",
    "uint6": "uint8",
}


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
    array_dtype(kind.dtype)
    if value.blob is not None:
        return _from_bytes(kind, weights.find(kind, value.blob).view)
    return _read_immediate(kind, value.immediate)


def unpack(data: Array, bits: int, count: int, *, signed: bool = False) -> Array:
    """The first `count` integers of so many bits, the lowest bits of each byte being the first."""
    # Integers of 3 and 6 bits cross bytes; three bytes hold a whole number of them.
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


def _from_bytes(kind: TensorType, data: memoryview) -> Array:
    """An array of elements as they lie in memory."""
    count = math.prod(kind.shape)
    if len(data) != byte_count(kind):
        raise ModelError(
            f"a constant of shape {list(kind.shape)} and type {kind.dtype} has {len(data):,} "
            "bytes; copy the model again."
        )
    if BITS[kind.dtype] < 8:
        packed = np.frombuffer(data, np.uint8)
        signed = kind.dtype.startswith("int")
        array = unpack(packed, BITS[kind.dtype], count, signed=signed)
    else:
        array = np.frombuffer(data, np.dtype(kind.dtype).newbyteorder("<"))
    return array.reshape(kind.shape)


def _read_immediate(kind: TensorType, tensor: TensorValue) -> Array:
    """An array in the program itself."""
    name = "bytes" if tensor.has("bytes") else _FIELDS.get(kind.dtype)
    if name != "bytes":
        byte_count(kind)
        if tensor.undeclared or tensor.present not in ([], [name]):
            raise ModelError(
                f"a constant of type {kind.dtype} holds another; copy the model again."
            )
    repeated = getattr(tensor, name) if name else None
    if isinstance(repeated, RepeatedBytes):
        return _from_bytes(kind, memoryview(b"".join(span.view for span in repeated.values)))
    integers = repeated.values if repeated else []
    if len(integers) != math.prod(kind.shape):
        raise ModelError(
            f"a constant of shape {list(kind.shape)} has {len(integers):,} elements; "
            "copy the model again."
        )
    return np.array(integers, np.int64).astype(kind.dtype).reshape(kind.shape)


def _read_texts(kind: TensorType, tensor: TensorValue) -> Constant:
    """A text, or a tuple of them."""
    texts = tuple(tensor.strings.values)
    if len(texts) != math.prod(kind.shape):
        raise ModelError("a constant has the wrong number of strings; copy the model again.")
    return texts if kind.shape else texts[0]


def array_dtype(dtype: str) -> np.dtype[Any]:
    """The type in which arrays of a declared type are kept. Raises ConversionError for others."""
    # Other libraries teach numpy this type, which would make it one that is known now and then.
    if dtype not in BITS or dtype == "bfloat16":
        raise ConversionError(
            f"a value is of type {dtype}, which dsconv does not evaluate; convert to float32."
        )
    return np.dtype("float32" if dtype == "float16" else _SUB_BYTE.get(dtype, dtype))
