"""A BlockLSTM unrolled into plain ops computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dsconv.convert.toolkit.block_lstm.lower import lowered
from dsconv.errors import ConversionError
from dsconv.graph.dtypes import DataType
from dsconv.graph.graph import Graph
from dsconv.graph.node import Node
from dsconv.graph.write import edited, new_constant, new_node
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.model import TensorSpec
from tests.convert.toolkit.networks import FLOAT, placeholder
from tests.reference import run_graph
from tests.runtime.speech import distance

STEPS, BATCH, INPUTS, CELLS = 5, 2, 3, 4
SHAPES = {"x": (STEPS, BATCH, INPUTS), "c": (BATCH, CELLS), "h": (BATCH, CELLS)}
SPECS = [TensorSpec(name, "float32", shape) for name, shape in SHAPES.items()]
LENGTH = TensorSpec("length", "int64", ())
OUTPUTS = ("i", "cs", "f", "o", "ci", "co", "h")


def lstm(length: Node, **attributes: Any) -> Graph:
    """A graph with an LSTM, all of whose outputs are read."""
    random = np.random.default_rng(3)

    def weights(name: str, *shape: int) -> Node:
        return new_constant(name, random.normal(size=shape).astype(np.float32))

    plain = {"forget_bias": 1.0, "cell_clip": -1.0, "use_peephole": False}
    given = [length.name, "x", "c", "h", "w", "p", "p", "p", "b"]
    return Graph(
        [
            length,
            *(placeholder(name, shape) for name, shape in SHAPES.items()),
            weights("w", INPUTS + CELLS, 4 * CELLS),
            weights("b", 4 * CELLS),
            new_constant("p", np.zeros(CELLS, np.float32)),
            new_node("lstm", "BlockLSTM", given, {**FLOAT, **plain, **attributes}),
            *(
                new_node(f"out_{name}", "Identity", [f"lstm:{place}" if place else "lstm"], FLOAT)
                for place, name in enumerate(OUTPUTS)
            ),
        ]
    )


def fixed(steps: int) -> Node:
    """A number of valid steps that is known."""
    return new_constant("length", np.array(steps, np.int64))


FED = placeholder("length", (), DataType.INT64)
READ = [f"out_{name}" for name in OUTPUTS]


def feeds(**others: Any) -> dict[str, Any]:
    """Numbers in the inputs."""
    random = np.random.default_rng(4)
    values = {n: random.normal(size=s).astype(np.float32) for n, s in SHAPES.items()}
    return values | others


@pytest.mark.parametrize("clip", [-1.0, 0.5])
@pytest.mark.parametrize("bias", [0.0, 1.0])
@pytest.mark.parametrize("length", [0, 2, STEPS])
@pytest.mark.parametrize("known", [True, False], ids=["constant", "fed"])
@pytest.mark.tensorflow
def test_the_same_as_in_tensorflow(
    known: bool, length: int, bias: float, clip: float, tensorflow: Any
) -> None:
    """All outputs; steps beyond the length are zeros, or anything but in the states."""
    graph = lstm(fixed(length) if known else FED, forget_bias=bias, cell_clip=clip)
    fed = feeds() if known else feeds(length=np.array(length, np.int64))
    wanted = run_graph(tensorflow, graph, fed, READ)
    plain = lowered(graph, SPECS if known else [*SPECS, LENGTH])
    assert "BlockLSTM" not in {node.op for node in plain}
    found = run_graph(tensorflow, plain, fed, READ)
    for name, expected, actual in zip(OUTPUTS, wanted, found, strict=True):
        assert actual.shape == expected.shape, name
        if name not in ("cs", "h"):
            # TensorFlow leaves there what was in memory.
            expected, actual = expected[:length], actual[:length]
        assert np.abs(actual - expected).max(initial=0.0) <= 1e-6, name


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
        wanted = Evaluator(ready.graph).run(fed, ready.outputs)
        found = Evaluator(plain).run(fed, ready.outputs)
        for name in ready.outputs:
            assert distance(found[name], wanted[name]) <= 1e-6, (length, name)


def test_a_graph_without_one_stays_as_it_is() -> None:
    """Nothing is copied."""
    graph = Graph([placeholder("x", (2,))])
    assert lowered(graph, []) is graph


def changed(graph: Graph, name: str, **changes: Any) -> Graph:
    """A graph with one node edited."""
    return graph.replacing(edited(node, **changes) if node.name == name else node for node in graph)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"attributes": {"use_peephole": True}}, "has peephole weights"),
        ({"attributes": {"T": DataType.HALF}}, "does not compute in float32"),
        (
            {"inputs": ["length", "x", "c", "h", "w", "p", "p", "p", "b", "^x"]},
            "waits for other nodes",
        ),
        ({"inputs": ["length", "x", "c", "h", "w", "p", "p", "p"]}, "has 8 inputs"),
        (
            {"inputs": ["length", "x", "c", "h", "w", "p", "p", "p", "c"]},
            "has biases that are no constants",
        ),
        (
            {"inputs": ["length", "x", "c", "h", "w", "p", "p", "p", "p"]},
            "has weights of shape.*do not fit",
        ),
        (
            {"inputs": ["length", "c", "c", "h", "w", "p", "p", "p", "b"]},
            r"takes an input of shape \[2, 4\]",
        ),
    ],
    ids=["peephole", "type", "control", "count", "computed", "sizes", "rank"],
)
def test_others_are_refused(edit: dict[str, Any], says: str) -> None:
    """By name, rather than computed wrongly."""
    with pytest.raises(ConversionError, match=rf"'lstm' \(BlockLSTM\) {says}"):
        lowered(changed(lstm(fixed(STEPS)), "lstm", **edit), SPECS)


def test_any_number_of_steps_is_refused() -> None:
    """Unrolled steps have to be counted."""
    specs = [TensorSpec("x", "float32", (-1, BATCH, INPUTS)), *SPECS[1:]]
    with pytest.raises(ConversionError, match="fixed number of steps.*--n-steps 16"):
        lowered(lstm(fixed(STEPS)), specs)
