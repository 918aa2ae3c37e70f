"""The operations of a Core ML program, prepared to be run many times.

A block is prepared once: what each operation is, and after which one a value is let go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.coreml.program import Block, NamedType, Operation

Array: TypeAlias = NDArray[Any]

Op: TypeAlias = Callable[..., Any]
"""Computes an operation from its `OpInfo` and the parameters by their names in the program."""

RuntimeValue: TypeAlias = Any
"""What a name stands for: an array, a text or a tuple of constants, a list, or a state."""

IOS17 = 7
"""The opset in which gathering and reshaping changed."""


@dataclass(frozen=True)
class OpInfo:
    """What an op needs to know of its operation besides the parameters.

    `name` is that of the first output, `opset` the number in ``CoreML7``, `dtypes` are the types of
    the outputs, None for one that is a list.
    """

    kind: str
    name: str
    opset: int
    dtypes: tuple[str | None, ...]

    @classmethod
    def of(cls, operation: Operation, opset: int) -> OpInfo:
        """That of an operation in a program."""
        outputs = operation.outputs
        dtypes = tuple(None if output.type is None else output.type.dtype for output in outputs)
        return cls(operation.kind, outputs[0].name if outputs else "", opset, dtypes)

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


@dataclass
class PreparedOperation:
    """An operation with what is known of it before it runs.

    `releases` are the names of its block that nothing reads after it. `inline` keeps the constants
    among its inputs, and `constant` its outputs where they never change.
    """

    operation: Operation
    info: OpInfo
    releases: tuple[str, ...]
    blocks: tuple[PreparedBlock, ...]
    inline: dict[tuple[str, int], RuntimeValue] = field(default_factory=dict)
    constant: tuple[RuntimeValue, ...] | None = None

    @property
    def is_constant(self) -> bool:
        """Whether the outputs never change."""
        return self.info.kind == "const" or self.info.kind.startswith("constexpr_")


@dataclass(frozen=True)
class PreparedBlock:
    """A block whose operations are prepared. `reads` are the names that it takes from outside."""

    inputs: tuple[NamedType, ...]
    outputs: tuple[str, ...]
    operations: tuple[PreparedOperation, ...]
    reads: frozenset[str]


class Scope:
    """The values of a block by their names, and those of the blocks around it."""

    def __init__(self, values: dict[str, RuntimeValue], outer: Scope | None = None) -> None:
        self.values = values
        self._outer = outer

    def __getitem__(self, name: str) -> RuntimeValue:
        if name in self.values:
            return self.values[name]
        if self._outer is None:
            raise ModelError(f"'{name}' is read but nothing computes it; convert the model again.")
        return self._outer[name]


def prepare(block: Block, opset: int) -> PreparedBlock:
    """Prepare a block and those inside it."""
    inner = [tuple(prepare(b, opset) for b in operation.blocks) for operation in block.operations]
    own = {given.name for given in block.inputs}
    last_use: dict[str, int] = {}
    for index, (operation, blocks) in enumerate(zip(block.operations, inner, strict=True)):
        written = [output.name for output in operation.outputs]
        own.update(written)
        for name in (*_reads(operation), *(name for b in blocks for name in b.reads)):
            last_use[name] = index
        last_use.update(dict.fromkeys(written, index))
    released: dict[int, list[str]] = {}
    for name in own.intersection(last_use).difference(block.outputs):
        released.setdefault(last_use[name], []).append(name)
    operations = tuple(
        PreparedOperation(
            operation, OpInfo.of(operation, opset), tuple(released.get(index, ())), blocks
        )
        for index, (operation, blocks) in enumerate(zip(block.operations, inner, strict=True))
    )
    reads = frozenset(last_use).union(block.outputs) - own
    return PreparedBlock(block.inputs, block.outputs, operations, reads)


def _reads(operation: Operation) -> Iterator[str]:
    """The names of the values that an operation takes."""
    for arguments in operation.inputs.values():
        for argument in arguments:
            if argument.name is not None:
                yield argument.name
