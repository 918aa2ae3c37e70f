"""Ops, weights and the shapes of the outputs of a Core ML program."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from dsconv.formats.coreml.file import CoreMlFile
from dsconv.formats.coreml.program import NamedType, Operation, read_function
from dsconv.formats.coreml.schema import Program
from dsconv.inspect.converted import ConvertedFile
from dsconv.inspect.coreml.blobs import FLOATS, Blobs, constant_shape
from dsconv.inspect.coreml.compression import Constant
from dsconv.inspect.report import FEWEST_ELEMENTS, TensorInfo, WeightInfo

_WEIGHT_TYPES = (*FLOATS, "int4", "int8", *(f"uint{bits}" for bits in range(1, 9)))


def read_program(model: CoreMlFile, file: ConvertedFile) -> tuple[str, list[str]]:
    """Add the ops and weights of a program; returns its opset and the names of its functions.

    Of several functions the default one is read. Raises ModelError if anything is damaged, or
    weights are missing.
    """
    functions = sorted(Program(model.body.span).functions)
    function = read_function(model.body, model.description.defaultFunctionName)
    operations = list(function.block.all_operations())
    file.ops.update(operation.kind for operation in operations if operation.kind != "const")
    file.weights += _weights(operations, Blobs(model.model_path.parent))
    values = {output.name: output for operation in operations for output in operation.outputs}
    file.outputs = [_with_shape(tensor, values.get(tensor.name)) for tensor in file.outputs]
    return function.opset, functions


def _with_shape(tensor: TensorInfo, value: NamedType | None) -> TensorInfo:
    """An output with its shape; the description leaves out one that is not always the same."""
    if tensor.shape is not None or value is None or value.type is None:
        return tensor
    return replace(tensor, shape=list(value.type.shape))


def _weights(operations: list[Operation], blobs: Blobs) -> Iterator[WeightInfo]:
    """Constants of any size, whatever they are packed in; the settings of ops are no weights."""
    makers: dict[str, Constant] = {}
    for operation in operations:
        if operation.kind.startswith("const"):
            constant = Constant(operation, makers)
            makers |= {output.name: constant for output in operation.outputs}
        else:
            yield from _written_in(operation, blobs)
    constants = list(dict.fromkeys(makers.values()))
    sources = {name for constant in constants for name in constant.source_names}
    for constant in constants:
        if not any(output.name in sources for output in constant.outputs):
            yield from _weight(constant, blobs)


def _weight(constant: Constant, blobs: Blobs) -> Iterator[WeightInfo]:
    size = _size(constant, blobs, set())
    output = constant.outputs[-1]
    dtype = constant.stored_type
    if output.type is None or (constant.kind == "const" and dtype not in _WEIGHT_TYPES):
        return
    shape = constant_shape(output.type)
    count = math.prod(shape)
    if count >= FEWEST_ELEMENTS:
        yield WeightInfo(output.name, dtype, shape, count, size, constant.compression)


def _size(constant: Constant, blobs: Blobs, counted: set[Constant]) -> int:
    """The bytes of a constant and of all that it is unpacked from and with, settings aside."""
    if constant in counted:
        return 0
    counted.add(constant)
    sizes = [(value.type, blobs.size(value)) for value in constant.values]
    own = sum(size for kind, size in sizes if kind is not None and kind.dtype in _WEIGHT_TYPES)
    return own + sum(_size(source, blobs, counted) for source in constant.sources.values())


def _written_in(operation: Operation, blobs: Blobs) -> Iterator[WeightInfo]:
    """Weights that stand right in an input of an op."""
    for name, arguments in operation.inputs.items():
        for value in (argument.value for argument in arguments):
            if value is None or value.type is None or value.type.dtype not in _WEIGHT_TYPES:
                continue
            shape = constant_shape(value.type)
            count = math.prod(shape)
            if count >= FEWEST_ELEMENTS:
                owner = operation.outputs[0].name if operation.outputs else operation.kind
                size = blobs.size(value)
                yield WeightInfo(f"{owner}.{name}", value.type.dtype, shape, count, size)
