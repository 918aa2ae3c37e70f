"""TensorArrays in numpy hold, give and refuse what TensorFlow's do, alone and in loops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.tensor import Shape
from dsconv.formats.graphdef.write import new_constant, new_node
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.tensor_arrays import TENSOR_ARRAY_OPS, merged_shape
from tests.acoustic.edits import with_nodes
from tests.reference import run_graph
from tests.runtime.built import built
from tests.runtime.test_loops import enter, feeds, powers

T, DTYPE = {"T": DataType.FLOAT}, {"dtype": DataType.FLOAT}
A, B, C = (np.array(pair, np.float32) for pair in ([1, 2], [3, 4], [5, 6]))
ROWS = np.stack([A, B, C])
LONG = np.array([7, 8, 9], np.float32)
INTEGERS = np.array([1, 2], np.int32)


def whole(*values: int) -> Any:
    """A vector of indices."""
    return np.array(values, np.int32)


@dataclass(frozen=True)
class Write:
    """One tensor goes in."""

    index: int
    value: Any


@dataclass(frozen=True)
class Scatter:
    """Rows go in."""

    indices: Any
    value: Any


@dataclass(frozen=True)
class Read:
    """One tensor comes out."""

    index: int
    dtype: DataType = DataType.FLOAT


@dataclass(frozen=True)
class Gather:
    """Tensors come out, stacked."""

    indices: Any
    shape: Shape = None


@dataclass(frozen=True)
class Size:
    """The number of elements comes out."""


@dataclass(frozen=True)
class Case:
    """An array that some ops work on in turn, and what comes out; or what the error says."""

    name: str
    size: int
    steps: tuple[Any, ...]
    expected: Any
    attributes: dict[str, Any] = field(default_factory=dict)

    def graph(self) -> tuple[Graph, list[str]]:
        """A node for each step, each after the one before it; and the names of what comes out."""
        nodes = [
            new_node("size", "Placeholder", [], {"dtype": DataType.INT32, "shape": ()}),
            new_node("array", "TensorArrayV3", ["size"], DTYPE | self.attributes),
        ]
        flow, before, outputs = "array:1", "array", []
        for number, step in enumerate(self.steps):
            name = f"step_{number}"
            nodes += step_nodes(step, name, flow, before)
            if isinstance(step, Write | Scatter):
                flow = name
            else:
                outputs.append(name)
            before = name
        nodes.append(new_node("end", "NoOp", [f"^{before}"]))
        return Graph(nodes), outputs


def step_nodes(step: Any, name: str, flow: str, before: str) -> list[Node]:
    """The node of a step and the constants that it takes."""
    inputs = ["array"]
    attributes: dict[str, Any] = {}
    nodes = []
    for what in ("index", "indices", "value"):
        if hasattr(step, what):
            value = getattr(step, what)
            array = np.array(value, np.int32) if isinstance(value, int) else value
            nodes.append(new_constant(f"{name}/{what}", array))
            inputs.append(f"{name}/{what}")
    if isinstance(step, Write | Scatter):
        attributes["T"] = DataType.INT32 if step.value.dtype == np.int32 else DataType.FLOAT
    elif isinstance(step, Read):
        attributes["dtype"] = step.dtype
    elif isinstance(step, Gather):
        attributes |= DTYPE | {"element_shape": step.shape}
    op = f"TensorArray{type(step).__name__}V3"
    return [*nodes, new_node(name, op, [*inputs, flow, f"^{before}"], attributes)]


ALL = Scatter(whole(0, 1, 2), ROWS)
KEEP, GROW = {"clear_after_read": False}, {"dynamic_size": True}
PAIRS = {"element_shape": (2,)}
ONE = {"identical_element_shapes": True}

CASES = [
    Case("written and read", 2, (Write(1, B), Write(0, A), Read(0), Read(1)), [A, B]),
    Case("scattered in another order", 3, (Scatter(whole(2, 0, 1), ROWS), Read(0)), [B]),
    Case("gathered", 3, (ALL, Gather(whole(0, 1, 2))), [ROWS]),
    Case("gathered in another order", 3, (ALL, Gather(whole(2, 0), (-1,))), [ROWS[[2, 0]]]),
    Case("part of it scattered", 3, (Scatter(whole(1), ROWS[:1]), Read(1)), [A]),
    Case("nothing scattered", 0, (Scatter(whole(), ROWS[:0]), Size()), [0]),
    Case("nothing gathered", 3, (ALL, Gather(whole(), (2,))), [ROWS[:0]]),
    Case("size", 3, (Size(),), [3]),
    Case("size of none", 0, (Size(),), [0]),
    Case("grown by a write", 0, (Write(1, A), Size(), Read(1)), [2, A], GROW),
    Case("grown by a scatter", 1, (ALL, Size(), Read(2)), [3, C], GROW),
    Case("not written, of a known shape", 2, (Read(1),), [0 * A], PAIRS),
    Case("not written, of a shape that a gather knows", 2, (Gather(whole(0), (2,)),), [[0 * A]]),
    Case("kept", 1, (Write(0, A), Read(0), Gather(whole(0, 0))), [A, [A, A]], KEEP),
    Case("several shapes", 2, (Write(0, A), Write(1, LONG), Read(1), Read(0)), [LONG, A]),
    Case("an open shape", 1, (Write(0, A), Read(0)), [A], {"element_shape": (-1,)}),
    Case("one shape", 2, (Write(0, A), Write(1, B), Read(1)), [B], ONE),
    Case("not written, of one shape", 2, (Write(0, A), Read(1)), [0 * A], ONE),
    Case("written twice", 1, (Write(0, A), Write(0, B)), "element 0 is written twice"),
    Case("written after a read", 1, (Write(0, A), Read(0), Write(0, B)), "0 is written twice"),
    Case("written after it was kept", 1, (Write(0, A), Read(0), Write(0, B)), "twice", KEEP),
    Case("scattered twice", 2, (Scatter(whole(0, 0), ROWS[:2]),), "element 0 is written twice"),
    Case("written after the end", 1, (Write(1, A),), "element 1 is written and there are 1"),
    Case("written before the start", 1, (Write(-1, A),), "element -1 is written and there are 1"),
    Case("grown backwards", 1, (Write(-1, A),), "element -1 is written", GROW),
    Case("scattered after the end", 2, (ALL,), "element 2 is written and there are 2"),
    Case("read after the end", 1, (Read(1),), "element 1 is read and there are 1", PAIRS),
    Case("read before the start", 1, (Read(-1),), "element -1 is read and there are 1", PAIRS),
    Case("a read does not grow", 1, (Read(1),), "element 1 is read", PAIRS | GROW),
    Case("gathered after the end", 3, (ALL, Gather(whole(3))), "3 is read and there are 3"),
    Case("not written", 2, (Read(1),), "element 1 is read and was not written"),
    Case("not written, half known", 1, (Read(0),), "not written", {"element_shape": (-1,)}),
    Case("read twice", 1, (Write(0, A), Read(0), Read(0)), "0 is read twice, with clear_after"),
    Case("gathered twice", 3, (ALL, Gather(whole(1, 1))), "element 1 is read twice"),
    Case("zeros read twice", 1, (Read(0), Read(0)), "element 0 is read twice", PAIRS),
    Case("another type", 1, (Write(0, INTEGERS),), "int32 is written, which should be float32"),
    Case("read as another type", 1, (Write(0, A), Read(0, DataType.INT32)), "a .*ReadV3 of int32"),
    Case("another shape", 1, (Write(0, LONG),), r"a tensor \[3\] is among tensors \[2\]", PAIRS),
    Case("another rank", 1, (Write(0, ROWS),), r"a tensor \[3, 2\] is among", PAIRS),
    Case("two shapes", 2, (Write(0, A), Write(1, LONG)), r"tensor \[3\] is among tensors", ONE),
    Case("gathered as another shape", 1, (Write(0, A), Gather(whole(0), (3,))), r"a tensor \[2\]"),
    Case("gathered against", 1, (Gather(whole(0), (3,)),), r"tensor \[3\] is among .*\[2\]", PAIRS),
    Case(
        "gathered of several shapes",
        2,
        (Write(0, A), Write(1, LONG), Gather(whole(0, 1))),
        "of tensors of several shapes",
    ),
    Case("nothing gathered of no shape", 1, (Gather(whole(), (-1,)),), "whose shape is not known"),
    Case("no shape in the gather", 3, (Gather(whole()),), "whose shape is not known", PAIRS),
    Case("indices too few", 3, (Scatter(whole(0, 1), ROWS),), r"of \[3, 2\] to \[2\] indices"),
    Case("a size below zero", -1, (Size(),), "'array': its size is -1"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_arrays_hold_what_they_should(case: Case) -> None:
    """The values that come out, twice from one evaluator; or an error that says what is wrong."""
    graph, outputs = case.graph()
    evaluator = Evaluator(graph)
    for _ in range(2):
        if isinstance(case.expected, str):
            with pytest.raises(ConversionError, match=case.expected):
                evaluator.run({"size": np.array(case.size, np.int32)}, [*outputs, "end"])
            continue
        found = evaluator.run({"size": np.array(case.size, np.int32)}, outputs)
        for name, expected in zip(outputs, case.expected, strict=True):
            np.testing.assert_array_equal(found[name], expected)


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tensorflow_says_the_same(case: Case, tensorflow: Any) -> None:
    """Values, shapes and types are equal; TensorFlow refuses too what is refused here."""
    graph, outputs = case.graph()
    inputs: dict[str, Any] = {"size": np.array(case.size, np.int32)}
    if isinstance(case.expected, str):
        errors = tensorflow.errors
        refusals = (errors.InvalidArgumentError, errors.UnimplementedError, ValueError)
        with pytest.raises(refusals):
            run_graph(tensorflow, graph, inputs, [f"step_{len(case.steps) - 1}"])
        return
    found = Evaluator(graph).run(inputs, outputs)
    for name, other in zip(outputs, run_graph(tensorflow, graph, inputs, outputs), strict=True):
        assert (found[name].shape, found[name].dtype) == (other.shape, other.dtype)
        np.testing.assert_array_equal(found[name], other)


def test_every_op_is_compared() -> None:
    """The cases above leave no op of TensorArrays out."""
    assert {node.op for case in CASES for node in case.graph()[0]} >= set(TENSOR_ARRAY_OPS)


def test_an_array_is_made_anew_in_each_run() -> None:
    """An array changes, so it is no constant even where its size is one."""
    graph, outputs = Case("", 0, (Write(0, A), Read(0)), [A]).graph()
    size = new_constant("size", np.array(1, np.int32))
    value = new_node("step_0/value", "Placeholder", [], DTYPE | {"shape": (2,)})
    evaluator = Evaluator(with_nodes(graph, size, value))
    for fed in (A, B, A):
        found = evaluator.run({"step_0/value": fed}, outputs)
        np.testing.assert_array_equal(found[outputs[0]], fed)


def reading_loop(**attributes: bool) -> Graph:
    """The loop of `powers`, which doubles what it reads from element 0 of an array outside.

    The array and the index are the same in each iteration; `value/exit` is 14 if there is one.
    """
    return with_nodes(
        powers(),
        new_node("array", "TensorArrayV3", ["one"], {"dtype": DataType.INT32, **attributes}),
        new_constant("seven", np.array(7, np.int32)),
        new_node("written", "TensorArrayWriteV3", ["array", "zero", "seven", "array:1"]),
        enter("array/enter", "array", constant=True),
        enter("written/enter", "written", constant=True),
        new_node(
            "read",
            "TensorArrayReadV3",
            ["array/enter", "none", "written/enter"],
            {"dtype": DataType.INT32},
        ),
        new_node("twice", "Add", ["read", "read"], {"T": DataType.INT32}),
    )


def test_a_loop_reads_in_each_iteration() -> None:
    """Also what no iteration changes: an array that does not keep it gives it only once."""
    for attributes, limit in (({}, 1), (KEEP, 1), (KEEP, 4)):
        found = Evaluator(reading_loop(**attributes)).run(feeds(limit), ["value/exit"])
        assert int(found["value/exit"]) == 14
    with pytest.raises(ConversionError, match="element 0 is read twice, with clear_after_read"):
        Evaluator(reading_loop()).run(feeds(2), ["value/exit"])


@pytest.mark.parametrize(
    ("a", "b", "merged"),
    [
        (None, None, None),
        (None, (2, -1), (2, -1)),
        ((2, -1), None, (2, -1)),
        ((), (), ()),
        ((-1, 3), (2, -1), (2, 3)),
        ((2,), (3,), None),
        ((2,), (2, 2), None),
        ((0,), (-1,), (0,)),
    ],
)
def test_shapes_are_merged(a: Shape, b: Shape, merged: Shape) -> None:
    """What one side leaves open the other may know."""
    assert merged_shape(a, b) == merged


class Cell:
    """An LSTM cell as ``dynamic_rnn`` takes it: forget bias 1, gates i, ci, f, o."""

    def __init__(self, v1: Any, inputs: int, cells: int) -> None:
        generator = np.random.default_rng(inputs + cells)
        self.v1 = v1
        self.output_size, self.state_size = cells, (cells, cells)
        self.kernel = generator.normal(size=(inputs + cells, 4 * cells)).astype(np.float32)
        self.bias = generator.normal(size=4 * cells).astype(np.float32)

    def zero_state(self, batch: Any, dtype: Any) -> Any:
        """Zeros for each sequence."""
        return tuple(self.v1.zeros([batch, size], dtype) for size in self.state_size)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:  # noqa: ARG002
        """One step."""
        v1 = self.v1
        c, h = state
        joined = v1.concat([inputs, h], 1)
        gates = v1.nn.bias_add(v1.matmul(joined, v1.constant(self.kernel)), self.bias)
        i, ci, f, o = v1.split(gates, 4, axis=1)
        c = c * v1.sigmoid(f + 1.0) + v1.sigmoid(i) * v1.tanh(ci)
        h = v1.tanh(c) * v1.sigmoid(o)
        return h, (c, h)


def bidirectional(v1: Any) -> None:
    """An LSTM in both directions over time, with sequences of several lengths."""
    x = v1.placeholder("float32", [None, None, 3], name="x")
    lengths = v1.placeholder("int32", [None], name="lengths")
    outputs, states = v1.nn.bidirectional_dynamic_rnn(
        Cell(v1, 3, 4), Cell(v1, 3, 5), x, lengths, dtype="float32", time_major=True
    )
    v1.concat(outputs, 2, name="a")
    v1.concat([value for pair in states for value in pair], 1, name="b")


def one_direction(v1: Any) -> None:
    """An LSTM over sequences that are all as long as the input, the batch first."""
    x = v1.placeholder("float32", [None, None, 3], name="x")
    outputs, (_, h) = v1.nn.dynamic_rnn(Cell(v1, 3, 4), x, dtype="float32")
    v1.identity(outputs, name="a")
    v1.identity(h, name="b")


def of_lengths(v1: Any) -> None:
    """The same for sequences of several lengths."""
    x = v1.placeholder("float32", [None, None, 3], name="x")
    lengths = v1.placeholder("int32", [None], name="lengths")
    outputs, (_, h) = v1.nn.dynamic_rnn(Cell(v1, 3, 4), x, lengths, dtype="float32")
    v1.identity(outputs, name="a")
    v1.identity(h, name="b")


def growing(v1: Any) -> None:
    """A loop that writes to an array which grows, and reads what it wrote before."""
    x = v1.placeholder("float32", [None], name="x")

    def body(i: Any, array: Any) -> Any:
        return i + 1, array.write(i, array.read(i - 1) + x)

    array = v1.TensorArray("float32", 1, dynamic_size=True, clear_after_read=False)
    _, array = v1.while_loop(
        lambda i, _: i < v1.shape(x)[0], body, (v1.constant(1), array.write(0, x))
    )
    v1.identity(array.stack(), name="a")
    v1.identity(array.size(), name="b")


def values(*shape: int) -> Any:
    """Random numbers."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


