"""A graph for another number of steps computes what the original computes, frame for frame."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsconv.acoustic.recognise import recognise
from dsconv.errors import ConversionError
from dsconv.fixtures.write import write_random_model
from dsconv.formats.graphdef.edit import cut
from dsconv.formats.graphdef.graph import Graph, open_graph
from dsconv.formats.graphdef.steps import DYNAMIC, input_node, set_steps
from dsconv.formats.graphdef.write import edited, new_constant, new_node
from tests.formats.graphdef.test_edit import network_feeds
from tests.formats.graphdef.test_graph import ORIGINALS
from tests.reference import run_graph

STREAMING = [name for name in ORIGINALS if "0.1.1" not in name]


def windows(frames: int) -> Any:
    """Feature windows of so many frames."""
    return np.random.default_rng(3).normal(size=(1, frames, 19, 26)).astype(np.float32)


def scores(tensorflow: Any, graph: Graph, frames: Any) -> Any:
    """The scores of all frames from a zero state."""
    feeds: dict[str, Any] = {"input_node": frames}
    for name in ("previous_state_c", "previous_state_h"):
        if graph[name].op == "Placeholder":
            feeds[name] = np.zeros(graph[name].shape() or (), np.float32)
    if "input_lengths" in graph:
        feeds["input_lengths"] = np.array([frames.shape[1]], np.int32)
    return run_graph(tensorflow, graph, feeds, ["logits"])[0].reshape(frames.shape[1], -1)


@pytest.mark.models
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", [*STREAMING, "more/deepspeech-0.5.1-dynamic.pb"])
def test_any_number_of_steps_computes_the_same(name: str, models: Path, tensorflow: Any) -> None:
    """From one graph: -1, 1, 5, 32 and back to 16; the scores of a frame depend on those before."""
    graph = open_graph(models / name)
    frames = windows(32)
    expected = scores(tensorflow, set_steps(graph, 16), frames[:, :16])
    for steps in (DYNAMIC, 1, 5, 32):
        changed = set_steps(graph, steps)
        assert recognise(changed).steps == steps
        fed = frames if steps == DYNAMIC else frames[:, :steps]
        actual = scores(tensorflow, changed, fed)[:16]
        np.testing.assert_allclose(actual, expected[: len(actual)], rtol=2e-6, atol=1e-6)
    back = set_steps(set_steps(graph, DYNAMIC), 16)
    np.testing.assert_array_equal(scores(tensorflow, back, frames[:, :16]), expected)


@pytest.mark.models
@pytest.mark.tensorflow
def test_dynamic_equals_the_exporters_dynamic_graph(models: Path, tensorflow: Any) -> None:
    """The edited 16-step graph gives the numbers of the exporter's own `--n_steps -1`."""
    edited_graph = set_steps(open_graph(models / "deepspeech-0.9.3-static.pb"), DYNAMIC)
    original = open_graph(models / "deepspeech-0.9.3-dynamic.pb")
    for count in (1, 5, 16, 37, 146):
        actual = scores(tensorflow, edited_graph, windows(count))
        np.testing.assert_array_equal(actual, scores(tensorflow, original, windows(count)))


def test_fixed_to_fixed_is_what_the_exporter_writes(tmp_path: Path) -> None:
    """16 to 32 steps changes the three places where the exporter writes the number."""
    (short,) = write_random_model(tmp_path / "16", 32, n_steps=16)
    (long,) = write_random_model(tmp_path / "32", 32, n_steps=32)
    changed, expected = set_steps(open_graph(short), 32), open_graph(long)
    assert [bytes(n.span.view) for n in changed] == [bytes(n.span.view) for n in expected]


def test_dynamic_takes_five_nodes_more_and_loses_the_constant(small_graph: Graph) -> None:
    """The number comes from the shape of the LSTM's input."""
    dynamic = set_steps(small_graph, DYNAMIC)
    ops = [node.op for node in dynamic]
    assert len(dynamic) == len(small_graph) + 4
    assert ops.count("Shape") == ops.count("StridedSlice") == 1
    assert len(set_steps(dynamic, 16)) == len(small_graph)


@pytest.mark.tensorflow
def test_lengths_shorter_than_the_steps(small_graph: Graph, tensorflow: Any) -> None:
    """The mask follows the new number of steps, so the states after 7 frames are the same."""
    outputs = ["new_state_c", "new_state_h"]
    feeds = network_feeds(small_graph, length=7)
    expected = run_graph(tensorflow, small_graph, feeds, outputs)
    for steps in (8, 40, DYNAMIC):
        fed = np.zeros((1, abs(steps) if steps != DYNAMIC else 21, 19, 26), np.float32)
        fed[:, :7] = feeds["input_node"][:, :7]
        changed = set_steps(small_graph, steps)
        actual = run_graph(tensorflow, changed, feeds | {"input_node": fed}, outputs)
        np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=1e-6)


def with_node(graph: Graph, name: str, node: Any) -> Graph:
    return graph.replacing(node if other.name == name else other for other in graph)


def test_refusals_say_what_and_where(small_graph: Graph) -> None:
    """A graph that keeps its number of steps elsewhere is refused, not edited halfway."""
    lstm = next(node for node in small_graph if node.op == "BlockLSTM")
    mask = next(n for n in small_graph if n.op == "Range" and "Mask" in n.name)
    relu = small_graph["Relu"]
    shape = small_graph["Reshape_3/shape"]
    cases = [
        (small_graph, 0, "0 steps are not possible"),
        (cut(small_graph, "transpose", (16, 1, 19, 26)).replacing([]), 8, "no input of the form"),
        (
            with_node(small_graph, lstm.name, new_node(lstm.name, "Identity", ["Reshape_2"])),
            8,
            "0 BlockLSTM nodes",
        ),
        (
            with_node(small_graph, "Relu", new_node("Relu", "FancyOp", relu.inputs)),
            8,
            "'Relu' is a FancyOp",
        ),
        (
            with_node(
                small_graph, shape.name, new_constant(shape.name, np.array([4, -1], np.int32))
            ),
            8,
            "'Reshape_3' reshapes to a fixed first dimension",
        ),
        (
            with_node(
                small_graph, mask.inputs[1], new_constant(mask.inputs[1], np.array(12, np.int32))
            ),
            8,
            r"not the input's number of steps \(16\)",
        ),
    ]
    for graph, steps, says in cases:
        with pytest.raises(ConversionError, match=says):
            set_steps(graph, steps)


def test_input_node_is_found_by_structure(small_graph: Graph) -> None:
    """Any name will do: the input is the one of four dimensions that is transposed."""
    renamed = small_graph.replacing(
        new_node("windows", "Placeholder", [], dict(node.attributes))
        if node.name == "input_node"
        else edited(node, inputs=[name.replace("input_node", "windows") for name in node.inputs])
        for node in small_graph
    )
    found = input_node(renamed)
    assert found is not None
    assert found.name == "windows"
    assert recognise(set_steps(renamed, DYNAMIC)).steps == DYNAMIC
