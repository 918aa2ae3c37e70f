"""What is fed where the user gives nothing: integers up to what the graph allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dsconv.convert.toolkit.calls import Arrays
from dsconv.convert.toolkit.feeds import SHAPES, random_calls
from dsconv.formats.graphdef.graph import Graph
from dsconv.runtime.model import TensorSpec
from dsconv.runtime.tensorflow import graph_def, imported
from tests.convert.toolkit.block_lstm.graphs import longest, lstm

pytestmark = pytest.mark.tensorflow


def calls_of(tensorflow: Any, build: Any) -> list[Arrays]:
    """The calls of a graph that `build` makes."""
    with tensorflow.Graph().as_default() as graph:
        build(tensorflow, tensorflow.compat.v1.placeholder)
    inputs = [
        TensorSpec(
            operation.name,
            operation.outputs[0].dtype.name,
            tuple(-1 if size is None else size for size in operation.outputs[0].shape),
        )
        for operation in graph.get_operations()
        if operation.type == "Placeholder"
    ]
    found, again = random_calls(graph, inputs), random_calls(graph, inputs)
    for one, other in zip(found, again, strict=True):
        assert all(map(np.array_equal, one, other))
        assert [array.dtype.name for array in one] == [given.dtype for given in inputs]
    return found


def test_dynamic_dimensions_differ_between_calls(tensorflow: Any) -> None:
    """And between axes; those of the same axis are the same."""

    def build(tf: Any, given: Any) -> None:
        given(tf.float32, [2, 3], "a")
        given(tf.float32, [None, 4, None], "b")
        given(tf.float64, [None], "c")
        given(tf.float32, [], "d")

    shapes = [[array.shape for array in call] for call in calls_of(tensorflow, build)]
    assert shapes == [[(2, 3), (s[0], 4, s[2]), (s[0],), ()] for s in SHAPES]
    assert len(SHAPES) == 3


def test_integers_that_nothing_bounds(tensorflow: Any) -> None:
    """Bytes are all that there are, others more than 0 and 1."""

    def build(tf: Any, given: Any) -> None:
        given(tf.uint8, [300], "bytes")
        given(tf.int64, [300], "numbers")
        given(tf.bool, [64], "flags")

    for image, numbers, flags in calls_of(tensorflow, build):
        assert image.max() > 250
        assert set(numbers.tolist()) == set(range(10))
        assert set(flags.tolist()) == {False, True}


@pytest.mark.parametrize("kind", ["gather", "one hot", "gather_nd"])
def test_indices_are_below_the_size_of_the_table(kind: str, tensorflow: Any) -> None:
    """They reach nearly all of it, also of a large one."""
    size = 30000

    def build(tf: Any, given: Any) -> None:
        index = given(tf.int32, [None, 400], "index")
        if kind == "one hot":
            tf.one_hot(index, size)
        elif kind == "gather":
            tf.gather(np.zeros((3, size), np.float32), tf.reshape(index, [-1]), axis=1)
        else:
            pairs = tf.stack([tf.zeros_like(index), tf.identity(index)], -1)
            tf.gather_nd(np.zeros((3, size), np.float32), pairs)

    for (index,) in calls_of(tensorflow, build):
        assert 0.98 * size < index.max() < size


@pytest.mark.parametrize("kind", ["mask", "rnn", "reverse", "constant"])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_lengths_go_up_to_the_steps(kind: str, dtype: str, tensorflow: Any) -> None:
    """All of them in the first call, then any; a dynamic number of steps is that of the call."""
    steps = 20 if kind == "constant" else None

    def build(tf: Any, given: Any) -> None:
        x = given(tf.float32, [4, steps, 3], "x")
        lengths = tf.cast(given(dtype, [4], "lengths"), tf.int32)
        if kind == "mask":
            tf.sequence_mask(lengths, tf.shape(x)[1])
        elif kind == "reverse":
            tf.reverse_sequence(x, lengths, seq_axis=1)
        elif kind == "constant":
            tf.less(np.arange(20, dtype=np.int32)[None], lengths[:, None])
        else:
            limit = tf.minimum(tf.shape(x)[1], tf.maximum(1, tf.reduce_max(lengths)))
            loop = tf.while_loop(
                lambda time, _: time < limit,
                lambda time, kept: (time + 1, tf.where(time >= lengths, kept, kept + 1)),
                (0, tf.zeros([4], tf.int32)),
            )
            tf.identity(loop[1])

    # Loops as TensorFlow 1 wrote them.
    tensorflow.compat.v1.disable_control_flow_v2()
    try:
        calls = calls_of(tensorflow, build)
    finally:
        tensorflow.compat.v1.enable_control_flow_v2()
    for number, (x, lengths) in enumerate(calls):
        count = x.shape[1]
        least = (count, (count + 1) // 2, 0)[number]
        assert all(least <= length <= count for length in lengths.tolist())
        assert lengths.dtype.name == dtype


@pytest.mark.usefixtures("tensorflow")
def test_lengths_of_an_lstm() -> None:
    """They reach it through a maximum and a cast."""
    graph: Graph = lstm(*longest(), steps=16)
    specs = [TensorSpec("lengths", "int32", (1,))]
    specs += [
        TensorSpec(node.name, "float32", node.shape())
        for node in graph
        if node.op == "Placeholder" and node.name != "lengths"
    ]
    found = random_calls(imported(graph_def(graph)), specs)
    assert found[0][0].tolist() == [16]
    assert 8 <= found[1][0][0] <= 16
