"""A graph read by dsconv is the graph that TensorFlow reads."""

from pathlib import Path
from typing import Any

import pytest

from dsconv.errors import ConversionError, ModelError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.node import TensorName
from dsconv.formats.graphdef.tensor import Tensor

ORIGINALS = [
    "coqui-1.4.0-static.pb",
    "deepspeech-0.1.1-static.pb",
    "deepspeech-0.2.0-static.pb",
    "deepspeech-0.4.1-nosl.pb",
    "deepspeech-0.4.1-static.pb",
    "deepspeech-0.5.1-static.pb",
    "deepspeech-0.6.1-static.pb",
    "deepspeech-0.9.3-8k-static.pb",
    "deepspeech-0.9.3-bytes-static.pb",
    "deepspeech-0.9.3-dynamic.pb",
    "deepspeech-0.9.3-ln-static.pb",
    "deepspeech-0.9.3-static.pb",
    "not-frozen-0.1.1.pb",
]


def tensorflow_value(tensorflow: Any, value: Any) -> Any:
    """An AttrValue of TensorFlow as dsconv gives it."""
    kind = value.WhichOneof("value")
    if kind == "list":
        return [
            item
            for field, items in value.list.ListFields()
            for item in (map(DataType, items) if field.name == "type" else items)
        ]
    plain = getattr(value, kind)
    if kind == "type":
        return DataType(plain)
    if kind == "shape":
        return None if plain.unknown_rank else tuple(dim.size for dim in plain.dim)
    return tensorflow.make_ndarray(plain).tolist() if kind == "tensor" else plain


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ORIGINALS)
def test_equals_what_tensorflow_reads(name: str, models: Path, tensorflow: Any) -> None:
    """Names, ops, inputs, devices and every attribute, tensors included."""
    expected = tensorflow.compat.v1.GraphDef()
    expected.ParseFromString((models / name).read_bytes())
    graph = open_graph(models / name)
    assert [node.name for node in graph] == [node.name for node in expected.node]
    for node, expected_value in zip(graph, expected.node, strict=True):
        assert (node.op, node.device) == (expected_value.op, expected_value.device)
        assert list(node.inputs) == list(expected_value.input)
        assert set(node.attributes) == set(expected_value.attr)
        for key, value in node.attributes.items():
            plain = value.array().tolist() if isinstance(value, Tensor) else value
            assert plain == tensorflow_value(tensorflow, expected_value.attr[key]), (node.name, key)


def test_unknown_node_is_named(small_graph: Graph) -> None:
    """Asking for a node that is not there says its name."""
    with pytest.raises(ConversionError, match="no node 'nothing'"):
        small_graph["nothing"]


def test_attribute_of_another_type_is_damage(small_graph: Graph) -> None:
    """An attribute is what the caller expects, or an error that names it."""
    with pytest.raises(ModelError, match=r"'logits' \(Softmax\): attribute 'T' should be int"):
        small_graph["logits"].attribute("T", int)


def test_constants_are_seen_through_identities(small_graph: Graph) -> None:
    """A weight is found after the Identity that reads it."""
    tensor = small_graph.constant("layer_1/bias/read")
    assert tensor is not None
    assert tensor.shape == (32,)
    assert small_graph.constant("input_node") is None


def test_consumers_count_control_dependencies(small_graph: Graph) -> None:
    """Each node knows who uses any of its outputs."""
    users = {node.name.rpartition("/")[2] for node in small_graph.consumers["input_lengths"]}
    assert users == {"Max", "ExpandDims", "stack", "stack_1"}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("a/b", TensorName("a/b", 0, False)),
        ("a:2", TensorName("a", 2, False)),
        ("^a", TensorName("a", 0, True)),
    ],
)
def test_tensor_names(text: str, parsed: TensorName) -> None:
    """Inputs name a node, one of its outputs or a dependency, and are written back the same."""
    assert TensorName.parse(text) == parsed
    assert str(parsed) == text


def test_truncated_graph_is_an_error_at_every_length(small_model: Path, tmp_path: Path) -> None:
    """Whatever is cut off the end is noticed, but for what leaves whole nodes."""
    data = small_model.read_bytes()
    whole = {len(data) - 4, len(data) - 2}
    path = tmp_path / "cut.pb"
    for length in [1, 2, 50, len(data) // 3, len(data) // 2, len(data) - 700, len(data) - 1]:
        assert length not in whole
        path.write_bytes(data[:length])
        with pytest.raises(ModelError, match=r"cut\.pb"):
            open_graph(path)
