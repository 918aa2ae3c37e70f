"""The states of graphs of 0.2 to 0.5 become inputs and outputs, and nothing else changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.export import LSTM
from dsconv.acoustic.recognise import recognise
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.cut import cut_states
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.write import edited, new_constant, new_node
from dsconv.runtime.registry import open_model
from dsconv.speech.features import FloatArray
from dsconv.speech.framing import chunks
from tests.acoustic.early import VERSIONS, Version, early
from tests.acoustic.edits import (
    Edit,
    added,
    attributes,
    constant,
    edits,
    inputs,
    op,
    removed,
    renamed,
    takes,
    with_nodes,
)
from tests.reference import import_graph
from tests.runtime.speech import clip_features, original_clip

ORIGINALS: dict[Version, str] = {
    "0.2": "deepspeech-0.2.0-static.pb",
    "0.4": "deepspeech-0.4.1-static.pb",
    "0.4 without lengths": "deepspeech-0.4.1-nosl.pb",
    "0.5": "deepspeech-0.5.1-static.pb",
}
STATES = ("c", "h")
INPUTS = [f"previous_state_{state}" for state in STATES]
OUTPUTS = ["logits", *(f"new_state_{state}" for state in STATES)]
SETTERS = {"Assign", "Assign_1", "Assign_2", "Assign_3", "initialize_state"}
ZEROS = {"zeros", "zeros/Const", "zeros/shape_as_tensor"}


class Original:
    """TensorFlow running a graph that keeps its states in variables."""

    def __init__(self, tensorflow: Any, graph: Graph) -> None:
        self._session = tensorflow.compat.v1.Session(graph=import_graph(tensorflow, graph))
        self.reset()

    def reset(self) -> None:
        self._session.run("initialize_state")

    def call(self, fed: dict[str, Any]) -> list[Any]:
        """The scores, and then the variables as the call left them."""
        scores = self._session.run("logits:0", fed)
        return [scores, *self._session.run([f"{name}:0" for name in INPUTS])]


class Cut:
    """TensorFlow running the cut graph, its states fed back."""

    def __init__(self, tensorflow: Any, graph: Graph) -> None:
        self._session = tensorflow.compat.v1.Session(graph=import_graph(tensorflow, graph))
        self._zeros = [np.zeros(graph[name].shape() or (), np.float32) for name in INPUTS]
        self.reset()

    def reset(self) -> None:
        self._states = dict(zip((f"{name}:0" for name in INPUTS), self._zeros, strict=True))

    def call(self, fed: dict[str, Any]) -> list[Any]:
        """The scores and the states."""
        found: list[Any] = self._session.run([f"{name}:0" for name in OUTPUTS], fed | self._states)
        self._states = dict(zip(self._states, found[1:], strict=True))
        return found


def calls(features: FloatArray, lengths: bool) -> Iterator[dict[str, Any]]:
    """A clip in calls of 16 frames, the last one filled up with zeros."""
    for windows in chunks(features, 9, 16):
        padded = np.zeros((1, 16, *windows.shape[1:]), np.float32)
        padded[0, : len(windows)] = windows
        fed: dict[str, Any] = {"input_node:0": padded}
        yield fed | ({"input_lengths:0": [len(windows)]} if lengths else {})


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("version", VERSIONS)
def test_the_cut_is_exact(version: Version, models: Path, tensorflow: Any) -> None:
    """Not a bit differs over a whole clip, over it again, and after it starts anew."""
    path = models / ORIGINALS[version]
    graph, model = open_graph(path), open_model(path)
    features = clip_features(model, original_clip(models, model.interface))
    clip = list(calls(features, lengths="input_lengths" in graph))
    assert len(features) > 140
    assert len(features) % 16 != 0
    original, cut = Original(tensorflow, graph), Cut(tensorflow, cut_states(graph))

    def run() -> Any:
        scores = []
        for fed in clip:
            expected, found = original.call(fed), cut.call(fed)
            for expected_value, actual in zip(expected, found, strict=True):
                assert actual.shape == expected_value.shape
                assert np.array_equal(actual, expected_value)
            scores.append(found[0])
        return np.concatenate(scores)

    first, again = run(), run()
    for runner in (original, cut):
        runner.reset()
    anew = run()
    assert first.max() > 0.9
    assert not np.array_equal(first, again)
    assert np.array_equal(first, anew)


@pytest.mark.models
@pytest.mark.parametrize("version", VERSIONS)
def test_cut_originals_are_recognised(version: Version, models: Path) -> None:
    """The same network, whose states are inputs and outputs."""
    graph = open_graph(models / ORIGINALS[version])
    cut = cut_states(graph)
    found, before = recognise(cut), recognise(graph)
    assert found.names == before.names
    assert {cut[name].op for name in INPUTS} == {"Placeholder"}
    assert {node.name for node in graph} - {node.name for node in cut} <= SETTERS | ZEROS
    assert [node.name for node in cut if node.name not in graph] == OUTPUTS[1:]
    for key in ("batch", "steps", "lstm", "before", "after", "output", "softmax", "front_end"):
        assert getattr(found, key) == getattr(before, key), key


@pytest.fixture(params=VERSIONS)
def graph(request: pytest.FixtureRequest, small_graph: Graph) -> Graph:
    """A small graph of each version."""
    return early(small_graph, request.param)


def test_what_the_cut_changes(graph: Graph) -> None:
    """Variables become inputs, what set them goes, the scores wait for nothing; no more."""
    cut = cut_states(graph)
    gone = {node.name for node in graph} - {node.name for node in cut}
    assert gone == SETTERS | (ZEROS & {node.name for node in graph})
    for node in cut:
        if node.name in OUTPUTS[1:]:
            number = OUTPUTS.index(node.name) + 1
            assert (node.op, node.inputs) == ("Identity", graph[f"Assign_{number}"].inputs[1:])
            assert dict(node.attributes) == {"T": DataType.FLOAT}
        elif node.name in INPUTS:
            kind = {"dtype": DataType.FLOAT, "shape": (1, 32)}
            assert (node.op, node.inputs, dict(node.attributes)) == ("Placeholder", (), kind)
        elif node.name == "logits":
            assert node.inputs == graph["logits"].inputs[:1]
        else:
            assert node is graph[node.name]
    names = [node.name for node in cut if node.name in graph]
    assert names == [node.name for node in graph if node.name in cut]
    assert cut.rest == graph.rest


def test_a_cut_graph_is_not_cut_again(graph: Graph, small_graph: Graph) -> None:
    """Without variables the very same graph is given back."""
    assert cut_states(small_graph) is small_graph
    cut = cut_states(graph)
    assert cut_states(cut) is cut


def test_states_are_told_by_what_the_lstm_takes(graph: Graph) -> None:
    """Variables of any name, of each other's too, become the state that they are."""
    beside = [node.name for node in graph if "_class" in node.attributes]
    assert beside
    strange = renamed(graph, {"previous_state_c": "some/cell", "previous_state_h": "other"})
    kind = {"_class": [b"loc:@some/cell", b"loc:@other", b"loc:@logits"]}
    (read,) = [node.name for node in strange if node.inputs == ("some/cell",)]
    strange = attributes(read, **kind)(strange)
    found = cut_states(strange)
    assert recognise(found).names == recognise(graph).names
    assert {node.name for node in found if node.op == "Placeholder"} >= set(INPUTS)
    places = [b"loc:@previous_state_c", b"loc:@previous_state_h", b"loc:@logits"]
    assert found[read].attributes["_class"] == places
    crossed = dict(zip(INPUTS, reversed(INPUTS), strict=True))
    found = cut_states(renamed(graph, crossed))
    assert recognise(found).names == recognise(graph).names
    sources = [found.source(name).name for name in found[f"{LSTM}/BlockLSTM"].inputs[2:4]]
    assert sources == INPUTS


