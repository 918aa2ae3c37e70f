"""Random inputs for a graph of TensorFlow's: integers up to what the graph allows.

What an integer may be is read from what takes it: a length of a sequence goes up to its steps, an
index stays below the size of the table. TensorFlow computes these sizes, so that they may be
dynamic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsconv.convert.toolkit.calls import Arrays
from dsconv.formats.toolkits import import_tensorflow
from dsconv.runtime.model import TensorSpec

SHAPES = ((5, 7, 11, 13), (9, 6, 8, 10), (16, 12, 14, 15))
"""The sizes of dynamic dimensions in each call, by their index; none is mistaken for another."""

_SEED = 20
# Of integers that nothing bounds: indices, of which the smallest table is taken to have ten.
_MOST = 9
# Fed to find the bounds: what grows with it depends on the input itself, and bounds nothing.
_LARGE = 997
# What an integer goes through and stays what it is, or is picked from.
_PASSING = frozenset(
    "BroadcastTo Cast Concat ConcatV2 Enter ExpandDims Identity Max Maximum Min Minimum Pack "
    "Reshape Slice Split SplitV Squeeze StopGradient StridedSlice Switch Tile Transpose "
    "Unpack".split()
)
_COMPARISONS = frozenset(("Greater", "GreaterEqual", "Less", "LessEqual"))
# What gives the numbers of steps, and what these go through.
_NUMBERS = frozenset(("Cumsum", "Range"))
_KEEPING = frozenset(("Cast", "ExpandDims", "Identity", "Reshape", "Tile"))
# Inputs that hold lengths: the input whose size they count, and along which axis (None: seq_dim).
_LENGTHS: dict[tuple[str, int], tuple[int, int | None]] = {
    ("BlockLSTM", 0): (1, 0),
    ("BlockLSTMV2", 0): (1, 0),
    ("CTCBeamSearchDecoder", 1): (0, 0),
    ("CTCGreedyDecoder", 1): (0, 0),
    ("ReverseSequence", 1): (0, None),
}


@dataclass(frozen=True)
class Bound:
    """What bounds an integer: a scalar tensor that gives the largest, and if that is a length."""

    largest: Any
    length: bool


def random_calls(graph: Any, inputs: Sequence[TensorSpec]) -> list[Arrays]:
    """The inputs of some calls; dynamic dimensions differ from call to call.

    Numbers are of a normal distribution, integers up to what `graph` allows. The same graph gives
    the same.
    """
    bounds = {given.name: list(_bounds(graph, given.name)) for given in inputs}
    with import_tensorflow().compat.v1.Session(graph=graph) as session:
        return [
            _call(session, inputs, bounds, shapes, number) for number, shapes in enumerate(SHAPES)
        ]


def _call(
    session: Any,
    inputs: Sequence[TensorSpec],
    bounds: dict[str, list[Bound]],
    shapes: Sequence[int],
    number: int,
) -> Arrays:
    random = np.random.default_rng(_SEED + number)
    sized = {given.name: shape_of(given, shapes) for given in inputs}
    found = []
    for given in inputs:
        largest, is_length = _limit(session, inputs, sized, bounds[given.name])
        kind = np.dtype(given.dtype)
        if largest is None and kind.kind == "f":
            found.append(np.asarray(random.standard_normal(sized[given.name]).astype(kind)))
            continue
        least, most = _range(kind, largest, number if is_length else None)
        drawn = random.integers(least, most + 1, sized[given.name])
        found.append(np.asarray(drawn).astype(kind))
    return found


def shape_of(given: TensorSpec, shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape of an input, dynamic dimensions of the same index being of the same size."""
    return tuple(
        size if size >= 0 else shapes[index % len(shapes)]
        for index, size in enumerate(given.shape or ())
    )


