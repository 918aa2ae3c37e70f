"""The operations of a Core ML program, prepared to be run many times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dsconv.errors import ModelError
from dsconv.formats.coreml.program import Block, NamedType, Operation
from dsconv.runtime.coreml.call import Call
from dsconv.runtime.coreml.held import Held


@dataclass
class Step:
    """An operation with what is known of it before it runs.

    `releases` are the names of its block that nothing reads after it. `inline` keeps the constants
    among its inputs, and `constant` its outputs where they never change.
    """

    operation: Operation
    call: Call
    releases: tuple[str, ...]
    blocks: tuple[Plan, ...]
    inline: dict[tuple[str, int], Held] = field(default_factory=dict)
    constant: tuple[Held, ...] | None = None

    @property
    def is_constant(self) -> bool:
        """Whether the outputs never change."""
        return self.call.kind == "const" or self.call.kind.startswith("constexpr_")


@dataclass(frozen=True)
class Plan:
    """A block whose operations are prepared. `reads` are the names that it takes from outside."""

    inputs: tuple[NamedType, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    reads: frozenset[str]


class Scope:
    """The values of a block by their names, and those of the blocks around it."""

    def __init__(self, values: dict[str, Held], outer: Scope | None = None) -> None:
        self.values = values
        self._outer = outer

    def __getitem__(self, name: str) -> Held:
        if name in self.values:
            return self.values[name]
        if self._outer is None:
            raise ModelError(f"'{name}' is read and nothing computes it; convert the model again.")
        return self._outer[name]


def plan_of(block: Block, opset: int) -> Plan:
    """Prepare a block and those inside it."""
    inner = [tuple(plan_of(b, opset) for b in operation.blocks) for operation in block.operations]
    own = {given.name for given in block.inputs}
    last_use: dict[str, int] = {}
    for place, (operation, plans) in enumerate(zip(block.operations, inner, strict=True)):
        written = [output.name for output in operation.outputs]
        own.update(written)
        for name in (*_reads(operation), *(name for plan in plans for name in plan.reads)):
            last_use[name] = place
        last_use.update(dict.fromkeys(written, place))
    released: dict[int, list[str]] = {}
    for name in own.intersection(last_use).difference(block.outputs):
        released.setdefault(last_use[name], []).append(name)
    steps = tuple(
        Step(operation, _call(operation, opset), tuple(released.get(place, ())), plans)
        for place, (operation, plans) in enumerate(zip(block.operations, inner, strict=True))
    )
    return Plan(block.inputs, block.outputs, steps, frozenset(last_use).union(block.outputs) - own)


def _reads(operation: Operation) -> Iterator[str]:
    """The names of the values that an operation takes."""
    for arguments in operation.inputs.values():
        for argument in arguments:
            if argument.name is not None:
                yield argument.name


def _call(operation: Operation, opset: int) -> Call:
    outputs = operation.outputs
    dtypes = tuple(None if output.type is None else output.type.dtype for output in outputs)
    return Call(operation.kind, outputs[0].name if outputs else "", opset, dtypes)
