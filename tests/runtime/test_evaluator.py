"""A graph evaluated in numpy is TensorFlow's graph: its rules of evaluation, and its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.steps import DYNAMIC, set_steps
from dsconv.formats.graphdef.tensor import Tensor
from dsconv.formats.graphdef.write import new_constant, new_node
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.graph import TensorFlowGraphModel, open_graph_model, open_tensorflow_model
from dsconv.runtime.model import Tensors
from dsconv.runtime.ops import OPS
from dsconv.runtime.stream import front_end_features
from dsconv.speech.decode import softmax
from dsconv.speech.early_features import early_features
from dsconv.speech.framing import sample_windows, whitened_windows
from dsconv.speech.settings import WHOLE_CLIP
from dsconv.speech.wav import read_wav
from tests.acoustic.edits import removed
from tests.formats.graphdef.test_steps import STREAMING
from tests.reference import run_graph
from tests.runtime.doubles import in_doubles
from tests.runtime.speech import RATE, clip_features, distance, original_clip, run_clip

FLOAT = {"T": DataType.FLOAT}
ONE = np.array([1], np.float32)

EARLY = "deepspeech-0.1.1-static.pb"
WITHOUT_LENGTHS = "more/deepspeech-0.1.1-nosl.pb"

PROBABILITY_BOUND = 1e-6
SCORE_BOUND = 1e-5
DOUBLE_BOUND = 1e-12
STATE_BOUND = 1e-5
TIMES_TENSORFLOW_ITSELF = 4

WITH_FRONT_END = [name for name in STREAMING if not re.search(r"0\.[24]\.", name)]


def placeholder(name: str) -> Node:
    """An input of one number."""
    return new_node(name, "Placeholder", [], {"dtype": DataType.FLOAT, "shape": (1,)})


def constant(name: str, value: float) -> Node:
    """A constant of one number."""
    return new_constant(name, np.array([value], np.float32))


def add(name: str, *inputs: str) -> Node:
    """A sum of two tensors."""
    return new_node(name, "Add", inputs, FLOAT)


def variable(name: str) -> Node:
    """A variable of one number."""
    return new_node(name, "VariableV2", [], {"dtype": DataType.FLOAT, "shape": (1,)})


def counter() -> Graph:
    """A variable that each run for `after` raises by what is fed.

    `set` makes it 10. `before` reads it without changing it.
    """
    return Graph(
        [
            placeholder("step"),
            variable("count"),
            constant("ten", 10),
            new_node("Assign", "Assign", ["count", "ten"], FLOAT),
            new_node("set", "NoOp", ["^Assign"]),
            new_node("before", "Identity", ["count"], FLOAT),
            add("sum", "before", "step"),
            new_node("Assign_1", "Assign", ["count", "sum"], FLOAT),
            new_node("after", "Identity", ["before", "^Assign_1"], FLOAT),
        ]
    )


def test_constants_are_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made of constants alone is computed in the first run, and read from the file once."""
    calls: list[str] = []
    reads: list[Tensor] = []
    read_array = Tensor.array

    def counted(node: Node, a: Any, b: Any) -> Any:
        calls.append(node.name)
        return a + b

    def read(tensor: Tensor) -> Any:
        reads.append(tensor)
        return read_array(tensor)

    monkeypatch.setitem(OPS, "Add", counted)
    monkeypatch.setattr(Tensor, "array", read)
    nodes = [placeholder("x"), constant("a", 1), constant("b", 2), add("ab", "a", "b")]
    evaluator = Evaluator(Graph([*nodes, add("abb", "ab", "b"), add("result", "x", "abb")]))
    for value in (1, 2, 3):
        found = evaluator.run({"x": value * ONE}, ["result"])
        np.testing.assert_array_equal(found["result"], [value + 5])
    assert sorted(calls) == ["ab", "abb", "result", "result", "result"]
    assert len(reads) == 2


