"""The tables that dsconv reads and writes are those of LiteRT's schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from dsconv.formats.tflite.flatbuffer import Table, packed
from dsconv.formats.tflite.schema import (
    IDENTIFIER,
    OPS,
    OPTIONS,
    TYPES,
    VERSION,
    Buffer,
    Metadata,
    Model,
    Operator,
    OperatorCode,
    QuantizationParameters,
    SubGraph,
    Tensor,
)
from dsconv.formats.toolkits import import_litert_schema


def in_schema(name: str) -> str:
    """A field's name in the classes of the schema, such as ``zeroPoint``."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def model(operator: Operator, data: bytes = b"") -> memoryview:
    """A model of one op."""
    graph = SubGraph(name="main", inputs=[0], outputs=[1], tensors=[], operators=[operator])
    buffers = [Buffer(), Buffer(data=memoryview(data))]
    whole = Model(version=VERSION, description="dsconv", subgraphs=[graph], buffers=buffers)
    return packed(whole, IDENTIFIER, len(data))


def read(view: memoryview) -> Any:
    """A model as LiteRT reads it."""
    return import_litert_schema().ModelT.InitFromPackedBuf(view, 0)


class Nothing(Table):
    """A table of no fields."""


def assert_unset(found: Any, but: Iterable[str]) -> None:
    """All fields are as in a table that sets none, but for some."""
    empty = type(found).InitFromPackedBuf(packed(Nothing(), IDENTIFIER, 0), 0)
    for field in set(vars(found)) - set(map(in_schema, but)):
        assert getattr(found, field) == getattr(empty, field), field


@pytest.mark.parametrize("op", sorted(OPTIONS))
def test_options_are_those_of_the_schema(op: str) -> None:
    """Each op's are found under its name, and each of their fields has the value it was given."""
    schema = import_litert_schema()
    number, table = OPTIONS[op]
    given: dict[str, Any] = {name: index + 1 for index, name in enumerate(table.fields)}
    if "new_shape" in given:
        given["new_shape"] = [3, 4]
    operator = Operator(
        inputs=[0], outputs=[1], builtin_options_type=number, builtin_options=table(**given)
    )
    view = model(operator)
    found = read(view).subgraphs[0].operators[0]
    expected = "".join(word.capitalize() for word in op.split("_"))
    shared = {"Maximum": "MaximumMinimum", "Minimum": "MaximumMinimum", "Mean": "Reducer"}
    kind = type(found.builtinOptions).__name__
    assert kind == f"{shared.get(expected, expected)}OptionsT"
    assert found.builtinOptionsType == getattr(schema.BuiltinOptions, kind.removesuffix("T"))
    for name, value in given.items():
        assert np.all(getattr(found.builtinOptions, in_schema(name)) == value), name
    assert_unset(found.builtinOptions, given)
    options = Model.root(view).subgraphs[0].operators[0].builtin_options
    assert options is not None
    assert options.read_as(table).values() == given


EXAMPLES: list[tuple[Table, str]] = [
    (QuantizationParameters(scale=[0.5], zero_point=[7]), "QuantizationParametersT"),
    (
        Tensor(
            shape=[1, 2], type=9, buffer=3, name="weights", shape_signature=[-1, 2], has_rank=True
        ),
        "TensorT",
    ),
    (
        OperatorCode(deprecated_builtin_code=32, custom_code="Mfcc", version=2, builtin_code=33),
        "OperatorCodeT",
    ),
    (
        Operator(opcode_index=5, inputs=[1, 2], outputs=[3], custom_options=memoryview(b"abc")),
        "OperatorT",
    ),
    (Metadata(name="key", buffer=4), "MetadataT"),
    (Buffer(data=memoryview(b"abc")), "BufferT"),
]


@pytest.mark.parametrize(("table", "name"), EXAMPLES, ids=[name for _, name in EXAMPLES])
def test_fields_are_those_of_the_schema(table: Table, name: str) -> None:
    """Whatever was set is found under its name, there and here, and nothing else is set."""
    given = {field: value for field, value in vars(table).items() if field in table.fields}
    view = packed(table, IDENTIFIER, 0)
    found = getattr(import_litert_schema(), name).InitFromPackedBuf(view, 0)
    again = type(table).root(view)
    for field, value in given.items():
        expected = value.encode() if isinstance(value, str) else value
        assert np.all(getattr(found, in_schema(field)) == expected), field
        assert getattr(again, field) == value, field
    assert_unset(found, given)


def test_what_is_left_out() -> None:
    """A field that the file does not hold is 0, empty, or None for a table."""
    tensor = Tensor.root(packed(Tensor(name="x"), IDENTIFIER, 0))
    assert (tensor.shape, tensor.type, tensor.has_rank, tensor.quantization) == ([], 0, False, None)


def test_a_field_that_no_table_has() -> None:
    """A misspelt field is an error, not left out."""
    with pytest.raises(TypeError, match="Tensor has no field"):
        Tensor(nmae="x")


def test_a_model_is_that_of_the_schema() -> None:
    """Its parts stand where LiteRT looks for them."""
    found = read(model(Operator(inputs=[4], outputs=[5]), b"data"))
    assert (found.version, found.description) == (3, b"dsconv")
    assert [buffer.data is None for buffer in found.buffers] == [True, False]
    graph = found.subgraphs[0]
    assert (graph.name, graph.inputs.tolist(), graph.outputs.tolist()) == (b"main", [0], [1])
    assert graph.operators[0].inputs.tolist() == [4]


@pytest.mark.parametrize("before", range(4))
def test_buffers_are_aligned(before: int) -> None:
    """To 16 bytes in the file, whatever stands before and after them."""
    data = b"0123456789abcdef"
    buffers = [Buffer(data=memoryview(bytes(before))), Buffer(data=memoryview(data))]
    view = packed(Model(buffers=buffers, description="-" * before), IDENTIFIER, 0)
    assert bytes(view).index(data) % 16 == 0


def test_numbers_stand_for_what_the_schema_says() -> None:
    """Ops and types; LiteRT may know more."""
    schema = import_litert_schema()
    ops = {name: number for name, number in vars(schema.BuiltinOperator).items() if name in OPS}
    assert ops == {name: number for number, name in enumerate(OPS)}
    for number, (name, _) in TYPES.items():
        assert getattr(schema.TensorType, name.upper()) == number