@pytest.mark.tensorflow
def test_renamed_states_run_in_tensorflow(small_graph: Graph, tensorflow: Any) -> None:
    """Nodes that stand beside a variable do so beside the input that it became."""
    graph = early(small_graph, "0.4")
    names = {name: f"my/{name}" for name in INPUTS}
    strange = renamed(graph, names)
    for name in INPUTS:
        place = {"_class": [f"loc:@my/{name}".encode()]}
        strange = attributes(f"{name}/read", **place)(strange)
    features = np.random.default_rng(1).normal(size=(40, 26)).astype(np.float32)
    original, cut = (Cut(tensorflow, cut_states(each)) for each in (graph, strange))
    for fed in calls(features, lengths=True):
        for expected, actual in zip(original.call(fed), cut.call(fed), strict=True):
            assert np.array_equal(actual, expected)


def test_other_nodes_may_wait(graph: Graph) -> None:
    """A NoOp that waits for more than the first states stays, for the rest."""
    all_set = new_node("all", "NoOp", ["^Assign", "^Assign_1", "^input_node"])
    cut = cut_states(with_nodes(graph, all_set))
    assert cut["all"].inputs == ("^input_node",)
    assert Counter(node.op for node in cut)["Assign"] == 0


def test_a_first_state_may_be_filled_in(small_graph: Graph) -> None:
    """Zeros are zeros, as a constant or made."""
    assert early(small_graph, "0.2")["zeros"].op == "Fill"
    assert early(small_graph, "0.4")["zeros"].op == "Const"
    for version in ("0.2", "0.4"):
        assert "zeros" not in cut_states(early(small_graph, version))


