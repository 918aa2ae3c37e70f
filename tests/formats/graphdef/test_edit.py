"""Edits give graphs that compute what the edit says, and refuse what they cannot do."""

from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.edit import cut, extract, freeze_input
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.tensor import Tensor
from tests.reference import run_graph


def test_extract_keeps_what_the_outputs_need(small_graph: Graph) -> None:
    """The front end alone, in the order of the file."""
    front_end = extract(small_graph, ["mfccs"])
    assert [node.name for node in front_end] == [node.name for node in small_graph][:9]
    assert "mfccs" in front_end
    assert "logits" not in front_end


def test_extract_of_another_output_of_a_node(small_graph: Graph) -> None:
    """A tensor's name keeps the node that makes it."""
    lstm = next(node for node in small_graph if node.op == "BlockLSTM")
    assert lstm.name in extract(small_graph, [f"{lstm.name}:6"])


def test_extract_names_a_missing_output(small_graph: Graph) -> None:
    """A wrong name is an error with the name in it."""
    with pytest.raises(ConversionError, match="no node 'nothing'"):
        extract(small_graph, ["nothing"])


def test_freeze_makes_a_constant_of_the_placeholders_type(small_graph: Graph) -> None:
    """The classic: input_lengths becomes 16."""
    frozen = freeze_input(small_graph, "input_lengths", [16])
    node = frozen["input_lengths"]
    assert node.op == "Const"
    tensor = node.attribute("value", Tensor)
    assert (tensor.dtype, tensor.shape, tensor.numbers()) == (DataType.INT32, (1,), [16])
    assert len(frozen) == len(small_graph)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("logits", [1], "is a Softmax, not an input"),
        ("input_lengths", [1, 2], r"has shape \[1\]; a value of shape \[2\] does not fit"),
        ("nothing", [1], "no node 'nothing'"),
    ],
)
def test_freeze_refuses_what_does_not_fit(
    name: str, value: list[int], says: str, small_graph: Graph
) -> None:
    """Only inputs can be frozen, and only to values of their shape."""
    with pytest.raises(ConversionError, match=says):
        freeze_input(small_graph, name, value)


@pytest.mark.tensorflow
def test_frozen_lengths_compute_the_same(small_graph: Graph, tensorflow: Any) -> None:
    """A frozen input gives what feeding it gives."""
    feeds = network_feeds(small_graph, length=7)
    outputs = ["logits", "new_state_c", "new_state_h"]
    expected = run_graph(tensorflow, small_graph, feeds, outputs)
    frozen = freeze_input(small_graph, "input_lengths", feeds.pop("input_lengths"))
    for actual, other in zip(run_graph(tensorflow, frozen, feeds, outputs), expected, strict=True):
        np.testing.assert_array_equal(actual, other)


@pytest.mark.tensorflow
def test_cut_computes_the_rest(small_graph: Graph, tensorflow: Any) -> None:
    """Feeding a cut tensor its own value gives the same result, for any output of a node."""
    feeds = network_feeds(small_graph, length=16)
    lstm = next(node for node in small_graph if node.op == "BlockLSTM")
    for tensor in ("Minimum_2", f"{lstm.name}:6"):
        value, expected = run_graph(tensorflow, small_graph, feeds, [tensor, "logits"])
        rest = extract(cut(small_graph, tensor, value.shape, name="cut_here"), ["logits"])
        inputs = {node.name for node in rest if node.op == "Placeholder"}
        needed = {name: feeds[name] for name in inputs & set(feeds)} | {"cut_here": value}
        assert "input_node" not in inputs
        (actual,) = run_graph(tensorflow, rest, needed, ["logits"])
        np.testing.assert_array_equal(actual, expected)


def test_cut_in_place_keeps_the_name(small_graph: Graph) -> None:
    """A cut node becomes an input of its name and type, and other cuts get a new name."""
    result = cut(small_graph, "Reshape_1", (16, 494))
    assert result["Reshape_1"].op == "Placeholder"
    assert result["Reshape_1"].shape() == (16, 494)
    assert result["Reshape_1"].attribute("dtype", DataType) is DataType.FLOAT
    less = next(node for node in small_graph if node.op == "Less")
    assert cut(small_graph, less.name, (16, 1))[less.name].attribute("dtype", DataType) == 10


@pytest.mark.parametrize(
    ("tensor", "name", "says"),
    [
        ("initialize", None, "no node 'initialize'"),
        ("Minimum", "logits", "has a node 'logits' already"),
        ("BlockLSTM", None, "has other outputs in use; pass another name"),
    ],
)
def test_cut_refuses(tensor: str, name: str | None, says: str, small_graph: Graph) -> None:
    """What cannot be cut is refused with its reason."""
    if tensor == "BlockLSTM":
        tensor = next(node.name for node in small_graph if node.op == "BlockLSTM")
    with pytest.raises(ConversionError, match=says):
        cut(small_graph, tensor, (1,), name=name)


def network_feeds(graph: Graph, length: int) -> dict[str, Any]:
    """Random inputs of a graph's network."""
    rng = np.random.default_rng(5)
    feeds: dict[str, Any] = {"input_lengths": np.array([length], np.int32)}
    for name in ("input_node", "previous_state_c", "previous_state_h"):
        feeds[name] = rng.normal(size=graph[name].shape()).astype(np.float32)
    return feeds
