"""How the weights of a Core ML program are compressed, in words.

Compressed weights are what the ``constexpr_`` ops make, one of another's where they are compressed
in two ways. Source: the documentation of these ops in coremltools.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from dsconv.formats.coreml.program import Argument, Operation, TensorType, Value
from dsconv.formats.coreml.weights import BITS
from dsconv.inspect.coreml.blobs import FLOATS

# What each op unpacks; its other inputs say how.
_STORED = {
    "const": "val",
    "constexpr_affine_dequantize": "quantized_data",
    "constexpr_blockwise_shift_scale": "data",
    "constexpr_cast": "source_val",
    "constexpr_lut_to_dense": "indices",
    "constexpr_lut_to_sparse": "indices_nonzero_data",
    "constexpr_sparse_blockwise_shift_scale": "nonzero_data",
    "constexpr_sparse_to_dense": "nonzero_data",
}
_PALETTE = "lut"


class Constant:
    """A constant op: one that holds a tensor, or one that unpacks others."""

    def __init__(self, operation: Operation, makers: dict[str, Constant]) -> None:
        self.kind = operation.kind
        self.outputs = operation.outputs
        self._arguments = _arguments(operation)
        self.sources = {
            name: makers[argument.name]
            for name, argument in self._arguments.items()
            if argument.name in makers
        }

    @property
    def values(self) -> list[Value]:
        """The values that it holds itself."""
        values = (argument.value for argument in self._arguments.values())
        return [value for value in values if value is not None]

    @property
    def source_names(self) -> Iterable[str]:
        """The names of the values that it unpacks, or unpacks others with."""
        return (argument.name for argument in self._arguments.values() if argument.name)

    @property
    def stored_type(self) -> str:
        """The type of the numbers that stand for the weights."""
        if self.kind == "constexpr_lut_to_dense":
            # Before opset CoreML8 they are packed into bytes.
            return f"uint{self._palette_bits}"
        name = _STORED.get(self.kind, "")
        if name in self.sources:
            return self.sources[name].stored_type
        kind = self._type(name)
        return kind.dtype if kind is not None else "?"

    @property
    def compression(self) -> str | None:
        """The words; None where nothing is compressed."""
        if self.kind in ("const", "constexpr_cast"):
            return None
        name = _STORED.get(self.kind)
        inner = self.sources[name].compression if name in self.sources else None
        return ", ".join([inner, self._words(inner)] if inner else [self._words(inner)])

    def _words(self, inner: str | None) -> str:
        if self.kind.startswith("constexpr_lut_to_"):
            return self._palettized()
        if self.kind == "constexpr_sparse_to_dense":
            return "sparse"
        if self.kind in _STORED:
            return "scaled" if inner or self.stored_type in FLOATS else self._linear()
        return self.kind

    def _palettized(self) -> str:
        words = f"{self._palette_bits}-bit palettized"
        *groups, _, vector = self._shape(_PALETTE) if self._rank(_PALETTE) > 1 else (1, 1)
        if math.prod(groups) > 1:
            words += ", per group"
        if vector > 1:
            words += f", vectors of {vector}"
        inner = self.sources[_PALETTE].compression if _PALETTE in self.sources else None
        return f"{words}, {inner} palette" if inner else words

    @property
    def _palette_bits(self) -> int:
        """Before opset CoreML8 a palette is a vector; then its last dimension is a weight's."""
        shape = self._shape(_PALETTE)
        entries = shape[-2] if len(shape) > 1 else math.prod(shape)
        return max(entries - 1, 1).bit_length()

    def _linear(self) -> str:
        shape = self._shape("data_mask") or self._shape(_STORED[self.kind])
        scales = self._shape("scale")
        pairs = zip(scales, shape, strict=True) if len(scales) == len(shape) else ()
        blocks = any(1 < scale < size for scale, size in pairs)
        return f"{BITS.get(self.stored_type, 0)}-bit linear" + (", per block" if blocks else "")

    def _rank(self, name: str) -> int:
        return len(self._shape(name))

    def _shape(self, name: str) -> tuple[int, ...]:
        kind = self._type(name)
        return kind.shape if kind is not None else ()

    def _type(self, name: str) -> TensorType | None:
        """The type of an input."""
        argument = self._arguments.get(name)
        if argument is None:
            return None
        if argument.value is not None:
            return argument.value.type
        outputs = self.sources[name].outputs if name in self.sources else ()
        return next((output.type for output in outputs if output.name == argument.name), None)


def _arguments(operation: Operation) -> dict[str, Argument]:
    """The inputs of an op of constants; before opset CoreML8 they are attributes."""
    found = {name: many[0] for name, many in operation.inputs.items() if many}
    attributes = operation.attributes.items()
    return found | {name: Argument(None, value) for name, value in attributes if name != "name"}
