"""The schema of ONNX's messages is that of the onnx package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.formats.onnx import schema
from dsconv.formats.onnx.schema import TYPES, ModelProto
from dsconv.formats.protobuf.schema import TypedMessage
from dsconv.formats.toolkits import import_onnx

# The messages that onnx.proto declares inside others.
NESTED = {"TensorTypeProto": "TypeProto.Tensor", "Dimension": "TensorShapeProto.Dimension"}
SCHEMAS = [
    each
    for each in vars(schema).values()
    if isinstance(each, type) and each.__module__ == schema.__name__
]


@pytest.mark.parametrize("message", SCHEMAS, ids=lambda each: each.__name__)
def test_fields_are_those_of_onnx(message: type[TypedMessage]) -> None:
    """Each field has the number and the repetition that its name has there."""
    name = NESTED.get(message.__name__, message.__name__)
    found: Any = import_onnx()
    for part in name.split("."):
        found = getattr(found, part)
    for key, each in message.fields.items():
        real = found.DESCRIPTOR.fields_by_name[key]
        assert each.number == real.number, key
        assert bool(each.container) == bool(real.is_repeated), key


def test_types_are_those_of_onnx() -> None:
    """Their numbers, names and sizes."""
    onnx = import_onnx()
    for number, (name, size) in TYPES.items():
        known = {"float32": "FLOAT", "float64": "DOUBLE"}.get(name, name.upper())
        assert onnx.TensorProto.DataType.Value(known) == number
        if name not in ("string", "bfloat16"):
            assert onnx.helper.tensor_dtype_to_np_dtype(number).itemsize == size


def test_a_model_is_read(tmp_path: Path) -> None:
    """Constants by name with their bytes, nodes with their attributes, graphs inside nodes."""
    onnx = import_onnx()
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    inside = helper.make_graph([helper.make_node("Abs", ["x"], ["z"])], "inside", [], [])
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["y"], name="product"),
            helper.make_node("If", ["c"], ["z"], then_branch=inside, axes=[0, 1], mode="m"),
        ],
        "g",
        [helper.make_tensor_value_info("x", float32, ["n", 2])],
        [onnx.ValueInfoProto(name="y")],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    path = tmp_path / "a.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    found = ModelProto.of_file(path).graph
    (weight,) = found.initializer
    assert (weight.name, weight.dtype, weight.dims, weight.nbytes) == ("w", "float32", [2, 3], 24)
    assert bytes(weight.raw_data.view) == weights.tobytes()
    product, branch = found.node
    assert (product.op_type, product.input, product.output) == ("MatMul", ["x", "w"], ["y"])
    assert [node.op_type for each in branch.graphs for node in each.node] == ["Abs"]
    assert (branch.attributes["axes"], branch.attributes["mode"]) == ([0, 1], b"m")
    assert [(each.name, each.shape) for each in found.input] == [("x", [-1, 2])]
    assert [each.shape for each in found.output] == [None]
