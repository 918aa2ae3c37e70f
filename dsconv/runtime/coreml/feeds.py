"""What is fed to a Core ML model, checked against what the model takes."""

from __future__ import annotations

import numpy as np

from dsconv.errors import ConversionError
from dsconv.formats.coreml.interface import Feature
from dsconv.formats.coreml.program import TensorType
from dsconv.runtime.coreml.call import Array
from dsconv.runtime.coreml.held import fits, held_dtype, rounded


def fed(name: str, value: Array, kind: TensorType, feature: Feature | None) -> Array:
    """An input as the evaluator holds it, cast to the type that the program declares.

    Raises ConversionError for a shape that the program or the interface does not allow, and for
    numbers that lose more than precision.
    """
    if not fits(value.shape, kind) or (feature and not feature.allows(value.shape)):
        raise ConversionError(
            f"input '{name}' is fed {list(value.shape)}; feed {_wanted(kind, feature)}."
        )
    if not np.can_cast(value.dtype, held_dtype(kind.dtype), "same_kind"):
        raise ConversionError(f"input '{name}' is fed {value.dtype}; feed {kind.dtype}.")
    # A copy, as states may keep it.
    with np.errstate(over="ignore"):
        return rounded(value.copy(), kind.dtype)


def _wanted(kind: TensorType, feature: Feature | None) -> str:
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
