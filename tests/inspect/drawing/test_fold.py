"""Many operations become few boxes, and nothing that connects them is lost."""

from collections import Counter

import pytest

from dsconv.inspect.drawing.fold import Box, Folded, fold
from dsconv.inspect.drawing.opgraph import TIMES, Op, OpGraph, Tensor, shape_text

MATRIX = (26, 20)


def op(name: str, kind: str, *inputs: str, outputs: tuple[str, ...] = ()) -> Op:
    return Op(name, kind, inputs, outputs or (name,))


def constant(name: str, *shape: int) -> Tensor:
    return Tensor(name, "float32", shape)


def folded(ops: list[Op], constants: list[Tensor], *outputs: str) -> Folded:
    inputs = [Tensor("x", "float32", (1, 26))]
    return fold(OpGraph(inputs, constants, ops, [(name, name) for name in outputs]))


def named(graph: Folded) -> dict[str, Box]:
    found = {f"{box.kind} {box.title}": box for box in graph.boxes}
    assert len(found) == len(graph.boxes)
    return found


def edges(graph: Folded) -> set[tuple[str, str]]:
    return {(graph.boxes[a].title, graph.boxes[b].title) for a, b in graph.edges}


def layer(number: int, source: str) -> tuple[list[Op], list[Tensor]]:
    """A layer as the exporter names it: the weights in a scope, the operations without one."""
    scope, suffix = f"layer_{number}", f"_{number}"
    return [
        op(f"{scope}/weights/read", "Identity", f"{scope}/weights"),
        op(f"MatMul{suffix}", "MatMul", source, f"{scope}/weights/read"),
        op(f"BiasAdd{suffix}", "BiasAdd", f"MatMul{suffix}", f"{scope}/bias"),
        op(f"Relu{suffix}", "Relu", f"BiasAdd{suffix}"),
    ], [constant(f"{scope}/weights", *MATRIX), constant(f"{scope}/bias", 20)]


def test_operations_join_the_scope_of_their_weights() -> None:
    """A layer is one box with its operations in order and its constants' shapes."""
    first, second = layer(1, "x"), layer(2, "Relu_1")
    graph = folded([*first[0], *second[0]], [*first[1], *second[1]], "Relu_2")
    boxes = named(graph)
    assert list(boxes) == ["input x", "ops layer_1", "ops layer_2", "output Relu_2"]
    assert list(boxes["ops layer_1"].kinds) == ["MatMul", "BiasAdd", "Relu"]
    weights = [str(tensor) for tensor in boxes["ops layer_1"].weights]
    assert weights == [f"layer_1/weights float32 26{TIMES}20", "layer_1/bias float32 20"]
    assert edges(graph) == {("x", "layer_1"), ("layer_1", "layer_2"), ("layer_2", "Relu_2")}


def test_a_scope_is_split_where_parts_have_matrices() -> None:
    """Forward and backward are two boxes, and so is what is beside them."""
    parts = [
        op("rnn/fw/cell/MatMul", "MatMul", "x", "rnn/fw/kernel"),
        op("rnn/fw/cell/Tanh", "Tanh", "rnn/fw/cell/MatMul"),
        op("rnn/bw/cell/MatMul", "MatMul", "x", "rnn/bw/kernel"),
        op("rnn/concat", "Concat", "rnn/fw/cell/Tanh", "rnn/bw/cell/MatMul"),
    ]
    kernels = [constant("rnn/fw/kernel", *MATRIX), constant("rnn/bw/kernel", *MATRIX)]
    boxes = named(folded(parts, kernels))
    assert list(boxes) == ["input x", "ops rnn/fw", "ops rnn/bw", "ops rnn"]
    assert boxes["ops rnn/fw"].kinds == {"MatMul": 1, "Tanh": 1}
    (alone,) = (b for b in folded(parts[:2], kernels[:1]).boxes if b.kind == "ops")
    assert alone.title == "rnn"


@pytest.mark.parametrize(("steps", "boxes"), [(8, 8), (9, 1), (16, 1)])
def test_an_unrolled_loop_stays_one_box(steps: int, boxes: int) -> None:
    """Very many numbered scopes with matrices are steps; a few may be layers."""
    ops, state = [], "x"
    for step in range(steps):
        ops.append(op(f"lstm/step_{step}/product", "MatMul", state, "lstm/R"))
        state = ops[-1].name
    graph = folded(ops, [constant("lstm/R", 26, 26)], state)
    assert sum(box.kind == "ops" for box in graph.boxes) == boxes
    assert sum((box.kinds for box in graph.boxes), Counter()) == {"MatMul": steps}


def test_what_depends_on_no_input_is_a_constant() -> None:
    """A cast of a constant, and that of a cast, is a line in the box of its user."""
    ops = [
        op("read", "Cast", "half"),
        op("again", "Identity", "read"),
        op("product", "MatMul", "x", "again"),
    ]
    graph = folded(ops, [constant("half", *MATRIX)], "product")
    (box,) = (box for box in graph.boxes if box.kind == "ops")
    assert (box.kinds, [t.name for t in box.tensors]) == ({"MatMul": 1}, ["half"])


def test_metadata_is_one_box() -> None:
    """Constants that nothing takes, and those that are copied to an output, stand together."""
    ops = [op("y", "Relu", "x"), op("metadata_rate", "Identity", "metadata_rate/value")]
    held = [constant("metadata_rate/value"), constant("metadata_version")]
    graph = folded(ops, held, "y", "metadata_rate")
    box = named(graph)["constants metadata"]
    assert [tensor.name for tensor in box.tensors] == ["metadata_rate/value", "metadata_version"]
    assert "output metadata_rate" not in named(graph)


def test_a_follower_of_two_boxes_is_its_own() -> None:
    """A sum of two layers belongs to neither; what follows it belongs to it."""
    first, second = layer(1, "x"), layer(2, "x")
    ops = [*first[0], *second[0], op("sum", "Add", "Relu_1", "Relu_2"), op("abs", "Abs", "sum")]
    graph = folded(ops, [*first[1], *second[1]], "abs")
    assert named(graph)["ops sum"].kinds == {"Add": 1, "Abs": 1}
    assert {("layer_1", "sum"), ("layer_2", "sum"), ("sum", "abs")} <= edges(graph)


def test_operations_may_stand_in_any_order() -> None:
    """A file may list a user before its maker; a loop has no order at all."""
    ops, held = layer(1, "x")
    assert named(folded(ops[::-1], held, "Relu_1")).keys() == {
        "input x",
        "ops layer_1",
        "output Relu_1",
    }
    loop = [op("merge", "Merge", "x", "next"), op("next", "NextIteration", "merge")]
    graph = folded(loop, [], "next")
    assert sum((box.kinds for box in graph.boxes), Counter()) == {"Merge": 1, "NextIteration": 1}


def test_shapes_are_written_as_people_write_them() -> None:
    """A dynamic dimension is a question mark; no size at all is a scalar."""
    found = [shape_text(shape).split(TIMES) for shape in ((1, -1, 494), (7,), ())]
    assert found == [["1", "?", "494"], ["7"], ["scalar"]]
