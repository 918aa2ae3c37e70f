"""New nodes are what TensorFlow would have written."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.write import (
    constant_chunks,
    edited,
    new_constant,
    new_node,
    write_graph,
)
from dsconv.formats.storage import write_chunks


def written(graph: Graph) -> bytes:
    file = io.BytesIO()
    write_graph(file, graph)
    return file.getvalue()


def test_an_unchanged_graph_is_written_byte_for_byte(small_model: Path) -> None:
    """Reading and writing changes nothing, the fields after the nodes included."""
    assert written(open_graph(small_model)) == small_model.read_bytes()


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "value",
    [
        np.array(1.5, np.float32),
        np.array([1, -2], np.int32),
        np.array([-1], np.int32),
        np.array([2**40], np.int64),
        np.array([True]),
        np.array([[0.1, 0.2]], np.float32),
        np.array([b"a\xff"], object),
    ],
    ids=str,
)
def test_constants_equal_tensorflows(value: Any, tensorflow: Any) -> None:
    """A value is stored in the field where TensorFlow stores it."""
    node = new_constant("a", value)
    expected = tensorflow.make_tensor_proto(value)
    actual = tensorflow.compat.v1.NodeDef.FromString(bytes(node.span.view))
    assert actual.attr["value"].tensor == expected
    assert actual.attr["dtype"].type == expected.dtype


def test_every_kind_of_attribute_comes_back() -> None:
    """Attributes are written with their types, and read as the same values."""
    attributes = {
        "flag": False,
        "kind": DataType.INT64,
        "count": -3,
        "rate": 0.5,
        "format": b"NHWC",
        "shape": (1, -1, 19),
        "_class": [b"loc:@a"],
    }
    node = new_node("a", "Op", ["b", "^c"], attributes, "/device:CPU:0")
    assert dict(node.attributes) == attributes
    assert (node.inputs, node.device) == (("b", "^c"), "/device:CPU:0")


def test_large_constants_are_written_around_their_bytes() -> None:
    """The chunks of a constant make the node that a message would make."""
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    expected = new_constant("w", value)
    file = io.BytesIO()
    write_chunks(file, constant_chunks("w", DataType.FLOAT, (2, 3), value.data.cast("B")))
    assert file.getvalue() == bytes(expected.span.view)


def test_an_edit_keeps_what_it_does_not_change(small_graph: Graph) -> None:
    """Order and values of the other attributes stay."""
    node = small_graph["input_node"]
    changed = edited(node, attributes={"shape": (1, 32, 19, 26)})
    assert list(changed.attributes) == list(node.attributes)
    assert changed.shape() == (1, 32, 19, 26)
    assert changed.attribute("dtype", DataType) is DataType.FLOAT
    assert edited(small_graph["mfccs"], inputs=["x"]).inputs == ("x",)


def test_unknown_attributes_survive_an_edit() -> None:
    """An attribute of a kind that dsconv does not write (a function) passes through."""
    function = b"\x52\x03\x0a\x01f"
    entry = b"\x0a\x01f\x12" + bytes([len(function)]) + function
    node = new_node("a", "Op", ["b"])
    data = bytes(node.span.view) + b"\x2a" + bytes([len(entry)]) + entry
    from dsconv.formats.graphdef.node import parse_node
    from dsconv.formats.storage import Storage

    before: Node = parse_node(Storage.of_bytes(data).span(0, len(data)))
    after = edited(before, inputs=["c"])
    assert bytes(after.attributes.span("f").view) == function
