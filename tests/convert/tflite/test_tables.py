"""The tables that dsconv writes, read back with the classes of LiteRT's schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from dsconv.convert.tflite import tables
from dsconv.convert.tflite.flatbuffer import Table, packed
from dsconv.formats.tflite.schema import OPS, TYPES
from dsconv.formats.toolkits import import_litert_schema

# The fields of the schema that have other names here.
SCHEMA_NAMES = {
    "activation": "fused_activation_function",
    "code": "opcode_index",
    "options": "builtin_options",
}


def in_schema(name: str) -> str:
    """A field's name in the classes of the schema, such as ``zeroPoint``."""
    first, *others = SCHEMA_NAMES.get(name, name).split("_")
    return first + "".join(word.capitalize() for word in others)


def numbers(*values: int) -> tables.Integers:
    return np.array(values, np.int32)


def model(operator: tables.Operator, data: bytes = b"") -> Any:
    """A model of one op as LiteRT reads it."""
    graph = tables.Subgraph(b"main", numbers(0), numbers(1), operators=[operator])
    whole = tables.Model(subgraphs=[graph])
    whole.buffers.append(tables.Buffer(np.frombuffer(data, np.uint8)))
    schema = import_litert_schema()
    return schema.ModelT.InitFromPackedBuf(packed(whole, b"TFL3", len(data)), 0)


class Nothing(Table):
    """A table of no fields."""


def assert_unset(found: Any, but: Iterable[str]) -> None:
    """All fields are as in a table that sets none, but for some."""
    empty = type(found).InitFromPackedBuf(packed(Nothing(), b"TFL3", 0), 0)
    for field in set(vars(found)) - set(map(in_schema, but)):
        assert getattr(found, field) == getattr(empty, field), field


@pytest.mark.parametrize("op", sorted(tables.OPTIONS))
def test_options_are_those_of_the_schema(op: str) -> None:
    """Each op's are found under its name, and each of their fields has the value it was given."""
    schema = import_litert_schema()
    names = list(tables.OPTIONS[op][1])
    given: dict[str, Any] = {name: place + 1 for place, name in enumerate(names)}
    if "new_shape" in given:
        given["new_shape"] = numbers(3, 4)
    options = tables.OpOptions.of(op, given)
    found = model(tables.Operator(0, numbers(0), numbers(1), options)).subgraphs[0].operators[0]
    expected = "".join(word.capitalize() for word in op.split("_"))
    shared = {"Maximum": "MaximumMinimum", "Minimum": "MaximumMinimum", "Mean": "Reducer"}
    kind = type(found.builtinOptions).__name__
    assert kind == f"{shared.get(expected, expected)}OptionsT"
    assert found.builtinOptionsType == getattr(schema.BuiltinOptions, kind.removesuffix("T"))
    for name, value in given.items():
        assert np.all(getattr(found.builtinOptions, in_schema(name)) == value), name
    assert_unset(found.builtinOptions, given)


EXAMPLES: list[tuple[Table, str]] = [
    (tables.Quantization(np.array([0.5], np.float32), np.array([7])), "QuantizationParametersT"),
    (
        tables.Tensor(
            numbers(1, 2), 9, b"weights", 3, None, shape_signature=numbers(-1, 2), has_rank=True
        ),
        "TensorT",
    ),
    (tables.OperatorCode(32, 33, 2, b"Mfcc"), "OperatorCodeT"),
    (
        tables.Operator(5, numbers(1, 2), numbers(3), None, np.frombuffer(b"abc", np.uint8)),
        "OperatorT",
    ),
    (tables.Metadata(b"key", 4), "MetadataT"),
    (tables.Buffer(np.frombuffer(b"abc", np.uint8)), "BufferT"),
]


@pytest.mark.parametrize(("table", "name"), EXAMPLES, ids=[name for _, name in EXAMPLES])
def test_fields_are_those_of_the_schema(table: Table, name: str) -> None:
    """Whatever was set is found under its name, and nothing else is set."""
    kind = getattr(import_litert_schema(), name)
    found = kind.InitFromPackedBuf(packed(table, b"TFL3", 0), 0)
    for field, value in vars(table).items():
        read = getattr(found, in_schema(field))
        assert read is value is None or np.all(read == value), field
    assert_unset(found, vars(table))


def test_a_model_is_that_of_the_schema() -> None:
    """Its parts stand where LiteRT looks for them."""
    found = model(tables.Operator(0, numbers(4), numbers(5)), b"data")
    assert (found.version, found.description) == (3, b"dsconv")
    assert [buffer.data is None for buffer in found.buffers] == [True, False]
    graph = found.subgraphs[0]
    assert (graph.name, graph.inputs.tolist(), graph.outputs.tolist()) == (b"main", [0], [1])
    assert graph.operators[0].inputs.tolist() == [4]


@pytest.mark.parametrize("before", range(4))
def test_buffers_are_aligned(before: int) -> None:
    """To 16 bytes in the file, whatever stands before and behind them."""
    data = np.frombuffer(b"0123456789abcdef", np.uint8)
    buffers = [tables.Buffer(np.zeros(before, np.uint8)), tables.Buffer(data)]
    view = packed(tables.Model(buffers=buffers, description=b"-" * before), b"TFL3", 0)
    assert bytes(view).index(data.tobytes()) % 16 == 0


def test_numbers_stand_for_what_the_schema_says() -> None:
    """Ops and types; LiteRT may know more."""
    schema = import_litert_schema()
    ops = {name: number for name, number in vars(schema.BuiltinOperator).items() if name in OPS}
    assert ops == {name: number for number, name in enumerate(OPS)}
    for number, (name, _) in TYPES.items():
        assert getattr(schema.TensorType, name.upper()) == number
