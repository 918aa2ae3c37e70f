"""The files of weights beside a Core ML program, and where in them a constant lies.

Source: the headers of the blobs that coremltools writes.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path, PurePosixPath

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml.program import Blob, TensorType
from dsconv.formats.storage import Span, Storage

BITS = {
    "bool": 8,
    "float16": 16,
    "bfloat16": 16,
    "float32": 32,
    "float64": 64,
    "int4": 4,
    "int8": 8,
    "int16": 16,
    "int32": 32,
    "int64": 64,
    "uint1": 1,
    "uint2": 2,
    "uint3": 3,
    "uint4": 4,
    "uint6": 6,
    "uint8": 8,
    "uint16": 16,
    "uint32": 32,
    "uint64": 64,
}
"""The bits of a number of each type."""

_MODEL_PATH = "@model_path/"

# A blob: sentinel, type, bytes, offset of the data, unused bits after the last element; padding.
_HEADER = struct.Struct("<IIQQQ32x")
_SENTINEL = 0xDEADBEEF
# BlobDataType of coremltools' MILBlob.
_NUMBERS = {
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


class WeightFiles:
    """The files of weights that lie next to a model, each mapped once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Storage] = {}

    def find(self, kind: TensorType, blob: Blob) -> Span:
        """The bytes of a constant of this type.

        Raises ModelError if the file does not hold them so, or lies out of the package.
        """
        storage = self._open(blob.file_name)
        if not 0 <= blob.offset <= len(storage) - _HEADER.size:
            raise _damaged(blob, "begins after the end of the file")
        sentinel, number, size, start, unused = _HEADER.unpack_from(storage.view, blob.offset)
        if sentinel != _SENTINEL:
            raise _damaged(blob, "has no header")
        if number != _NUMBERS.get(kind.dtype):
            raise _damaged(blob, f"is not of type {kind.dtype}")
        expected = byte_count(kind)
        if size != expected:
            raise _damaged(blob, f"has {size:,} bytes and not {expected:,}")
        if unused != 8 * size - math.prod(kind.shape) * BITS[kind.dtype]:
            raise _damaged(blob, "has another number of elements")
        if start + size > len(storage):
            raise _damaged(blob, "ends after the end of the file")
        return storage.span(start, start + size)

    def _open(self, name: str) -> Storage:
        if name not in self._files:
            relative = PurePosixPath(name.removeprefix(_MODEL_PATH))
            if not name.startswith(_MODEL_PATH) or relative.is_absolute() or ".." in relative.parts:
                raise ModelError(
                    f"the weights lie outside of the package, in '{name}'; copy it again."
                )
            path = self._folder / relative
            if not path.is_file():
                raise ModelError(f"{path} is missing; copy the whole package again.")
            self._files[name] = Storage.of_file(path)
        return self._files[name]


def byte_count(kind: TensorType) -> int:
    """The bytes of a constant of this type; smaller numbers than bytes are packed.

    Raises ConversionError for a type of another size than any that is known.
    """
    if kind.dtype not in BITS:
        raise ConversionError(
            f"a constant is of type {kind.dtype}, which dsconv does not read; convert to float32."
        )
    return -(-math.prod(kind.shape) * BITS[kind.dtype] // 8)


def _damaged(blob: Blob, what: str) -> ModelError:
    return ModelError(
        f"the weight at {blob.offset:,} in {blob.file_name} {what}; copy the package again."
    )
