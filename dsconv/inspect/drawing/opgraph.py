"""The graph of a model of any format: operations, and what flows between them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from dsconv.inspect.report import TensorInfo, WeightInfo

TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Tensor:
    """An input or a constant: name, type and shape, None where the file does not tell."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None

    @classmethod
    def of(cls, info: TensorInfo | WeightInfo) -> Tensor:
        """A tensor or a weight as a report describes it."""
        return cls(info.name, info.dtype, None if info.shape is None else tuple(info.shape))

    @property
    def size(self) -> int:
        """The number of its values; 0 if a dimension is dynamic."""
        return max(0, math.prod(self.shape)) if self.shape is not None else 0

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name} {self.dtype}"
        return f"{self.name} {self.dtype} {shape_text(self.shape)}"


@dataclass(frozen=True)
class Op:
    """One operation: the values that it takes and makes, by name.

    `inside` counts the operations that it runs in a loop or a condition, `constants` are those that
    stand in there or in the operation itself.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    inside: Counter[str] = field(default_factory=Counter)
    constants: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class OpGraph:
    """A model: inputs, constants, operations, and the names of its outputs with their values."""

    inputs: Sequence[Tensor]
    constants: Sequence[Tensor]
    ops: Sequence[Op]
    outputs: Sequence[tuple[str, str]]


def shape_text(shape: Sequence[int]) -> str:
    """A shape as people write it: ``26 times 2048``, a question mark for a dynamic dimension."""
    if not shape:
        return "scalar"
    return TIMES.join("?" if size < 0 else str(size) for size in shape)