def test_only_what_the_outputs_need_is_evaluated() -> None:
    """A node that nothing asks for may be of any op, and its inputs need no value."""
    evaluator = Evaluator(
        Graph([placeholder("x"), placeholder("y"), new_node("odd", "FancyOp", ["y"])])
    )
    np.testing.assert_array_equal(evaluator.run({"x": ONE}, ["x"])["x"], ONE)


def test_an_unknown_op_is_named_with_its_node() -> None:
    """The error says which node it is, and what to do."""
    evaluator = Evaluator(Graph([placeholder("x"), new_node("odd", "FancyOp", ["x"])]))
    with pytest.raises(ConversionError, match="'odd' is a FancyOp node.*--reference tensorflow"):
        evaluator.run({"x": ONE}, ["odd"])


def test_an_input_that_is_not_fed_is_named() -> None:
    """The name of the Placeholder is in the error."""
    evaluator = Evaluator(Graph([placeholder("x"), placeholder("y"), add("sum", "x", "y")]))
    with pytest.raises(ConversionError, match="input 'y' is missing; feed it"):
        evaluator.run({"x": ONE}, ["sum"])


def test_an_output_that_is_not_there_is_named() -> None:
    """So is one that the graph does not have."""
    with pytest.raises(ConversionError, match="no node 'nothing'"):
        Evaluator(Graph([placeholder("x")])).run({"x": ONE}, ["nothing"])


def test_a_variable_without_a_value_is_named() -> None:
    """As in TensorFlow, it has to be set first."""
    with pytest.raises(ConversionError, match="variable 'count' has no value"):
        Evaluator(counter()).run({"step": ONE}, ["after"])


def test_assignments_take_effect_after_the_run() -> None:
    """A run sees the values of before, the next run those that it assigned."""
    evaluator = Evaluator(counter())
    assert not evaluator.run({}, ["set"])["set"].size
    assert [float(evaluator.run({"step": 3 * ONE}, ["after"])["after"][0]) for _ in range(3)] == [
        10,
        13,
        16,
    ]
    np.testing.assert_array_equal(evaluator.run({}, ["before"])["before"], [19])
    np.testing.assert_array_equal(evaluator.run({}, ["before"])["before"], [19])
    evaluator.run({}, ["set"])
    np.testing.assert_array_equal(evaluator.run({}, ["before"])["before"], [10])


def test_a_run_sees_the_variables_as_they_were() -> None:
    """Also a node that waits for the assignment reads what the variable held before the run."""
    nodes = [*counter(), new_node("late", "Identity", ["count", "^Assign_1"], FLOAT)]
    evaluator = Evaluator(Graph(nodes))
    evaluator.run({}, ["set"])
    assert float(evaluator.run({"step": ONE}, ["late"])["late"][0]) == 10
    assert float(evaluator.run({"step": ONE}, ["late"])["late"][0]) == 11


def test_a_run_that_fails_assigns_nothing() -> None:
    """An error halfway leaves the variables as they were."""
    nodes = [*counter(), placeholder("late"), add("last", "late", "after")]
    evaluator = Evaluator(Graph(nodes))
    evaluator.run({}, ["set"])
    with pytest.raises(ConversionError, match="'late'"):
        evaluator.run({"step": ONE}, ["last"])
    np.testing.assert_array_equal(evaluator.run({}, ["before"])["before"], [10])


def test_variables_belong_to_the_evaluator() -> None:
    """Two evaluators of one graph do not see each other's values."""
    graph = counter()
    first, second = Evaluator(graph), Evaluator(graph)
    first.run({}, ["set"])
    second.run({}, ["set"])
    first.run({"step": ONE}, ["after"])
    np.testing.assert_array_equal(second.run({}, ["before"])["before"], [10])


