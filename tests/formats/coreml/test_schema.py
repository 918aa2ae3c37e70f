"""The schemas of Core ML's messages are those of Core ML Tools."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from dsconv.formats.coreml import network_schema, schema
from dsconv.formats.protobuf.schema import TypedMessage
from tests.inspect.coreml_models import coremltools

# Messages that stand for several of the same fields.
SHARED = {
    "Values": ("ListValue", "TupleValue"),
    "RepeatedBytes": ("RepeatedFloats", "RepeatedDoubles", "RepeatedBytes"),
    "RepeatedIntegers": ("RepeatedInts", "RepeatedBools", "RepeatedLongInts"),
}


def declared(module: ModuleType) -> list[type[TypedMessage]]:
    """The schemas of a module."""
    found = [each for each in vars(module).values() if isinstance(each, type)]
    return [each for each in found if each.__module__ == module.__name__]


def descriptors() -> dict[str, list[Any]]:
    """All messages of Core ML Tools by their names, also those inside others."""
    coremltools()
    from coremltools.proto import (
        FeatureTypes_pb2,
        MIL_pb2,
        Model_pb2,
        NeuralNetwork_pb2,
    )

    found: dict[str, list[Any]] = {}
    waiting: list[Any] = []
    for file in (Model_pb2, FeatureTypes_pb2, MIL_pb2, NeuralNetwork_pb2):
        waiting += file.DESCRIPTOR.message_types_by_name.values()
    while waiting:
        message = waiting.pop()
        found.setdefault(message.name, []).append(message)
        waiting += message.nested_types
    return found


SCHEMAS = [*declared(schema), *declared(network_schema)]


@pytest.mark.parametrize("message", SCHEMAS, ids=lambda each: each.__name__)
def test_fields_are_those_of_core_ml(message: type[TypedMessage]) -> None:
    """Each field has the number and the repetition that its name has there."""
    known = descriptors()
    for name in SHARED.get(message.__name__, (message.__name__,)):
        assert any(agrees(message, each) for each in known[name]), name


def agrees(message: type[TypedMessage], descriptor: Any) -> bool:
    """Whether all declared fields are those of a message of Core ML Tools."""
    real = descriptor.fields_by_name
    return all(
        name in real
        and each.number == real[name].number
        # Bytes may come in pieces.
        and (each.kind == "Span" or bool(each.container) == bool(real[name].is_repeated))
        for name, each in message.fields.items()
    )


def test_kinds_of_layers_are_those_of_core_ml() -> None:
    """Their names, and the names of the messages of their parameters."""
    (layer,) = descriptors()["NeuralNetworkLayer"]
    kinds = {field.number: name for name, field in layer.fields_by_name.items()}
    assert {number: kinds[number] for number in network_schema.LAYER_KINDS} == (
        network_schema.LAYER_KINDS
    )
    for kind, parameters in network_schema.PARAMETERS.items():
        assert layer.fields_by_name[kind].message_type.name == parameters.__name__
