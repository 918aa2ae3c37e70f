"""The MIL program of a Core ML model: functions, blocks, operations, and where values lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dsconv.errors import ModelError
from dsconv.formats.coreml import schema
from dsconv.formats.protobuf.message import Message


@dataclass(frozen=True)
class TensorType:
    """The type of a tensor; -1 is a dynamic dimension. `is_state`: it is kept between calls.

    With `any_rank` the number of dimensions is not told either, and `shape` says nothing.
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
        self._message = schema.Value(message.span)

    @property
    def type(self) -> TensorType | None:
        """The type of a tensor; None for a list or a tuple."""
        return _tensor_type(self._message.type)

    @property
    def blob(self) -> Blob | None:
        """Where the value lies outside the program."""
        if not self._message.has("blobFileValue"):
            return None
        blob = self._message.blobFileValue
        return Blob(blob.fileName, blob.offset)

    @property
    def immediate(self) -> schema.TensorValue:
        """The elements of a value in the program itself."""
        return self._message.immediateValue.tensor

    @property
    def list(self) -> tuple[Value, ...] | None:
        """The values of a list or a tuple; None for a tensor."""
        body = self._message.immediateValue
        for name, found in (("tuple", body.tuple), ("list", body.list)):
            if body.has(name):
                return tuple(map(Value, found.values))
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

    def __init__(self, message: schema.Operation) -> None:
        self._message = message
        self.kind = message.type

    @cached_property
    def inputs(self) -> dict[str, tuple[Argument, ...]]:
        """What each input is bound to; one that takes many has several arguments."""
        found = self._message.inputs
        return {name: tuple(map(_argument, each.arguments)) for name, each in found.items()}

    @cached_property
    def outputs(self) -> tuple[NamedType, ...]:
        """The outputs, in order."""
        return tuple(map(_named_type, self._message.outputs))

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks that a loop or a condition runs."""
        return tuple(map(Block, self._message.blocks))

    @cached_property
    def attributes(self) -> dict[str, Value]:
        """Constants that belong to the operation, its name among them."""
        return {name: Value(value) for name, value in self._message.attributes.items()}


class Block:
    """Operations in the order in which they run."""

    def __init__(self, message: schema.Block) -> None:
        self._message = message

    @cached_property
    def inputs(self) -> tuple[NamedType, ...]:
        """The values that come in, for a block inside an operation."""
        return tuple(map(_named_type, self._message.inputs))

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The names of the values that go out."""
        return tuple(self._message.outputs)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """The operations."""
        return tuple(map(Operation, self._message.operations))

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
    functions = schema.Program(program.span).functions
    message = functions.get(name or "main")
    if message is None and len(functions) == 1:
        message = next(iter(functions.values()))
    if message is None:
        raise ModelError("the program has no function 'main'; copy the model again.")
    opset, blocks = message.opset, message.block_specializations
    if opset not in blocks:
        raise ModelError(f"the program has no block for its opset {opset}; copy the model again.")
    return Function(tuple(map(_named_type, message.inputs)), opset, Block(blocks[opset]))


def _argument(binding: schema.Binding) -> Argument:
    if binding.has("value"):
        return Argument(None, Value(binding.value))
    return Argument(binding.name, None)


def _named_type(named: schema.NamedValueType) -> NamedType:
    return NamedType(named.name, _tensor_type(named.type))


def _tensor_type(value_type: schema.ValueType) -> TensorType | None:
    """The type of a tensor or of a state."""
    is_state = value_type.has("stateType")
    if is_state:
        value_type = value_type.stateType.wrappedType
    if not value_type.has("tensorType"):
        return None
    tensor = value_type.tensorType
    shape = tuple(each.constant.size if each.has("constant") else -1 for each in tensor.dimensions)
    any_rank = any(each.unknown.variadic for each in tensor.dimensions)
    dtype = schema.DATA_TYPES.get(tensor.dataType, f"type {tensor.dataType}")
    return TensorType(dtype, shape, is_state, any_rank)
