"""The values of a Core ML program while it is evaluated, held to the types that it declares.

Values of float16 are kept as float32 arrays, so that each is widened once; they are rounded to
float16 at the output of each operation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dsconv.errors import ConversionError
from dsconv.formats.coreml.interface import Feature
from dsconv.formats.coreml.program import NamedType, TensorType
from dsconv.formats.coreml.values import array_dtype
from dsconv.runtime.coreml.lists import ArrayList
from dsconv.runtime.coreml.operations import Array, OpInfo, RuntimeValue


@dataclass(frozen=True)
class State:
    """A name that stands for a state."""

    name: str


def widened(value: RuntimeValue) -> RuntimeValue:
    """A constant as it is kept."""
    is_half = isinstance(value, np.ndarray) and value.dtype == np.float16
    return value.astype(np.float32) if is_half else value


def rounded(value: Array, dtype: str) -> Array:
    """An array with the precision of a declared type."""
    if dtype == "float16":
        return value.astype(np.float16).astype(np.float32)
    return value.astype(array_dtype(dtype), copy=False)


def checked(info: OpInfo, declared: NamedType, value: RuntimeValue) -> RuntimeValue:
    """A value with the precision of its declared type. Raises ModelError if it is another."""
    kind = declared.type
    if kind is None or not isinstance(value, np.ndarray):
        if not _is_declared(kind, value):
            raise info.damaged(f"gives '{declared.name}' of another type than it declares")
        return value
    if _kind_of_number(value.dtype) != _kind_of_number(array_dtype(kind.dtype)):
        raise info.damaged(f"gives {value.dtype} for '{declared.name}', declared as {kind.dtype}")
    if not fits(value.shape, kind):
        raise info.damaged(
            f"gives {list(value.shape)} for '{declared.name}', declared as {list(kind.shape)}"
        )
    return rounded(value, kind.dtype)


def _is_declared(kind: TensorType | None, value: RuntimeValue) -> bool:
    """Whether something that is no array is what was declared."""
    if kind is None:
        return isinstance(value, ArrayList | tuple)
    if isinstance(value, State):
        return kind.is_state
    return kind.dtype == "string" and isinstance(value, str | tuple)


def _kind_of_number(dtype: np.dtype[Any]) -> str:
    return "i" if dtype.kind == "u" else dtype.kind


def fits(shape: tuple[int, ...], kind: TensorType) -> bool:
    """Whether an array of a shape is of a declared type."""
    if kind.any_rank:
        return True
    return len(shape) == len(kind.shape) and all(
        declared in (-1, size) for size, declared in zip(shape, kind.shape, strict=True)
    )


def fed(name: str, value: Array, kind: TensorType, feature: Feature | None) -> Array:
    """An input as it is kept, cast to the type that the program declares.

    Raises ConversionError for a shape that the program or the interface does not allow, and for
    numbers that lose more than precision.
    """
    if not fits(value.shape, kind) or (feature and not feature.allows(value.shape)):
        raise ConversionError(
            f"input '{name}' is fed {list(value.shape)}; feed {_allowed(kind, feature)}."
        )
    if not np.can_cast(value.dtype, array_dtype(kind.dtype), "same_kind"):
        raise ConversionError(f"input '{name}' is fed {value.dtype}; feed {kind.dtype}.")
    # A copy, as states may keep it.
    with np.errstate(over="ignore"):
        return rounded(value.copy(), kind.dtype)


def _allowed(kind: TensorType, feature: Feature | None) -> str:
    """The shapes that are allowed, for people."""
    if feature is not None and feature.shapes is not None:
        return " or ".join(str(list(shape)) for shape in feature.shapes)
    if feature is not None and feature.ranges is not None:
        return f"[{', '.join(_range_text(*sizes) for sizes in feature.ranges)}]"
    return str(list(kind.shape))


def _range_text(least: int, most: int) -> str:
    if least == most:
        return str(least)
    return f"{least} or more" if most < 0 else f"{least} to {most}"
