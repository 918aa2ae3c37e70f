"""While loops in numpy are TensorFlow 1's: what goes round, what comes out, what is no loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.graph import Graph
from dsconv.formats.graphdef.node import Node
from dsconv.formats.graphdef.write import edited, new_constant, new_node
from dsconv.runtime import loops
from dsconv.runtime.evaluator import Evaluator
from dsconv.runtime.ops import OPS
from tests.acoustic.edits import with_nodes
from tests.reference import run_graph
from tests.runtime.built import built

INT = {"T": DataType.INT32}


def number(value: int) -> Any:
    """A single integer."""
    return np.array(value, np.int32)


def enter(name: str, source: str, constant: bool = False, frame: str = "while") -> Node:
    """What goes into a loop."""
    attributes = {"is_constant": constant, "frame_name": frame.encode(), "parallel_iterations": 10}
    return new_node(name, "Enter", [source], INT | attributes)


def variable(name: str, start: str, after: str) -> list[Node]:
    """A loop variable: `name` is its value in the body, `name/exit` that after the loop."""
    return [
        enter(f"{name}/enter", start),
        new_node(f"{name}/merge", "Merge", [f"{name}/enter", f"{name}/next"], INT | {"N": 2}),
        new_node(f"{name}/switch", "Switch", [f"{name}/merge", "going"], INT),
        new_node(name, "Identity", [f"{name}/switch:1"], INT),
        new_node(f"{name}/next", "NextIteration", [after], INT),
        new_node(f"{name}/exit", "Exit", [f"{name}/switch"], INT),
    ]


def powers() -> Graph:
    """The powers of two: `value/exit` is 1, doubled `limit` times; `count/exit` is `limit`.

    What is doubled goes through a sum with `offset` times zero, which no iteration changes.
    """
    return Graph(
        [
            new_node("limit", "Placeholder", [], {"dtype": DataType.INT32, "shape": ()}),
            new_node("offset", "Placeholder", [], {"dtype": DataType.INT32, "shape": ()}),
            new_constant("zero", number(0)),
            new_constant("one", number(1)),
            enter("limit/enter", "limit", constant=True),
            enter("offset/enter", "offset", constant=True),
            *variable("count", "zero", "count/sum"),
            *variable("value", "one", "value/sum"),
            new_node("less", "Less", ["count/merge", "limit/enter"], INT),
            new_node("going", "LoopCond", ["less"]),
            edited(new_constant("step", number(1)), inputs=["^count"]),
            edited(new_constant("none", number(0)), inputs=["^count"]),
            new_node("count/sum", "Add", ["count", "step"], INT),
            new_node("nothing", "Mul", ["offset/enter", "none"], INT),
            new_node("twice", "Add", ["value", "value"], INT),
            new_node("value/sum", "Add", ["twice", "nothing"], INT),
        ]
    )


def feeds(limit: int) -> dict[str, Any]:
    """So many iterations."""
    return {"limit": number(limit), "offset": number(5)}


@pytest.mark.parametrize("limit", [-1, 0, 1, 2, 20])
def test_a_loop_goes_round_while_its_condition_holds(limit: int) -> None:
    """Not at all if it does not hold at first; both variables come out."""
    found = Evaluator(powers()).run(feeds(limit), ["value/exit", "count/exit"])
    assert int(found["value/exit"]) == 2 ** max(limit, 0)
    assert int(found["count/exit"]) == max(limit, 0)


def test_an_evaluator_runs_its_loops_again() -> None:
    """Nothing of a run is left for the next one, whatever it asks for."""
    evaluator = Evaluator(powers())
    for limit in (3, 5, 1):
        assert int(evaluator.run(feeds(limit), ["value/exit"])["value/exit"]) == 2**limit
        assert int(evaluator.run(feeds(limit), ["count/exit"])["count/exit"]) == limit


def test_a_loop_runs_once_for_all_of_its_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no iteration changes is computed once, the rest once in each, the condition once more.

    Without an iteration the body is not computed at all.
    """
    calls: list[str] = []

    def counted(name: str) -> None:
        function = OPS[name]

        def op(node: Node, *inputs: Any) -> Any:
            calls.append(node.name)
            return function(node, *inputs)

        monkeypatch.setitem(OPS, name, op)

    for name in ("Add", "Mul", "Less"):
        counted(name)
    evaluator = Evaluator(powers())
    evaluator.run(feeds(3), ["value/exit", "count/exit"])
    names = ("less", "nothing", "twice", "value/sum", "count/sum")
    assert [calls.count(name) for name in names] == [4, 1, 3, 3, 3]
    calls.clear()
    evaluator.run(feeds(0), ["value/exit", "count/exit"])
    assert calls == ["less"]