def _range(kind: np.dtype[Any], largest: int | None, call: int | None) -> tuple[int, int]:
    """The least and the largest integer; lengths are whole in the first `call`, then shorter."""
    if kind.kind == "b":
        return 0, 1
    if largest is None:
        return 0, 255 if kind == np.uint8 else _MOST
    if kind.kind in "iu":
        largest = min(largest, int(np.iinfo(kind).max))
    least = {0: largest, 1: (largest + 1) // 2}.get(call, 0) if call is not None else 0
    return least, largest


def _limit(
    session: Any,
    inputs: Sequence[TensorSpec],
    sized: dict[str, tuple[int, ...]],
    bounds: Sequence[Bound],
) -> tuple[int | None, bool]:
    """The largest integer that all bounds allow, None if there are none; and if it is a length."""
    limits = []
    for bound in bounds:
        low, high = (_computed(session, inputs, sized, bound, value) for value in (0, _LARGE))
        if high is None:
            high = low
        elif low not in (None, high) and high >= _LARGE - 1:
            # It follows what is fed.
            continue
        if high is not None:
            limits.append((max(0, high), bound.length))
    most = min((limit for limit, _ in limits), default=None)
    return most, (most, True) in limits


def _computed(
    session: Any,
    inputs: Sequence[TensorSpec],
    sized: dict[str, tuple[int, ...]],
    bound: Bound,
    value: int,
) -> int | None:
    """A bound if all integers are `value`; None if the graph does not run so."""
    tf = import_tensorflow()
    feeds = {}
    for given in inputs:
        kind = np.dtype(given.dtype)
        most = int(np.iinfo(kind).max) if kind.kind in "iu" else value
        feeds[f"{given.name}:0"] = np.full(sized[given.name], min(value, most), kind)
    try:
        return int(session.run(bound.largest, feeds))
    except (ValueError, tf.errors.OpError):
        return None


def _bounds(graph: Any, name: str) -> Iterator[Bound]:
    """All that bounds an input, found by following it through the graph."""
    tf = import_tensorflow()
    # With each tensor comes which part of a packed index the input is, None if it is all of it.
    waiting: list[tuple[Any, int | None]] = [(graph.get_tensor_by_name(f"{name}:0"), None)]
    seen = set()
    with graph.as_default():
        while waiting:
            tensor, part = waiting.pop()
            if tensor.name in seen:
                continue
            seen.add(tensor.name)
            for operation in tensor.consumers():
                for index, given in enumerate(operation.inputs):
                    if given.name != tensor.name:
                        continue
                    yield from _bounds_of(tf, operation, index, part)
                    if operation.type in _PASSING:
                        packed = index if operation.type == "Pack" else part
                        waiting.extend((output, packed) for output in operation.outputs)


def _bounds_of(tf: Any, operation: Any, index: int, part: int | None) -> Iterator[Bound]:
    """What an op demands of its input at `index`; of an index with several parts, of one."""
    inputs, kind = operation.inputs, operation.type
    if (kind, index) in _LENGTHS:
        counted, axis = _LENGTHS[kind, index]
        along = operation.get_attr("seq_dim") if axis is None else axis
        yield Bound(tf.shape(inputs[counted])[along], length=True)
    elif kind in ("Gather", "GatherV2") and index == 1:
        axis = tf.get_static_value(inputs[2]) if len(inputs) > 2 else 0
        if axis is not None:
            yield Bound(tf.shape(inputs[0])[int(axis)] - 1, length=False)
    elif kind == "GatherNd" and index == 1:
        depth = inputs[1].shape[-1] if inputs[1].shape.rank else None
        sizes = tf.shape(inputs[0])[:depth]
        yield Bound((tf.reduce_min(sizes) if part is None else sizes[part]) - 1, length=False)
    elif kind == "OneHot" and index == 0:
        yield Bound(inputs[1] - 1, length=False)
    elif kind in _COMPARISONS:
        other = inputs[1 - index]
        limit = _loop_limit(other)
        if limit is not None:
            yield Bound(tf.reduce_max(limit), length=True)
        elif _is_range(tf, other):
            yield Bound(tf.reduce_max(other) + 1, length=True)


def _is_range(tf: Any, tensor: Any) -> bool:
    """Whether a tensor holds the numbers of the steps, computed or as a constant."""
    while tensor.op.type in _KEEPING:
        tensor = tensor.op.inputs[0]
    if tensor.op.type in _NUMBERS:
        return True
    if tensor.op.type != "Const" or tensor.dtype.is_bool or tensor.dtype == tf.string:
        return False
    steps = tf.get_static_value(tensor).ravel()
    return steps.size > 1 and np.array_equal(np.unique(steps), np.arange(steps.max() + 1))


def _loop_limit(tensor: Any) -> Any:
    """The number of iterations of the loop that counts with a tensor; None if none does.

    The counter is what the loop's condition compares with the limit, which enters it.
    """
    for _ in range(3):
        if tensor.op.type == "Merge":
            break
        if tensor.op.type not in ("Identity", "Switch"):
            return None
        tensor = tensor.op.inputs[0]
    for operation in tensor.consumers():
        if operation.type == "Less":
            limit = operation.inputs[1]
            if limit.op.type == "Enter":
                return limit.op.inputs[0]
    return None
