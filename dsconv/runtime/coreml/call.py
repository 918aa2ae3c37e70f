"""What an op of Core ML knows about the operation that it computes: its names, opset and types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ConversionError, ModelError

Array: TypeAlias = NDArray[Any]

# An op takes the call and the parameters by their names in the program.
Op: TypeAlias = Callable[..., Any]

# The opset in which gathering and reshaping changed: iOS 17.
IOS17 = 7


@dataclass(frozen=True)
class Call:
    """An operation: its kind, the name of its first output, and the types of its outputs.

    `opset` is the number in ``CoreML7``; None stands for the type of an output that is a list.
    """

    kind: str
    name: str
    opset: int
    dtypes: tuple[str | None, ...]

    def unsupported(self, what: str = "") -> ConversionError:
        """The error for what is not computed here."""
        operation = " ".join(filter(None, (f"'{self.name}' is a Core ML {self.kind}", what)))
        return ConversionError(
            f"{operation}, which dsconv does not evaluate; run the model on a Mac."
        )

    def damaged(self, what: str) -> ModelError:
        """The error for an operation that contradicts itself."""
        return ModelError(f"'{self.name}', a Core ML {self.kind}, {what}; convert the model again.")

    def small(self, value: float) -> np.float32:
        """A number as the type of the first output has it; one of float16 may become zero."""
        return np.float32(np.float16(value) if self.dtypes[0] == "float16" else value)