def test_what_no_output_needs_is_not_evaluated() -> None:
    """A variable that nothing asks for may go through any op."""
    graph = with_nodes(powers(), new_node("value/sum", "FancyOp", ["twice"]))
    assert int(Evaluator(graph).run(feeds(3), ["count/exit"])["count/exit"]) == 3
    with pytest.raises(ConversionError, match="'value/sum' is a FancyOp node"):
        Evaluator(graph).run(feeds(3), ["value/exit"])


def test_constants_in_a_loop_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights inside are not copied for each iteration, nor for each run."""
    reads: list[str] = []
    tensor = Graph.tensor

    def read(graph: Graph, node: Node) -> Any:
        reads.append(node.name)
        return tensor(graph, node)

    monkeypatch.setattr(Graph, "tensor", read)
    evaluator = Evaluator(powers())
    for _ in range(3):
        evaluator.run(feeds(4), ["value/exit"])
    assert sorted(reads) == ["none", "one", "step", "zero"]


def test_what_waits_for_a_check_in_a_loop_is_stopped_by_it() -> None:
    """A control dependency inside is evaluated in each iteration."""
    graph = with_nodes(
        powers(),
        enter("two", "two/outside", constant=True),
        new_constant("two/outside", number(2)),
        new_node("below", "Less", ["count", "two"], INT),
        new_node("check", "Assert", ["below", "count"]),
        new_node("count/sum", "Add", ["count", "step", "^check"], INT),
    )
    assert int(Evaluator(graph).run(feeds(2), ["count/exit"])["count/exit"]) == 2
    with pytest.raises(ConversionError, match=r"check 'check' of the graph fails: \[2\]"):
        Evaluator(graph).run(feeds(3), ["count/exit"])


def test_a_loop_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes as many iterations as are allowed and not one more."""
    monkeypatch.setattr(loops, "ITERATIONS", 20)
    assert int(Evaluator(powers()).run(feeds(19), ["count/exit"])["count/exit"]) == 19
    with pytest.raises(ConversionError, match="loop 'while' does not end within 20 iterations"):
        Evaluator(powers()).run(feeds(20), ["count/exit"])


def changed(*nodes: Node) -> Callable[[Graph], Graph]:
    """A graph with some nodes in place of others, or more."""
    return lambda graph: with_nodes(graph, *nodes)