def test_control_dependencies_run() -> None:
    """A node after a caret is evaluated, and gives no value to the node that waits for it."""
    nodes = [*counter(), placeholder("x"), new_node("y", "Identity", ["x", "^Assign_1"], FLOAT)]
    evaluator = Evaluator(Graph(nodes))
    evaluator.run({}, ["set"])
    found = evaluator.run({"x": 7 * ONE, "step": ONE}, ["y"])
    np.testing.assert_array_equal(found["y"], [7])
    np.testing.assert_array_equal(evaluator.run({}, ["before"])["before"], [11])


@pytest.mark.parametrize("closing", ["b", "^b"])
def test_a_cycle_is_refused(closing: str) -> None:
    """By data or by control: the error names a node of the cycle."""
    nodes = [placeholder("x"), new_node("a", "Add", ["x", "x", closing], FLOAT)]
    evaluator = Evaluator(Graph([*nodes, new_node("b", "Identity", ["a"], FLOAT)]))
    with pytest.raises(ConversionError, match="'[ab]' is an? .* in a loop"):
        evaluator.run({"x": ONE}, ["b"])


def test_a_tensor_used_twice_is_no_cycle() -> None:
    """Nodes that are reached on several ways are evaluated once, in an order that works."""
    nodes = [placeholder("x"), add("a", "x", "x"), add("b", "a", "x"), add("c", "a", "b")]
    found = Evaluator(Graph(nodes)).run({"x": ONE}, ["a", "c", "b"])
    assert {name: float(value[0]) for name, value in found.items()} == {"a": 2, "b": 3, "c": 5}


def test_a_deep_graph_needs_no_deep_stack() -> None:
    """Ten thousand nodes one after the other."""
    nodes = [placeholder("0")]
    nodes += [new_node(str(n), "Identity", [str(n - 1)], FLOAT) for n in range(1, 10_000)]
    np.testing.assert_array_equal(Evaluator(Graph(nodes)).run({"0": ONE}, ["9999"])["9999"], ONE)


def test_outputs_are_named_as_they_were_asked_for(small_graph: Graph) -> None:
    """`node:1` is the second output of a node, `node:0` and `node` the first."""
    (lstm,) = (node.name for node in small_graph if node.op == "BlockLSTM")
    feeds: Tensors = {
        "input_node": np.ones((1, 16, 19, 26), np.float32),
        "input_lengths": np.array([16], np.int32),
        "previous_state_c": np.zeros((1, 32), np.float32),
        "previous_state_h": np.zeros((1, 32), np.float32),
    }
    names = [lstm, f"{lstm}:0", f"{lstm}:1", f"{lstm}:6", "new_state_c", "new_state_h"]
    found = Evaluator(small_graph).run(feeds, names)
    assert list(found) == names
    np.testing.assert_array_equal(found[lstm], found[f"{lstm}:0"])
    np.testing.assert_array_equal(found[f"{lstm}:1"][-1], found["new_state_c"])
    np.testing.assert_array_equal(found[f"{lstm}:6"][-1], found["new_state_h"])
    assert distance(found[f"{lstm}:0"], found[f"{lstm}:1"]) > 0


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", STREAMING)
def test_speech_gives_tensorflows_numbers(name: str, models: Path, tensorflow: Any) -> None:
    """A whole clip, chunk by chunk, within the bounds or within what TensorFlow itself keeps to.

    TensorFlow gives other numbers itself when it takes the same frames one by one; that distance is
    measured here, and four times as much is allowed where it is more than the bound. (The cell
    states of these models reach 145, where float32 has steps of 1.5e-5.)
    """
    assert tensorflow is not None
    graph = open_graph(models / name)
    model, reference = open_graph_model(models / name), open_tensorflow_model(models / name)
    features = clip_features(model, original_clip(models, model.interface))
    probabilities, states = run_clip(model, features)
    expected_probabilities, expected_states = run_clip(reference, features)
    one_by_one = (
        reference if model.interface.steps == DYNAMIC else TensorFlowGraphModel(set_steps(graph, 1))
    )
    other_probabilities, other_states = run_clip(one_by_one, features, steps=1)
    assert len(probabilities) == len(features) == 146
    # The last call is short; without lengths the states go on into its padding.
    assert bool(states.size) == ("previous_state_c" in graph and "input_lengths" in graph)
    if not states.size:
        other_states = expected_states

    report: list[str] = []
    for what, bound, actual, expected, other in (
        ("probabilities", PROBABILITY_BOUND, probabilities, expected_probabilities,
         other_probabilities),
        ("states", STATE_BOUND, states, expected_states, other_states),
    ):  # fmt: skip
        own = distance(other, expected)
        found, allowed = distance(actual, expected), max(bound, TIMES_TENSORFLOW_ITSELF * own)
        print(f"{name} {what}: {found:.2e}, TensorFlow from itself {own:.2e}")
        if found >= allowed:
            report.append(f"{what} differ by {found:.2e}, allowed are {allowed:.2e}")
    assert not report, f"{name}: {'; '.join(report)}"


