"""The operations of a Core ML model: an ML program or a neural network."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dsconv.errors import ModelError
from dsconv.formats.coreml.file import NEURAL_NETWORK, PROGRAM, CoreMlFile, open_core_ml
from dsconv.formats.coreml.interface import Description, read_description
from dsconv.formats.coreml.network import Layer, Network
from dsconv.formats.coreml.program import Operation, read_function
from dsconv.inspect.converted import ConvertedFile
from dsconv.inspect.coreml.network import read_network
from dsconv.inspect.drawing.opgraph import Op, OpGraph, Tensor
from dsconv.inspect.report import WeightInfo


def read_core_ml(path: Path) -> OpGraph:
    """Read a model. Raises ModelError if it is of another kind than a program or a network."""
    model = open_core_ml(path)
    description = read_description(model.description)
    if model.kind == PROGRAM:
        return _program(model, description)
    if model.kind == NEURAL_NETWORK:
        return _network(model, description)
    raise ModelError(
        "it is a Core ML model of another kind; pass an ML program or a neural network."
    )


def _inputs(description: Description) -> list[Tensor]:
    return [
        Tensor(
            each.name, each.dtype, None if each.dynamic_shape is None else tuple(each.dynamic_shape)
        )
        for each in (*description.inputs, *description.states)
    ]


def _program(model: CoreMlFile, description: Description) -> OpGraph:
    function = read_function(model.body, model.description.defaultFunctionName)
    constants: list[Tensor] = []
    ops: list[Op] = []
    for operation in function.block.operations:
        if operation.kind.startswith("const"):
            constants += _constants(operation)
        else:
            ops.append(_operation(operation))
    outputs = [(each.name, each.name) for each in description.outputs]
    return OpGraph(_inputs(description), constants, ops, outputs)


def _constants(operation: Operation) -> list[Tensor]:
    return [
        Tensor(output.name, output.type.dtype, tuple(output.type.shape))
        if output.type is not None
        else Tensor(output.name, "list", None)
        for output in operation.outputs
    ]


def _operation(operation: Operation) -> Op:
    inside: Counter[str] = Counter()
    constants: list[Tensor] = []
    taken = [a.name for many in operation.inputs.values() for a in many if a.name]
    made = {output.name for output in operation.outputs}
    for block in operation.blocks:
        made |= {value.name for value in block.inputs}
        for inner in block.all_operations():
            made |= {output.name for output in inner.outputs}
            taken += [a.name for many in inner.inputs.values() for a in many if a.name]
            if inner.kind.startswith("const"):
                constants += _constants(inner)
            else:
                inside[inner.kind] += 1
    outputs = tuple(output.name for output in operation.outputs)
    inputs = tuple(name for name in dict.fromkeys(taken) if name not in made)
    name = outputs[0] if outputs else operation.kind
    return Op(name, operation.kind, inputs, outputs, inside, tuple(constants))


def _network(model: CoreMlFile, description: Description) -> OpGraph:
    file = ConvertedFile()
    read_network(model, file)
    ops = [_layer(layer, file.weights) for layer in Network(model.body).layers]
    outputs = [each.name for each in description.outputs]
    return OpGraph(_inputs(description), [], _in_versions(ops), _last_versions(ops, outputs))


def _layer(layer: Layer, weights: list[WeightInfo]) -> Op:
    """A layer, with the weights that are named after it."""
    start = f"{layer.name}."
    constants = tuple(
        Tensor(f"{layer.name}/{each.name.removeprefix(start)}", each.dtype, tuple(each.shape))
        for each in weights
        if each.name.startswith(start)
    )
    inside = Counter(
        inner.kind for network in layer.networks.values() for inner in network.all_layers()
    )
    return Op(layer.name, layer.kind, layer.inputs, layer.outputs, inside, constants)


def _in_versions(ops: list[Op]) -> list[Op]:
    """Layers may write over a value: each time it is another one."""
    versions: Counter[str] = Counter()
    found = []
    for op in ops:
        inputs = tuple(_version(name, versions[name]) for name in op.inputs)
        versions.update(op.outputs)
        outputs = tuple(_version(name, versions[name]) for name in op.outputs)
        found.append(Op(op.name, op.kind, inputs, outputs, op.inside, op.constants))
    return found


def _last_versions(ops: list[Op], outputs: list[str]) -> list[tuple[str, str]]:
    versions = Counter(name for op in ops for name in op.outputs)
    return [(name, _version(name, versions[name])) for name in outputs]


def _version(name: str, count: int) -> str:
    return name if count < 2 else f"{name} ({count})"