@pytest.mark.parametrize(
    ("edit", "output", "says"),
    [
        (changed(), "count", "'count' is a Identity inside of a while loop"),
        (changed(), "count/enter", "'count/enter' is a Enter inside of a while loop"),
        (
            changed(new_node("late", "NoOp", ["^count/sum"])),
            "late",
            "'late' is a NoOp inside of a while loop",
        ),
        (
            changed(new_node("sum", "Add", ["count", "limit"], INT)),
            "sum",
            "'sum' is a Add with inputs from inside and from outside of a while loop",
        ),
        (
            changed(new_constant("step", number(1))),
            "count/exit",
            "'count/sum' is a Add with inputs from inside and from outside of a while loop",
        ),
        (
            changed(
                enter("inner", "count", frame="inner"),
                new_node("inner/exit", "Exit", ["inner"], INT),
                new_node("count/sum", "Add", ["inner/exit", "step"], INT),
            ),
            "count/exit",
            "'inner' is a Enter of a while loop inside of the loop 'while'",
        ),
        (
            changed(enter("limit/enter", "limit", constant=False)),
            "count/exit",
            "'limit/enter' is a Enter with is_constant False in front of a Less",
        ),
        (
            changed(enter("count/enter", "zero", constant=True)),
            "count/exit",
            "'count/enter' is a Enter with is_constant True in front of a Merge",
        ),
        (
            changed(new_node("count/sum", "Add", ["count/merge:1", "step"], INT)),
            "count/exit",
            "'count/merge' is a Merge whose second output is used",
        ),
        (
            changed(new_node("count", "Identity", ["count/switch"], INT)),
            "count/exit",
            "'count' is a Identity that takes output 0 of a Switch",
        ),
        (
            changed(new_node("count/exit", "Exit", ["count/switch:1"], INT)),
            "count/exit",
            "'count/exit' is a Exit that takes output 1 of a Switch",
        ),
        (
            changed(new_node("count/exit", "Exit", ["count/merge"], INT)),
            "count/exit",
            "'count/exit' is a Exit of Merge",
        ),
        (
            changed(new_node("count/exit", "Exit", ["count/switch", "^value/sum"], INT)),
            "count/exit",
            "'count/exit' is a Exit of Switch and Add",
        ),
        (
            changed(new_node("count/merge", "Merge", ["count/enter", "value/enter"], INT)),
            "count/exit",
            "'count/merge' is a Merge of Enter and Enter",
        ),
        (
            changed(new_node("count/merge", "Merge", ["count/enter"], INT)),
            "count/exit",
            "'count/merge' is a Merge of Enter",
        ),
        (
            changed(
                new_node("count/merge", "Merge", ["count/enter", "count/next", "value/next"], INT)
            ),
            "count/exit",
            "'count/merge' is a Merge of Enter and NextIteration and NextIteration",
        ),
        (
            changed(new_node("count/switch", "Switch", ["count/merge", "less"], INT)),
            "count/exit",
            "'count/switch' is a Switch on a Less",
        ),
        (
            changed(
                new_node("value/switch", "Switch", ["value/merge", "also"], INT),
                new_node("also", "LoopCond", ["less"]),
                new_node("count/sum", "Add", ["value", "step"], INT),
            ),
            "count/exit",
            "'.*/enter' is a Enter of a frame with 2 LoopCond nodes",
        ),
        (
            changed(new_node("less", "Less", ["count", "limit/enter"], INT)),
            "count/exit",
            "is a .* in a loop",
        ),
        (
            changed(enter("limit/enter", "count/exit", constant=True)),
            "count/exit",
            "is a .* in a loop",
        ),
        (
            changed(enter("count/enter", "round"), new_node("round", "Identity", ["round"], INT)),
            "count/exit",
            "is a .* in a loop that nothing enters",
        ),
        (
            changed(new_node("count/sum", "Assign", ["count", "step"], INT)),
            "count/exit",
            "'count/sum' is a Assign node",
        ),
        (
            changed(new_node("out", "Exit", ["limit"], INT)),
            "out",
            "'out' is a Exit node",
        ),
        (
            changed(
                new_node("true", "Placeholder", [], {"dtype": DataType.BOOL, "shape": ()}),
                new_node("either", "Switch", ["limit", "true"], INT),
            ),
            "either",
            "'either' is a Switch node",
        ),
        (
            changed(new_node("joined", "Merge", ["limit", "offset"], INT | {"N": 2})),
            "joined",
            "'joined' is a Merge node",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("'") else "",
)
def test_what_is_no_plain_loop_is_refused(
    edit: Callable[[Graph], Graph], output: str, says: str
) -> None:
    """A node of it is named: loops in loops, branches, and nodes that mix iterations."""
    graph = edit(powers())
    with pytest.raises(ConversionError, match=f"{says}, which dsconv does not evaluate"):
        Evaluator(graph).run({**feeds(3), "true": np.array(True)}, [output])


@dataclass(frozen=True)
class Built:
    """A graph of TensorFlow's making. `make` names its outputs `a` and, if there is one, `b`."""

    name: str
    make: Callable[[Any], None]
    feeds: tuple[dict[str, Any], ...]


def counting(v1: Any) -> None:
    """A loop with a vector that doubles, and an exit that nothing needs."""
    n, x = v1.placeholder("int32", [], name="n"), v1.placeholder("float32", [3], name="x")
    count, found = v1.while_loop(
        lambda i, _: i < n, lambda i, value: (i + 1, value + value), (v1.constant(0), x)
    )
    v1.identity(found, name="a")
    v1.identity(count, name="b")


def swapping(v1: Any) -> None:
    """Fibonacci: each variable takes the other's value of the iteration before."""
    n = v1.placeholder("int32", [], name="n")
    _, a, b = v1.while_loop(
        lambda i, *_: i < n,
        lambda i, a, b: (i + 1, b, a + b),
        (v1.constant(0), v1.constant(0), v1.constant(1)),
    )
    v1.identity(a, name="a")
    v1.identity(b, name="b")


def invariants(v1: Any) -> None:
    """What comes from outside, products of it, a variable that stays, one that is replaced."""
    n, x = v1.placeholder("int32", [], name="n"), v1.placeholder("float32", [2, 2], name="x")
    _, value, kept, replaced = v1.while_loop(
        lambda i, *_: i < n * 2,
        lambda i, value, kept, _: (i + 1, v1.matmul(value, x) + v1.tanh(x * 3.0), kept, x),
        (v1.constant(0), x + x, x * 2.0, x - 1.0),
    )
    v1.identity(value, name="a")
    v1.concat([kept, replaced], 0, name="b")


def at_most(v1: Any) -> None:
    """A largest number of iterations: the condition is two that both must hold."""
    n = v1.placeholder("int32", [], name="n")
    found = v1.while_loop(lambda i: i < n, lambda i: i + 1, (v1.constant(0),), maximum_iterations=4)
    v1.identity(found, name="a")


def one_after_the_other(v1: Any) -> None:
    """What one loop gives is the number of iterations and the start of the next."""
    n = v1.placeholder("int32", [], name="n")
    first = v1.while_loop(lambda i: i < n, lambda i: (i + i,), (v1.constant(1),))
    second = v1.while_loop(
        lambda i, _: i < first, lambda i, s: (i + 1, s + i), (v1.constant(0), first)
    )
    v1.identity(second[1], name="a")


def deciding_by_values(v1: Any) -> None:
    """A condition on a float that the body computes."""
    x = v1.placeholder("float32", [3], name="x")
    found = v1.while_loop(
        lambda value: v1.reduce_max(value) < 100.0, lambda value: (value * x,), (x,)
    )
    v1.identity(found, name="a")


X = np.array([0.5, -1.25, 3.0], np.float32)
SQUARE = np.array([[0.5, 1], [0.25, -1]], np.float32)
COUNTS = (-1, 0, 1, 2, 9)

BUILT = [
    Built("counting", counting, tuple({"n": number(n), "x": X} for n in COUNTS)),
    Built("swapping", swapping, tuple({"n": number(n)} for n in COUNTS)),
    Built(
        "invariants",
        invariants,
        tuple({"n": number(n), "x": SQUARE} for n in (0, 1, 3)),
    ),
    Built("at_most", at_most, tuple({"n": number(n)} for n in (0, 3, 4, 5, 9))),
    Built("one_after_the_other", one_after_the_other, tuple({"n": number(n)} for n in COUNTS)),
    Built("deciding_by_values", deciding_by_values, ({"x": X}, {"x": 100 * X})),
]


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", BUILT, ids=lambda case: case.name)
def test_loops_give_what_tensorflow_gives(case: Built, tensorflow: Any) -> None:
    """Loops that TensorFlow builds, for several inputs, within 1e-6 of the largest number."""
    graph = built(tensorflow, case.make)
    names = [name for name in ("a", "b") if name in graph]
    assert sum(node.op == "LoopCond" for node in graph) >= 1
    evaluator = Evaluator(graph)
    for values in case.feeds:
        expected = run_graph(tensorflow, graph, values, names)
        found: dict[str, Any] = evaluator.run(values, names)
        for name, other in zip(names, expected, strict=True):
            assert (found[name].shape, found[name].dtype) == (other.shape, other.dtype)
            atol = 1e-6 * float(np.abs(other).max())
            np.testing.assert_allclose(found[name], other, rtol=0, atol=atol)


@pytest.mark.tensorflow
def test_nested_loops_and_branches_of_tensorflow_are_refused(tensorflow: Any) -> None:
    """As they are built, not only as they are made up above."""

    def nested(v1: Any) -> None:
        def inner(i: Any) -> Any:
            return v1.while_loop(lambda j: j < 10, lambda j: (j + i,), (i + 1,))

        v1.identity(v1.while_loop(lambda i: i < 5, inner, (v1.constant(0),)), name="a")

    def branch(v1: Any) -> None:
        x = v1.placeholder("int32", [], name="n")
        v1.identity(v1.cond(x < 1, lambda: x + 1, lambda: x + x), name="a")

    def branch_inside(v1: Any) -> None:
        def body(i: Any) -> Any:
            return (v1.cond(i < 2, lambda: i + 1, lambda: i + i),)

        v1.identity(v1.while_loop(lambda i: i < 9, body, (v1.constant(0),)), name="a")

    for make, says in (
        (nested, "a Enter of a while loop inside of the loop 'while/while_context'"),
        (branch, "a Switch node"),
        (branch_inside, "a (Merge of|Switch on a|.*takes output 0 of a Switch)"),
    ):
        with pytest.raises(ConversionError, match=f"is {says}.*, which dsconv does not evaluate"):
            Evaluator(built(tensorflow, make)).run({"n": number(0)}, ["a"])