@pytest.mark.models
@pytest.mark.parametrize("name", STREAMING)
def test_the_same_clip_gives_the_same_bits(name: str, models: Path) -> None:
    """Nothing of a clip is left after a reset, wherever the model keeps its states."""
    model = open_graph_model(models / name)
    features = clip_features(model, original_clip(models, model.interface))
    first, first_states = run_clip(model, features)
    second, second_states = run_clip(model, features)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first_states, second_states)
    assert distance(first[16:32], run_clip(model, features[16:32])[0]) > 1e-3, "no state is carried"


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", WITH_FRONT_END)
def test_front_ends_give_tensorflows_features(name: str, models: Path, tensorflow: Any) -> None:
    """The features that the graph makes itself, in numpy and in TensorFlow."""
    assert tensorflow is not None
    model, reference = open_graph_model(models / name), open_tensorflow_model(models / name)
    settings = model.interface.feature_settings
    samples = original_clip(models, model.interface)
    windows = sample_windows(samples, settings.window, settings.step)[:40]
    actual, expected = front_end_features(model, windows), front_end_features(reference, windows)
    assert actual.shape == (40, 26)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


@pytest.mark.models
@pytest.mark.parametrize("name", ["deepspeech-0.2.0-static.pb", "deepspeech-0.4.1-nosl.pb"])
def test_models_without_a_front_end_say_so(name: str, models: Path) -> None:
    """Before 0.5 the features were made outside of the graph."""
    model = open_graph_model(models / name)
    with pytest.raises(ConversionError, match="the model has no front end"):
        front_end_features(model, np.zeros((1, 512), np.float32))


def early_windows(models: Path, start: int, frames: int) -> Any:
    """Frames of the original clip with their context [1, frames, 494], as 0.1.1 takes them."""
    samples = read_wav(models / "LDC93S1_pcms16le_1_16000.wav", RATE)
    features = early_features(samples, WHOLE_CLIP)
    return whitened_windows(features[start : start + frames], 9)[None]


def early_feeds(models: Path, starts: Iterable[int], frames: int, lengths: Iterable[int]) -> Any:
    """Sequences from some starts in the clip, one batch."""
    return {
        "input_node": np.concatenate([early_windows(models, start, frames) for start in starts]),
        "input_lengths": np.array(list(lengths), np.int32),
    }


def early_scores(graph: Graph, feeds: Any) -> Any:
    """The logits [frames, batch, classes]."""
    return Evaluator(graph).run(feeds, ["logits"])["logits"]