def assign(name: str, variable: str, value: str, *waits: str) -> Edit:
    """One more Assign."""
    kind = {"T": DataType.FLOAT, "use_locking": True, "validate_shape": True}
    return lambda graph: with_nodes(
        graph, new_node(name, "Assign", [variable, value, *waits], kind)
    )


def variable(name: str, op: str = "VariableV2") -> Edit:
    """One more variable, which nothing takes."""
    kind = {"dtype": DataType.FLOAT, "shape": (32,)}
    return lambda graph: with_nodes(graph, new_node(name, op, (), kind))


def waiting(name: str, *waits: str) -> Edit:
    """A node waits for others."""
    return lambda graph: inputs(name, *graph[name].inputs, *waits)(graph)


REFUSED: dict[str, tuple[Edit, str]] = {
    "not frozen": (
        edits(variable("layer_2/weights")),
        "it is not frozen: 1 of its weights are variables",
    ),
    "another variable": (
        variable("counter"),
        f"'counter' (VariableV2) is not a state of '{LSTM}/BlockLSTM'",
    ),
    "a variable of resources": (
        variable("counter", "VarHandleOp"),
        f"'counter' (VarHandleOp) is not a state of '{LSTM}/BlockLSTM'",
    ),
    "one state in a variable": (
        lambda graph: constant("previous_state_h/read", np.zeros((1, 32)), np.float32)(graph),
        "is not a state of",
    ),
    "one variable for both": (
        takes(f"{LSTM}/BlockLSTM", 3, "previous_state_c/read"),
        "'previous_state_h' (VariableV2) is not a state of",
    ),
    "an older kind of variable": (
        op("previous_state_c", "Variable"),
        "'previous_state_c' (Variable) is a state of",
    ),
    "another type": (
        attributes("previous_state_c", dtype=DataType.DOUBLE),
        "'previous_state_c' (VariableV2) is not of float32",
    ),
    "any batch": (
        attributes("previous_state_h", shape=(-1, 32)),
        "'previous_state_h' (VariableV2) has shape (-1, 32) and not [batch, cells]",
    ),
    "another shape": (
        attributes("previous_state_h", shape=(32,)),
        "'previous_state_h' (VariableV2) has shape (32,) and not [batch, cells]",
    ),
    "no LSTM": (op(f"{LSTM}/BlockLSTM", "BlockLSTMV2"), "it has 0 BlockLSTM nodes"),
    "a state that is never set": (
        takes("Assign_3", 0, "previous_state_c"),
        "'previous_state_c' (VariableV2) is set 2 times in a call and not once",
    ),
    "a state that is set twice": (
        lambda graph: assign("Assign_4", "previous_state_c", graph["Assign_2"].inputs[1])(graph),
        "'previous_state_c' (VariableV2) is set 2 times in a call and not once",
    ),
    "a state without a start": (
        edits(
            inputs("initialize_state", "^Assign"),
            removed("Assign_1"),
        ),
        "'previous_state_h' (VariableV2) is not set before the first call",
    ),
    "a start with ones": (
        edits(
            lambda graph: with_nodes(graph, new_constant("ones", np.ones((1, 32), np.float32))),
            takes("Assign_1", 1, "ones"),
        ),
        "'Assign_1' (Assign) sets a state to something other than zeros",
    ),
    "a start that is filled with ones": (
        edits(
            lambda graph: with_nodes(
                graph,
                new_constant("size", np.array([1, 32], np.int32)),
                new_constant("one", np.array(1, np.float32)),
                new_node("ones", "Fill", ["size", "one"], {"T": DataType.FLOAT}),
            ),
            takes("Assign", 1, "ones"),
        ),
        "'Assign' (Assign) sets a state to something other than zeros",
    ),
    "a start in every call": (
        waiting("logits", "^Assign"),
        "'logits' (Identity) sets 'previous_state_c' to zeros in each call",
    ),
    "an update that waits": (
        waiting("Assign_2", "^raw_logits"),
        "'Assign_2' (Assign) waits for other nodes",
    ),
    "an update whose value is used": (
        added("after", "Identity", "Assign_2"),
        "'after' (Identity) takes the value of 'Assign_2'",
    ),
    "a variable as a value": (
        edits(takes("Assign_2", 0, "previous_state_h"), takes("Assign_2", 1, "previous_state_c")),
        "'Assign_2' (Assign) takes 'previous_state_c' in another way than to set it",
    ),
    "a state that is added to": (
        added("more", "AssignAdd", "previous_state_c", "zeros"),
        "'more' (AssignAdd) uses 'previous_state_c' in a way that dsconv does not know",
    ),
    "a state that is computed with": (
        added("louder", "Tanh", "previous_state_h/read"),
        "'louder' (Tanh) uses 'previous_state_h' in a way that dsconv does not know",
    ),
    "a state that is given": (
        added("given", "Identity", "previous_state_h/read"),
        "'given' (Identity) reads 'previous_state_h' before or after it is set",
    ),
    "a state that is read after the update": (
        waiting("previous_state_c/read", "^Assign_2"),
        "'previous_state_c/read' (Identity) reads 'previous_state_c', and waits for other nodes",
    ),
    "scores that wait for one state": (
        lambda graph: with_nodes(graph, edited(graph["logits"], inputs=graph["logits"].inputs[:2])),
        "'logits' waits for 'Assign_2' or 'Assign_3'",
    ),
    "scores that wait for none": (
        lambda graph: with_nodes(graph, edited(graph["logits"], inputs=graph["logits"].inputs[:1])),
        "nothing waits for 'Assign_2' or 'Assign_3'",
    ),
    "others that wait": (
        lambda graph: with_nodes(
            graph,
            new_node("later", "Identity", ["input_node", "^Assign_2"], {"T": DataType.FLOAT}),
        ),
        "'later', 'logits' waits for 'Assign_2' or 'Assign_3'",
    ),
    "no scores that wait": (
        lambda graph: with_nodes(graph, new_node("logits", "NoOp", ["^Assign_2", "^Assign_3"])),
        "'logits' (NoOp) waits for the states but has no inputs",
    ),
    "a name that is taken": (
        added("new_state_c", "Identity", "input_node"),
        "'new_state_c' (Identity) has the name of an input or output of the cut graph",
    ),
    "an input's name that is taken": (
        lambda graph: added("previous_state_c", "Identity", "input_node")(
            renamed(graph, {"previous_state_c": "cell"})
        ),
        "'previous_state_c' (Identity) has the name of an input or output of the cut graph",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_understood_is_refused(what: str, graph: Graph) -> None:
    """By the name of the node, and with what it does."""
    edit, says = REFUSED[what]
    with pytest.raises(ConversionError) as error:
        cut_states(edit(graph))
    assert says in str(error.value)