LOOPS: list[tuple[Any, dict[str, Any]]] = [
    (bidirectional, {"x": values(6, 3, 3), "lengths": whole(6, 2, 0)}),
    (bidirectional, {"x": values(1, 1, 3), "lengths": whole(1)}),
    (bidirectional, {"x": values(20, 2, 3), "lengths": whole(13, 20)}),
    (one_direction, {"x": values(2, 7, 3)}),
    (of_lengths, {"x": values(2, 7, 3), "lengths": whole(3, 7)}),
    (of_lengths, {"x": values(2, 7, 3), "lengths": whole(9, 5)}),
    (growing, {"x": values(5)}),
    (growing, {"x": values(1)}),
]


@pytest.mark.tensorflow
@pytest.mark.parametrize(("make", "inputs"), LOOPS)
def test_recurrent_networks_give_what_tensorflow_gives(
    make: Any, inputs: dict[str, Any], tensorflow: Any
) -> None:
    """Loops over TensorArrays as TensorFlow builds them, within 1e-6."""
    graph = built(tensorflow, make)
    assert any(node.op == "TensorArrayWriteV3" for node in graph)
    found: dict[str, Any] = Evaluator(graph).run(inputs, ["a", "b"])
    expected = run_graph(tensorflow, graph, inputs, ["a", "b"])
    for name, other in zip(("a", "b"), expected, strict=True):
        assert (found[name].shape, found[name].dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(found[name], other, rtol=0, atol=1e-6)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("make", "frames", "lengths", "says"),
    [
        (of_lengths, 4, whole(2, 2, 2), r"Expected shape for Tensor .* but saw shape: \] \[3\]; f"),
        (bidirectional, 4, whole(2, 2, 2), r"2 sequences of 4 steps and the lengths \[2, 2, 2\]"),
        (bidirectional, 4, whole(2, 5), r"2 sequences of 4 steps and the lengths \[2, 5\]"),
        (bidirectional, 0, whole(0, 0), "TensorArrayGatherV3 of no element"),
    ],
)
def test_what_tensorflow_refuses_is_refused(
    make: Any, frames: int, lengths: Any, says: str, tensorflow: Any
) -> None:
    """One length too many, one that is longer than the input, no input at all."""
    graph = built(tensorflow, make)
    x = values(frames, 2, 3) if make is bidirectional else values(2, frames, 3)
    inputs: dict[str, Any] = {"x": x, "lengths": lengths}
    errors = tensorflow.errors
    with pytest.raises((errors.InvalidArgumentError, errors.UnimplementedError)):
        run_graph(tensorflow, graph, inputs, ["a"])
    with pytest.raises(ConversionError, match=says):
        Evaluator(graph).run(inputs, ["a"])
