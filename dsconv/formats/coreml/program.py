"""The MIL program of a Core ML model: functions, blocks, operations, and where values lie.

Source: the field numbers of ``MIL.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dsconv.errors import ModelError
from dsconv.formats.protobuf.message import Message

_TYPES = {
    1: "bool",
    2: "string",
    10: "float16",
    11: "float32",
    12: "float64",
    13: "bfloat16",
    21: "int8",
    22: "int16",
    23: "int32",
    24: "int64",
    25: "int4",
    31: "uint8",
    32: "uint16",
    33: "uint32",
    34: "uint64",
    35: "uint4",
    36: "uint2",
    37: "uint1",
    38: "uint6",
    39: "uint3",
}


@dataclass(frozen=True)
class TensorType:
    """The type of a tensor; sizes of -1 are open. `is_state` where it is kept between calls.

    With `any_rank` the number of dimensions is open too, and `shape` says nothing.
    """

    dtype: str
    shape: tuple[int, ...]
    is_state: bool = False
    any_rank: bool = False


@dataclass(frozen=True)
class Blob:
    """A value that lies in a file of weights, at the position of its header."""

    file_name: str
    offset: int


class Value:
    """A constant: in the program itself (`immediate`), or in a file of weights (`blob`)."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @property
    def type(self) -> TensorType | None:
        """The type of a tensor; None for a list or a tuple."""
        return _tensor_type(self._message.message(2))

    @property
    def blob(self) -> Blob | None:
        """Where the value lies outside the program."""
        if 5 not in self._message:
            return None
        blob = self._message.message(5)
        return Blob(blob.text(1), blob.integer(2))

    @property
    def immediate(self) -> Message:
        """The TensorValue of a value in the program itself."""
        return self._message.message(3).message(1)

    @property
    def list(self) -> tuple[Value, ...] | None:
        """The values of a list or a tuple; None for a tensor."""
        body = self._message.message(3)
        for number in (2, 3):
            if number in body:
                return tuple(map(Value, body.message(number).messages(1)))
        return None


@dataclass(frozen=True)
class Argument:
    """What an input of an operation is bound to: the name of a value, or a constant."""

    name: str | None
    value: Value | None


@dataclass(frozen=True)
class NamedType:
    """An input of a function or block, or an output of an operation; None for a list."""

    name: str
    type: TensorType | None


class Operation:
    """One operation."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self.kind = message.text(1)

    @cached_property
    def inputs(self) -> dict[str, tuple[Argument, ...]]:
        """What each input is bound to; one that takes many has several arguments."""
        found = self._message.mapping(2)
        return {name: tuple(map(_argument, entry.messages(1))) for name, entry in found.items()}

    @cached_property
    def outputs(self) -> tuple[NamedType, ...]:
        """The outputs, in order."""
        return tuple(map(_named_type, self._message.messages(3)))

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks that a loop or a condition runs."""
        return tuple(map(Block, self._message.messages(4)))

    @cached_property
    def attributes(self) -> dict[str, Value]:
        """Constants that belong to the operation, its name among them."""
        return {name: Value(value) for name, value in self._message.mapping(5).items()}


class Block:
    """Operations in the order in which they run."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @cached_property
    def inputs(self) -> tuple[NamedType, ...]:
        """The values that come in, for a block inside an operation."""
        return tuple(map(_named_type, self._message.messages(1)))

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The names of the values that go out."""
        return tuple(self._message.texts(2))

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """The operations."""
        return tuple(map(Operation, self._message.messages(3)))

    def all_operations(self) -> Iterator[Operation]:
        """The operations, and those of the blocks inside them."""
        for operation in self.operations:
            yield operation
            for block in operation.blocks:
                yield from block.all_operations()


@dataclass(frozen=True)
class Function:
    """A function: its inputs (states among them), the opset it is written in, and its block."""

    inputs: tuple[NamedType, ...]
    opset: str
    block: Block


def read_function(program: Message, name: str = "") -> Function:
    """A function of a Program; by default ``main``, or the only one.

    Raises ModelError if there is none.
    """
    functions = program.mapping(2)
    message = functions.get(name or "main")
    if message is None and len(functions) == 1:
        message = next(iter(functions.values()))
    if message is None:
        raise ModelError("the program has no function 'main'; copy the model again.")
    opset = message.text(2)
    blocks = message.mapping(3)
    if opset not in blocks:
        raise ModelError(f"the program has no block for its opset {opset}; copy the model again.")
    return Function(tuple(map(_named_type, message.messages(1))), opset, Block(blocks[opset]))


def _argument(message: Message) -> Argument:
    if 2 in message:
        return Argument(None, Value(message.message(2)))
    return Argument(message.text(1), None)


def _named_type(message: Message) -> NamedType:
    return NamedType(message.text(1), _tensor_type(message.message(2)))


def _tensor_type(value_type: Message) -> TensorType | None:
    """The type of a tensor or of a state, from a ValueType."""
    is_state = 5 in value_type
    if is_state:
        value_type = value_type.message(5).message(1)
    if 1 not in value_type:
        return None
    tensor = value_type.message(1)
    dimensions = tensor.messages(3)
    shape = tuple(_size(dimension) for dimension in dimensions)
    any_rank = any(dimension.message(2).integer(1) for dimension in dimensions)
    number = tensor.integer(1)
    return TensorType(_TYPES.get(number, f"type {number}"), shape, is_state, any_rank)


def _size(dimension: Message) -> int:
    return dimension.message(1).integer(1) if 1 in dimension else -1
