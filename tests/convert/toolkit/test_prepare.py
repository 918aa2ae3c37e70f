"""What is asked for becomes a graph of its own, or is refused with what to pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.convert.options import Options
from dsconv.convert.toolkit.options import ToolkitOptions
from dsconv.convert.toolkit.prepare import Prepared, prepare
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.write import new_constant, new_node
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.model import Tensors, TensorSpec
from tests.convert.toolkit.networks import FLOAT, chain, placeholder


def prepared(
    graph: Graph, *, steps: int | None = None, sizes: Any = None, **asked: Any
) -> Prepared:
    """A graph as the toolkits get it when asked so."""
    return prepare(graph, Options(steps=steps, input_shape=sizes, toolkit=ToolkitOptions(**asked)))


def names(found: Prepared) -> list[str]:
    """All nodes."""
    return [node.name for node in found.graph]


def test_the_default_is_all_that_depends_on_the_inputs() -> None:
    """Outputs are what nothing uses; constants and nodes without results are left out."""
    found = prepared(chain())
    assert found.outputs == ("result", "other")
    assert found.inputs == (
        TensorSpec("x", "float32", (2, 3)),
        TensorSpec("scale", "float32", (1,)),
        TensorSpec("index", "int32", (1,)),
    )
    assert {"unused", "init"}.isdisjoint(names(found))
    assert found.notes == ()


def test_only_what_the_outputs_need_stays() -> None:
    """With other outputs come other inputs."""
    found = prepared(chain(), outputs=("other",))
    assert names(found) == ["x", "other"]
    assert [given.name for given in found.inputs] == ["x"]


def test_outputs_of_the_same_node() -> None:
    """A result by its number becomes an output of a name without it."""
    split = new_node("split", "Split", ["axis", "x"], {**FLOAT, "num_split": 3})
    graph = Graph([placeholder("x", (2, 3)), new_constant("axis", np.array(1, np.int32)), split])
    found = prepared(graph, outputs=("split:1", "split"))
    assert found.outputs == ("split_1", "split")
    feeds: Tensors = {"x": np.array([[1, 2, 3], [4, 5, 6]], np.float32)}
    answers = Evaluator(found.graph).run(feeds, found.outputs)
    assert [answers[name].tolist() for name in found.outputs] == [[[2], [5]], [[1], [4]]]
    assert prepared(graph).outputs == ("split", "split_1", "split_2")
    with pytest.raises(ConversionError, match=r"'split' \(Split\) has 3 results, counted from 0"):
        prepared(graph, outputs=("split:3",))


def test_all_results_have_their_types() -> None:
    """Indices are integers beside what they point at."""
    largest = new_node("largest", "TopKV2", ["x", "k"], FLOAT)
    graph = Graph([placeholder("x", (2, 3)), new_constant("k", np.array(2, np.int32)), largest])
    found = prepared(graph)
    assert found.outputs == ("largest", "largest_1")
    assert found.graph["largest_1"].attribute("T", DataType) is DataType.INT32


def test_results_whose_number_is_not_known_are_named() -> None:
    """Rather than left out without a word."""
    graph = Graph([placeholder("x", (2, 3)), new_node("call", "PartitionedCall", ["x"])])
    with pytest.raises(ConversionError, match=r"'call' \(Part.*several results; name.*call,call:1"):
        prepared(graph)


def test_inputs_are_in_the_order_that_is_asked_for() -> None:
    """Not in that of the graph."""
    found = prepared(chain(), inputs=("index", "x", "scale"), outputs=("result",))
    assert [given.name for given in found.inputs] == ["index", "x", "scale"]


def test_a_tensor_becomes_an_input() -> None:
    """What only it needed goes, and its sizes are those that were passed."""
    found = prepared(
        chain(), inputs=("product", "index"), outputs=("result",), input_shapes={"product": (2, 3)}
    )
    assert found.inputs[0] == TensorSpec("product", "float32", (2, 3))
    assert "x" not in names(found)
    feeds: Tensors = {"product": np.ones((2, 3), np.float32), "index": np.array([2], np.int32)}
    answer = Evaluator(found.graph).run(feeds, ["result"])["result"]
    assert np.allclose(answer, np.tanh(3))


@pytest.mark.parametrize(
    ("value", "expected"), [(2, 2.0), (0.5, 0.5), ([3], 3.0), ([0.25], 0.25)], ids=str
)
def test_a_frozen_input_is_a_constant(value: Any, expected: float) -> None:
    """Of its own type; a single number fills its shape."""
    found = prepared(chain(), outputs=("product",), freeze={"scale": value})
    assert [given.name for given in found.inputs] == ["x"]
    answer = Evaluator(found.graph).run({"x": np.ones((2, 3), np.float32)}, ["product"])["product"]
    assert answer.tolist() == [[expected] * 3] * 2


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"outputs": ("nothing",)}, "no node 'nothing'"),
        ({"outputs": ("init",)}, r"'init' \(NoOp\) gives no tensor"),
        ({"outputs": ("result", "result")}, "names a tensor twice"),
        ({"outputs": ("unused",)}, "nothing is left to feed: unused needs no input"),
        ({"inputs": ("nothing",)}, "no node 'nothing'"),
        ({"inputs": ("product",)}, r"'product' \(Mul\) is computed.*--input-shape product="),
        ({"inputs": ("x",)}, "needs input 'scale' too.*--freeze scale=VALUE"),
        ({"inputs": ("x", "scale"), "outputs": ("other",)}, "other does not need 'scale'"),
        ({"freeze": {"nothing": 1}}, "no node 'nothing'"),
        ({"freeze": {"product": 1}}, "'product' is a Mul, not an input"),
        ({"freeze": {"index": 1.5}}, "input 'index' is of int32; --freeze index=1.5"),
        ({"freeze": {"index": 2**40}}, "input 'index' is of int32"),
        ({"freeze": {"index": True}}, "input 'index' is of int32; --freeze index=True"),
        ({"freeze": {"scale": "much"}}, "input 'scale' is of float32; --freeze scale=much"),
        ({"freeze": {"scale": [[1], [2, 3]]}}, "does not fit; pass such a value"),
        ({"freeze": {"scale": [1, 2]}}, r"'scale' has shape \[1\]; a value of shape \[2\]"),
        ({"freeze": {"scale": None}}, "does not fit; pass such a value"),
        ({"input_shapes": {"nothing": (1,)}}, "no node 'nothing'"),
        ({"input_shapes": {"sum": (1,)}}, r"'sum' \(Add\) is no input"),
        ({"input_shapes": {"x": (3,)}}, r"'x' has 2 dimensions, \[2, 3\]"),
        ({"input_shapes": {"x": (0, 3)}}, "dimensions are 1 or more, or -1"),
        ({"input_shapes": {"x": (-2, 3)}}, "dimensions are 1 or more, or -1"),
        ({"sizes": (2, 3)}, "has 3 inputs; say whose.*--input-shape x="),
        ({"steps": 8}, "number of steps cannot be set"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(asked: dict[str, Any], says: str) -> None:
    """By the name, with what to pass instead."""
    with pytest.raises(ConversionError, match=says):
        prepared(chain(), **asked)


def test_an_input_of_other_sizes() -> None:
    """The only one needs no name; sizes that were fixed give a note, open ones do not."""
    found = prepared(chain(), outputs=("other",), sizes=(4, 3))
    assert found.inputs == (TensorSpec("x", "float32", (4, 3)),)
    assert found.notes[0].startswith("x is resized from [2, 3] to [4, 3]")
    graph = Graph([placeholder("x", (-1, 3)), new_node("other", "Neg", ["x"], FLOAT)])
    assert prepared(graph).inputs[0].shape == (-1, 3)
    found = prepared(graph, input_shapes={"x": (5, 3)})
    assert (found.inputs[0].shape, found.notes) == ((5, 3), ())


def test_shapes_that_were_written_down_before_are_forgotten() -> None:
    """Else a converter would take them for those of the resized graph."""
    old = new_node("other", "Neg", ["x"], {**FLOAT, "_output_shapes": [b"stale"]})
    found = prepared(Graph([placeholder("x", (2, 3)), old]), sizes=(4, 3))
    assert dict(found.graph["other"].attributes) == {"T": DataType.FLOAT}


def test_an_input_with_a_default_is_no_input() -> None:
    """It has a value already."""
    nodes = [
        placeholder("x", (2,)),
        new_constant("one", np.ones(2, np.float32)),
        new_node("y", "PlaceholderWithDefault", ["one"], {"dtype": DataType.FLOAT, "shape": (2,)}),
        new_node("sum", "Add", ["x", "y"], FLOAT),
    ]
    found = prepared(Graph(nodes))
    assert [given.name for given in found.inputs] == ["x"]
    answer = Evaluator(found.graph).run({"x": np.ones(2, np.float32)}, ["sum"])["sum"]
    assert answer.tolist() == [2, 2]


def test_an_input_with_a_default_can_be_frozen() -> None:
    """To another value."""
    nodes = [
        placeholder("x", (2,)),
        new_constant("one", np.ones((), np.float32)),
        new_node("y", "PlaceholderWithDefault", ["one"], {"dtype": DataType.FLOAT, "shape": ()}),
        new_node("product", "Mul", ["x", "y"], FLOAT),
    ]
    found = prepared(Graph(nodes), freeze={"y": 0.5})
    answer = Evaluator(found.graph).run({"x": np.ones(2, np.float32)}, ["product"])["product"]
    assert answer.tolist() == [0.5, 0.5]


def test_outputs_that_are_not_computed_on_their_own() -> None:
    """Toolkits would drop one of two names, or make no op of none."""
    nodes = [
        placeholder("x", (2,)),
        new_node("a", "Neg", ["x"], FLOAT),
        new_node("b", "Identity", ["a"], FLOAT),
        new_node("c", "Identity", ["a"], FLOAT),
        new_node("d", "Identity", ["x"], FLOAT),
    ]
    with pytest.raises(ConversionError, match="'b' and 'c' are the same tensor; name one"):
        prepared(Graph(nodes))
    with pytest.raises(ConversionError, match="'d' is the input 'x', not a result; leave it out"):
        prepared(Graph(nodes), outputs=("b", "d"))
    assert prepared(Graph(nodes), outputs=("b",)).outputs == ("b",)


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (placeholder("x", (2,), DataType.STRING), "'x' is of string, which no toolkit takes"),
        (new_node("x", "Placeholder", (), {"dtype": DataType.FLOAT}), "has no fixed rank"),
    ],
    ids=["string", "rank"],
)
def test_inputs_that_no_toolkit_takes(node: Any, says: str) -> None:
    """They have to be frozen or sized."""
    kind = {"T": node.attribute("dtype", DataType)}
    graph = Graph([node, new_node("result", "Neg", ["x"], kind)])
    with pytest.raises(ConversionError, match=says):
        prepared(graph)


def test_a_graph_that_is_not_frozen() -> None:
    """A variable's value is not in the graph."""
    variable = new_node("w", "VarHandleOp", (), {"dtype": DataType.FLOAT, "shape": (3,)})
    read = new_node("read", "ReadVariableOp", ["w"], {"dtype": DataType.FLOAT})
    graph = Graph(
        [placeholder("x", (3,)), variable, read, new_node("y", "Mul", ["x", "read"], FLOAT)]
    )
    with pytest.raises(ConversionError, match="not frozen: 'w' is a variable"):
        prepared(graph)


