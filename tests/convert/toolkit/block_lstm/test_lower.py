"""A BlockLSTM in plain ops, unrolled or in a loop, computes the same in TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dsconv.convert.toolkit.block_lstm.lower import lowered
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.write import edited, new_node
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.model import TensorSpec
from tests.convert.toolkit.block_lstm.graphs import (
    FED,
    LENGTH,
    OUTPUTS,
    READ,
    STEPS,
    feeds,
    fixed,
    lstm,
    specs,
    two_lstms,
)
from tests.convert.toolkit.networks import placeholder
from tests.reference import run_graph
from tests.runtime.speech import distance


@pytest.mark.parametrize("clip", [-1.0, 0.5])
@pytest.mark.parametrize("bias", [0.0, 1.0])
@pytest.mark.parametrize("length", [0, 2, STEPS])
@pytest.mark.parametrize("known", [True, False], ids=["constant", "fed"])
@pytest.mark.parametrize("steps", [STEPS, -1], ids=["unrolled", "loop"])
@pytest.mark.tensorflow
def test_the_same_as_in_tensorflow(
    steps: int, known: bool, length: int, bias: float, clip: float, tensorflow: Any
) -> None:
    """All outputs; steps beyond the length are zeros, or anything but in the states."""
    given = fixed(length) if known else FED
    graph = lstm(given, steps=steps, forget_bias=bias, cell_clip=clip)
    fed = feeds() if known else feeds(length=np.array(length, np.int64))
    check(tensorflow, graph, [*specs(steps), *([] if known else [LENGTH])], fed, length)


@pytest.mark.parametrize("steps", [STEPS, -1], ids=["unrolled", "loop"])
@pytest.mark.parametrize("length", [0, 2, STEPS])
@pytest.mark.tensorflow
def test_any_batch(length: int, steps: int, tensorflow: Any) -> None:
    """Its size may be open, and differ from call to call."""
    graph = lstm(fixed(length), steps=steps, batch=-1)
    for batch in (1, 3):
        check(tensorflow, graph, specs(steps, -1), feeds(batch=batch), length)


@pytest.mark.parametrize("steps", [STEPS, -1], ids=["unrolled", "loop"])
@pytest.mark.tensorflow
def test_one_takes_the_result_of_the_other(steps: int, tensorflow: Any) -> None:
    """Each has a loop of its own."""
    graph = two_lstms(FED, steps=steps)
    fed = feeds(length=np.array(STEPS, np.int64))
    check(tensorflow, graph, [*specs(steps), LENGTH], fed, STEPS)


@pytest.mark.parametrize("steps", [1, 2, 40])
@pytest.mark.tensorflow
def test_any_number_of_steps(steps: int, tensorflow: Any) -> None:
    """One graph for all."""
    graph = lstm(FED, steps=-1)
    fed = feeds(steps, length=np.array(steps, np.int64))
    check(tensorflow, graph, [*specs(-1), LENGTH], fed, steps)


def check(
    tensorflow: Any, graph: Graph, inputs: list[TensorSpec], fed: dict[str, Any], length: int
) -> None:
    """Compare a graph with what becomes of it; `length` steps are valid."""
    plain = lowered(graph, inputs)
    assert "BlockLSTM" not in {node.op for node in plain}
    expected_value = run_graph(tensorflow, graph, fed, READ)
    found = run_graph(tensorflow, plain, fed, READ)
    for name, expected, actual in zip(OUTPUTS, expected_value, found, strict=True):
        assert actual.shape == expected.shape, name
        assert not actual[length:].any(), name
        if name not in ("cs", "h"):
            # TensorFlow leaves there what was in memory.
            expected, actual = expected[:length], actual[:length]
        assert np.abs(actual - expected).max(initial=0.0) <= 1e-6, name


def test_open_sizes_that_steps_do_not_depend_on() -> None:
    """Where the number of steps is known there is no loop."""
    open_input = TensorSpec("other", "float32", (-1,))
    plain = lowered(lstm(fixed(STEPS)), [*specs(), open_input])
    assert "StatelessWhile" not in {node.op for node in plain}


@pytest.mark.parametrize("op", ["Relu6", "Elu", "LeakyRelu", "Rsqrt"])
@pytest.mark.tensorflow
def test_whatever_stands_before_it(op: str, tensorflow: Any) -> None:
    """The kernel says how many inputs there are, the states how many clips; the steps are any."""
    graph = changed(lstm(FED, steps=STEPS), "lstm", inputs=["length", "y", *LSTM_REST])
    graph = graph.replacing([*graph, new_node("y", op, ["x"], {"T": DataType.FLOAT})])
    fed = feeds(length=np.array(3, np.int64))
    fed["x"] = np.abs(fed["x"])
    check(tensorflow, graph, [*specs(), LENGTH], fed, 3)


def test_an_acoustic_graph(small_graph: Graph) -> None:
    """Its lengths are an input."""
    from dsconv.convert.options import Options
    from dsconv.convert.toolkit.prepare import prepare

    ready = prepare(small_graph, Options(steps=4))
    plain = lowered(ready.graph, ready.inputs)
    random = np.random.default_rng(5)
    fed: dict[str, Any] = {
        given.name: random.normal(size=given.shape or ()).astype(np.float32)
        for given in ready.inputs
    }
    for length in (0, 1, 3, 4):
        fed["input_lengths"] = np.array([length], np.int32)
        expected = Evaluator(ready.graph).run(fed, ready.outputs)
        found = Evaluator(plain).run(fed, ready.outputs)
        for name in ready.outputs:
            assert distance(found[name], expected[name]) <= 1e-6, (length, name)


def test_a_graph_without_one_stays_as_it_is() -> None:
    """Nothing is copied."""
    graph = Graph([placeholder("x", (2,))])
    assert lowered(graph, []) is graph


P = ["lstm/p"] * 3
LSTM_REST = ["c", "h", "lstm/w", *P, "lstm/b"]


def changed(graph: Graph, name: str, **changes: Any) -> Graph:
    """A graph with one node edited."""
    return graph.replacing(edited(node, **changes) if node.name == name else node for node in graph)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"attributes": {"use_peephole": True}}, "has peephole weights"),
        ({"attributes": {"T": DataType.HALF}}, "does not compute in float32"),
        (
            {"inputs": ["length", "x", "c", "h", "lstm/w", *P, "lstm/b", "^x"]},
            "waits for other nodes",
        ),
        ({"inputs": ["length", "x", "c", "h", "lstm/w", *P]}, "has 8 inputs"),
        (
            {"inputs": ["length", "x", "c", "h", "lstm/w", *P, "c"]},
            "has biases that are no constants",
        ),
        (
            {"inputs": ["length", "x", "c", "h", "lstm/w", *P, "lstm/p"]},
            "has weights of shape.*do not fit",
        ),
        (
            {"inputs": ["length", "c", "c", "h", "lstm/w", *P, "lstm/b"]},
            r"takes an input of shape \[2, 4\]",
        ),
    ],
    ids=["peephole", "type", "control", "count", "computed", "sizes", "rank"],
)
def test_others_are_refused(edit: dict[str, Any], says: str) -> None:
    """By name, rather than computed wrongly."""
    with pytest.raises(ConversionError, match=rf"'lstm' \(BlockLSTM\) {says}"):
        lowered(changed(lstm(fixed(STEPS)), "lstm", **edit), specs())


def test_more_valid_steps_than_there_may_be() -> None:
    """A number of them that is fixed asks for as many steps, so any number is refused."""
    with pytest.raises(
        ConversionError, match="'second' .* size is not known .*'first' should run 5"
    ):
        lowered(two_lstms(fixed(STEPS), steps=-1), specs(-1))
