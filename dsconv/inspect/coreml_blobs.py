"""How many bytes the constants of a Core ML program take, and whether its files hold them all.

Only the headers of the weights are read. Source: the layout of the file that coremltools writes.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

from dsconv.coreml.program import Blob, TensorType, Value
from dsconv.errors import ModelError
from dsconv.graph.storage import Storage

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
FLOATS = ("float16", "bfloat16", "float32", "float64")

_MODEL_FOLDER = "@model_path/"
# A marker, the type, the number of bytes, and where in the file they are.
_HEADER = struct.Struct("<IIQQ")
_MARKER = 0xDEADBEEF


class Blobs:
    """The files of weights beside a model. What several constants share takes bytes once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Storage] = {}
        self._seen: set[Blob] = set()

    def size(self, value: Value) -> int:
        """The bytes of a constant, 0 if it was asked for before.

        Raises ModelError if the file that it should be in does not hold it whole.
        """
        kind = value.type
        if kind is None or kind.dtype not in BITS:
            return 0
        size = (math.prod(constant_shape(kind)) * BITS[kind.dtype] + 7) // 8
        blob = value.blob
        if blob is None:
            # One number may stand for all.
            return min(size, len(value.immediate.span))
        self._check(blob, size)
        if blob in self._seen:
            return 0
        self._seen.add(blob)
        return size

    def _check(self, blob: Blob, size: int) -> None:
        storage = self._storage(blob.file_name)
        if 0 <= blob.offset <= len(storage) - _HEADER.size:
            marker, _, stored, start = _HEADER.unpack_from(storage.view, blob.offset)
            if marker == _MARKER and stored == size and start + size <= len(storage):
                return
        raise ModelError(
            f"{blob.file_name.removeprefix(_MODEL_FOLDER)} does not hold the {size:,} bytes of "
            f"the weights at byte {blob.offset:,}; copy the whole package again."
        )

    def _storage(self, name: str) -> Storage:
        if name not in self._files:
            parts = name.removeprefix(_MODEL_FOLDER).split("/")
            if not name.startswith(_MODEL_FOLDER) or {"", "."} & set(parts) or ".." in parts:
                raise ModelError(f"its weights are said to be in {name!r}; copy the package again.")
            path = self._folder.joinpath(*parts)
            if not path.is_file():
                raise ModelError(f"{path} is missing; copy the whole package again.")
            self._files[name] = Storage.of_file(path)
        return self._files[name]


def constant_shape(kind: TensorType) -> list[int]:
    """The shape of a constant. Raises ModelError if it is open."""
    if any(size < 0 for size in kind.shape):
        raise ModelError("a constant has an open shape; copy or download the model again.")
    return list(kind.shape)