@pytest.mark.parametrize("asked", [{"steps": 8}, {"sizes": (1, 8, 19, 26)}])
def test_steps_of_an_acoustic_graph(asked: dict[str, Any], small_graph: Graph) -> None:
    """They stand in several places; the features of samples are left out."""
    found = prepared(small_graph, **asked)
    assert found.outputs == ("logits", "new_state_c", "new_state_h")
    assert found.inputs[0].shape == (1, 8, 19, 26)
    assert found.notes == ("mfccs is left out: the front end is not part of the network.",)
    feeds: Tensors = {
        given.name: np.zeros(given.shape or (), given.dtype) for given in found.inputs
    }
    assert Evaluator(found.graph).run(feeds, ["logits"])["logits"].shape == (8, 1, 29)


def test_other_sizes_of_an_acoustic_graph_are_refused(small_graph: Graph) -> None:
    """Only the steps can be chosen."""
    with pytest.raises(ConversionError, match=r"1,8,9,26 does not fit.*1,STEPS,19,26"):
        prepared(small_graph, sizes=(1, 8, 9, 26))


@pytest.mark.models
def test_states_in_variables_are_cut(models: Path) -> None:
    """They become inputs and outputs."""
    found = prepared(open_graph(models / "deepspeech-0.5.1-static.pb"))
    assert {"previous_state_c", "previous_state_h"} <= {given.name for given in found.inputs}
    assert set(found.outputs) == {"logits", "new_state_c", "new_state_h"}
