"""How many bytes the constants of a Core ML program take, and whether its files hold them all.

Only the headers of the weights are read.
"""

from __future__ import annotations

from pathlib import Path

from dsconv.errors import ModelError
from dsconv.formats.coreml.program import Blob, TensorType, Value
from dsconv.formats.coreml.weights import BITS, WeightFiles, byte_count

FLOATS = ("float16", "bfloat16", "float32", "float64")


class Blobs:
    """The files of weights beside a model. What several constants share takes bytes once."""

    def __init__(self, folder: Path) -> None:
        self._files = WeightFiles(folder)
        self._seen: set[Blob] = set()

    def size(self, value: Value) -> int:
        """The bytes of a constant, 0 if it was asked for before.

        Raises ModelError if the file that it should be in does not hold it whole.
        """
        kind = value.type
        if kind is None or kind.dtype not in BITS:
            return 0
        constant_shape(kind)
        blob = value.blob
        if blob is None:
            # One number may stand for all.
            return min(byte_count(kind), len(value.immediate.span))
        size = len(self._files.find(kind, blob))
        if blob in self._seen:
            return 0
        self._seen.add(blob)
        return size


def constant_shape(kind: TensorType) -> list[int]:
    """The shape of a constant. Raises ModelError if it is dynamic."""
    if any(size < 0 for size in kind.shape):
        raise ModelError("a constant has a dynamic shape; copy or download the model again.")
    return list(kind.shape)
