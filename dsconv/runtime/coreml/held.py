"""Values as the evaluator holds them, checked against the types that a program declares.

Values of float16 are held as float32 arrays, so that each is widened once; they are rounded to
float16 at the output of each operation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from dsconv.errors import ConversionError
from dsconv.formats.coreml.program import NamedType, TensorType
from dsconv.formats.coreml.weights import BITS
from dsconv.runtime.coreml.call import Array, Call
from dsconv.runtime.coreml.lists import ArrayList

_SUB_BYTE = {
    "int4": "int8",
    "uint1": "uint8",
    "uint2": "uint8",
    "uint3": "uint8",
    "uint4": "uint8",
    "uint6": "uint8",
}


@dataclass(frozen=True)
class State:
    """A name that stands for a state."""

    name: str


# What a name stands for: an array, a text or a tuple of constants, a list, or a state.
Held: TypeAlias = Any


def held_dtype(dtype: str) -> np.dtype[Any]:
    """The type in which arrays of a declared type are held. Raises ConversionError for others."""
    # Other libraries teach numpy this type, which would make it one that is known now and then.
    if dtype not in BITS or dtype == "bfloat16":
        raise ConversionError(
            f"a value is of type {dtype}, which dsconv does not evaluate; convert to float32."
        )
    return np.dtype("float32" if dtype == "float16" else _SUB_BYTE.get(dtype, dtype))


def widened(value: Held) -> Held:
    """A constant as it is held."""
    is_half = isinstance(value, np.ndarray) and value.dtype == np.float16
    return value.astype(np.float32) if is_half else value


def rounded(value: Array, dtype: str) -> Array:
    """An array with the precision of a declared type."""
    if dtype == "float16":
        return value.astype(np.float16).astype(np.float32)
    return value.astype(held_dtype(dtype), copy=False)


def checked(call: Call, declared: NamedType, value: Held) -> Held:
    """A value with the precision of its declared type. Raises ModelError if it is another."""
    kind = declared.type
    if kind is None or not isinstance(value, np.ndarray):
        if not _is_declared(kind, value):
            raise call.damaged(f"gives '{declared.name}' of another type than it declares")
        return value
    if _kind_of_number(value.dtype) != _kind_of_number(held_dtype(kind.dtype)):
        raise call.damaged(f"gives {value.dtype} for '{declared.name}', declared as {kind.dtype}")
    if not fits(value.shape, kind):
        raise call.damaged(
            f"gives {list(value.shape)} for '{declared.name}', declared as {list(kind.shape)}"
        )
    return rounded(value, kind.dtype)


def _is_declared(kind: TensorType | None, value: Held) -> bool:
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