SEQUENCES = [
    ((0,), 146, (146,)),
    ((0,), 146, (97,)),
    ((0,), 146, (0,)),
    ((20,), 1, (1,)),
    ((30,), 16, (16,)),
    ((110,), 16, (16,)),
    ((30,), 16, (1,)),
    ((0, 40), 100, (100, 100)),
    ((0, 40), 100, (63, 100)),
    ((40, 0), 100, (99, 2)),
]


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", [EARLY, WITHOUT_LENGTHS])
@pytest.mark.parametrize(("starts", "frames", "lengths"), SEQUENCES)
def test_loops_over_speech_give_tensorflows_scores(
    name: str,
    starts: tuple[int, ...],
    frames: int,
    lengths: tuple[int, ...],
    models: Path,
    tensorflow: Any,
) -> None:
    """0.1.1 runs its LSTM as a loop in each direction, over whole sequences of several lengths.

    In double precision both give the same. In single precision, where the scores reach 27 with
    steps of 1.9e-6, they are within 1e-5 of each other.
    """
    graph = open_graph(models / name)
    feeds = early_feeds(models, starts, frames, lengths)
    scores = early_scores(graph, feeds)
    (expected,) = run_graph(tensorflow, graph, feeds, ["logits"])
    assert scores.dtype == expected.dtype
    assert expected.shape == (frames, len(starts), 29)

    feeds["input_node"] = feeds["input_node"].astype(np.float64)
    # The decoder, which takes single precision alone, is left out.
    in_double = in_doubles(removed("CTCBeamSearchDecoder", "SparseToDense", "output_node")(graph))
    doubles = early_scores(in_double, feeds)
    (exact,) = run_graph(tensorflow, in_double, feeds, ["logits"])
    assert doubles.dtype == exact.dtype == np.float64
    found, in_doubles_found = distance(scores, expected), distance(doubles, exact)
    print(f"{starts} {frames} {lengths}: {found:.2e}, in double precision {in_doubles_found:.2e}")
    assert found < SCORE_BOUND
    assert in_doubles_found < DOUBLE_BOUND


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("lengths", [(146,), (97,), (146, 120)])
def test_a_whole_clip_gives_tensorflows_probabilities(
    lengths: tuple[int, ...], models: Path, tensorflow: Any
) -> None:
    """Alone and two at once, one of them cut off.

    (Of a few frames they can be 2e-6 apart: TensorFlow itself is up to 1.5e-6 off the exact ones.)
    """
    graph = open_graph(models / EARLY)
    feeds = early_feeds(models, [0] * len(lengths), 146, lengths)
    scores = early_scores(graph, feeds)
    (expected,) = run_graph(tensorflow, graph, feeds, ["logits"])
    assert distance(softmax(scores), softmax(expected)) < PROBABILITY_BOUND


@pytest.mark.models
def test_what_stands_behind_a_sequence_changes_nothing(models: Path) -> None:
    """The scores of a sequence are the same bits whatever is fed after its end.

    The loops stand still there, backwards as well.
    """
    evaluator = Evaluator(open_graph(models / EARLY))
    x = early_windows(models, 0, 60)
    feeds: dict[str, Any] = {"input_node": x, "input_lengths": np.array([40], np.int32)}
    expected = evaluator.run(feeds, ["logits"])["logits"]
    changed = np.concatenate([x[:, :40], 3 - x[:, 40:]], axis=1)
    found = evaluator.run({**feeds, "input_node": changed}, ["logits"])["logits"]
    np.testing.assert_array_equal(found, expected)
    longer = evaluator.run({**feeds, "input_lengths": np.array([41], np.int32)}, ["logits"])
    assert distance(longer["logits"][:40], expected[:40]) > 1e-3


@pytest.mark.models
def test_a_length_for_each_sequence_is_asked_for(models: Path) -> None:
    """The Assert of the graph, and the reversal of the sequences, say what does not fit."""
    evaluator = Evaluator(open_graph(models / EARLY))
    feeds: dict[str, Any] = {"input_node": early_windows(models, 0, 10)}
    for lengths in ([10, 10], [11]):
        feeds["input_lengths"] = np.array(lengths, np.int32)
        with pytest.raises(ConversionError, match="feed (other inputs|one length for each)"):
            evaluator.run(feeds, ["logits"])
