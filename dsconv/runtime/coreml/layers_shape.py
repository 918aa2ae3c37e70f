"""Neural network layers in numpy that make, arrange and pick elements.

Source: the comments of the layers' parameters in ``NeuralNetwork.proto``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dsconv.runtime.coreml.layer_kind import ANY, LayerKind
from dsconv.runtime.coreml.layer_parameters import Parameters, whole
from dsconv.runtime.coreml.layer_weights import FloatArray

_SLICE_INPUTS = ("beginIds", "endIds", "strides", "beginMasks", "endMasks", "squeezeMasks")


def transpose(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The dimensions in another order."""
    return inputs[0].transpose(parameters.integers("axes"))


def reshape(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """[Seq, 1, C, H, W] to other sizes, the sequence kept where three are given."""
    parameters.refuse("mode")
    (x,), sizes = inputs, parameters.integers("targetShape")
    if x.ndim != 5 or x.shape[1] != 1 or len(sizes) not in (3, 4):
        raise parameters.unsupported(f"of shape {list(x.shape)} to {list(sizes)}")
    sequence = (*sizes[:-3], x.shape[0])[0]
    return x.reshape(sequence, 1, *sizes[-3:])


def reshape_static(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Other sizes, one of which may be -1."""
    return inputs[0].reshape(parameters.integers("targetShape"))


def rank_preserving_reshape(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """As many other sizes; 0 keeps one, -1 is computed."""
    (x,), sizes = inputs, parameters.integers("targetShape")
    kept = zip(sizes, x.shape, strict=True)
    return x.reshape([size or before for size, before in kept])


def flatten_to_2d(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A matrix: the dimensions before the axis, and the others."""
    (x,), axis = inputs, parameters.integer("axis")
    axis = axis + x.ndim if axis < 0 else axis
    if not 0 <= axis <= x.ndim:
        raise ValueError(f"there is no axis {axis}")
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def expand_dims(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Dimensions of size 1 more, at these positions of the output."""
    return np.expand_dims(inputs[0], parameters.integers("axes"))


def squeeze(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Without dimensions of size 1."""
    axes = None if parameters.flag("squeezeAll") else parameters.integers("axes")
    return inputs[0].squeeze(axes)


def load_constant(parameters: Parameters, _: Sequence[FloatArray]) -> FloatArray:
    """Weights of shape [C, H, W] as [1, 1, C, H, W]."""
    shape = parameters.integers("shape")
    if len(shape) != 3:
        raise parameters.unsupported(f"of {len(shape)} sizes")
    return parameters.weights("data", shape)[None, None]


def load_constant_nd(parameters: Parameters, _: Sequence[FloatArray]) -> FloatArray:
    """Weights."""
    return parameters.weights("data", parameters.integers("shape"))


def concat(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Arrays one after the other along the channels, or along the sequence."""
    return np.concatenate(inputs, -5 if parameters.flag("sequenceConcat") else -3)


def concat_nd(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Arrays one after the other along a dimension, or their elements in turn."""
    axis = parameters.integer("axis")
    if not parameters.flag("interleave"):
        return np.concatenate(inputs, axis)
    axis %= inputs[0].ndim
    shape = list(inputs[0].shape)
    shape[axis] *= len(inputs)
    return np.stack(inputs, axis + 1).reshape(shape)


def stack(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Arrays along a new dimension."""
    return np.stack(inputs, parameters.integer("axis"))


def split(parameters: Parameters, inputs: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
    """Equal parts of the channels."""
    return tuple(np.split(inputs[0], parameters.integer("nOutputs"), -3))


def split_nd(parameters: Parameters, inputs: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
    """Parts of a dimension: equal ones, or of these sizes."""
    sizes, axis = parameters.integers("splitSizes"), parameters.integer("axis")
    if not sizes:
        return tuple(np.split(inputs[0], parameters.integer("numSplits"), axis))
    if sum(sizes) != inputs[0].shape[axis]:
        raise ValueError(f"parts of {list(sizes)} do not fill the dimension")
    return tuple(np.split(inputs[0], np.cumsum(sizes)[:-1], axis))


def slice_axis(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A part of one of the last three dimensions."""
    begin, end, stride, axis = (
        parameters.integer(name) for name in ("startIndex", "endIndex", "stride", "axis")
    )
    # Sizes that are left out would make it empty, which no converter writes.
    if stride <= 0 or end == 0 or not 0 <= axis <= 2:
        raise parameters.unsupported(f"with endIndex {end}, stride {stride} and axis {axis}")
    picked = [slice(None)] * inputs[0].ndim
    picked[axis - 3] = slice(begin, end, stride)
    return inputs[0][tuple(picked)]


def slice_static(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A part of each dimension; masks leave an end open or drop the dimension."""
    numbers = {name: parameters.integers(name) for name in _SLICE_INPUTS}
    return _sliced(inputs[0], numbers)


def slice_dynamic(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The same with up to six of the numbers as inputs, which come before the parameters."""
    value, *given = inputs
    numbers = {name: parameters.integers(name) for name in _SLICE_INPUTS[1:]}
    for name, array in zip(_SLICE_INPUTS, given, strict=False):
        numbers[name] = tuple(whole(array.reshape(-1)).tolist())
    return _sliced(value, numbers)


def _sliced(value: FloatArray, numbers: dict[str, tuple[int, ...]]) -> FloatArray:
    columns = [_fitted(name, numbers[name], value.ndim) for name in _SLICE_INPUTS]
    if {len(column) for column in columns} != {value.ndim}:
        raise ValueError("the numbers of the slice do not fit the dimensions")
    picked: list[slice | int] = []
    for begin, end, stride, begin_mask, end_mask, squeeze_mask in zip(*columns, strict=True):
        if squeeze_mask:
            picked.append(begin)
            continue
        picked.append(slice(None if begin_mask else begin, None if end_mask else end, stride))
    return np.asarray(value[tuple(picked)])


def _fitted(name: str, numbers: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Numbers of a slice, one for each dimension.

    Masks that are left out leave nothing open and drop nothing. coremltools writes five masks and
    strides where it knows no rank; those of no effect are cut off.
    """
    neutral = {"strides": 1}.get(name, 0 if name.endswith("Masks") else None)
    if neutral == 0 and not numbers:
        return (0,) * rank
    if neutral is not None and set(numbers[rank:]) <= {neutral}:
        return numbers[:rank]
    return numbers


def slice_by_size(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """So many elements of a dimension from a position on, which is the second input."""
    value, begin = inputs[0], int(whole(inputs[1]).reshape(()))
    size, axis = parameters.integer("size"), parameters.integer("axis")
    if not 0 <= begin <= begin + size <= value.shape[axis]:
        raise ValueError(f"there are no {size} elements from {begin} on")
    return np.take(value, range(begin, begin + size), axis)


def gather(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The slices of a dimension that the indices name."""
    return np.take(inputs[0], whole(inputs[1]), parameters.integer("axis"))


def gather_nd(_: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The slices that the last dimension of the indices points to."""
    return np.asarray(inputs[0][_points(inputs[1])])


def gather_along_axis(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The elements of a dimension that the indices name, each at its own place in the others."""
    data, indices = inputs[0], whole(inputs[1])
    axis = parameters.integer("axis")
    sizes = (np.delete(array.shape, axis).tolist() for array in (data, indices))
    if next(sizes) != next(sizes):
        raise ValueError("data and indices differ beside the axis")
    return np.take_along_axis(data, indices, axis)


def _points(indices: FloatArray) -> tuple[NDArray[np.int64], ...]:
    """Indices of several dimensions, which may not count from the end."""
    numbers = whole(indices)
    if (numbers < 0).any():
        raise IndexError("an index is negative")
    return tuple(np.moveaxis(numbers, -1, 0))


# What becomes of the old and the new value at an index, in the order of the enumeration.
_SCATTER_MODES = (
    None,
    np.add,
    np.subtract,
    np.multiply,
    np.divide,
    np.maximum,
    np.minimum,
)


def scatter(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A copy of the first input with updates (the third) at indices (the second) of an axis."""
    container, indices, updates = inputs[0], whole(inputs[1]), inputs[2]
    axis = parameters.integer("axis") % container.ndim
    if updates.ndim != container.ndim + indices.ndim - 1:
        raise ValueError("the updates do not have the rank of the indices and the slices")
    result = np.moveaxis(container.copy(), axis, 0)
    before = range(axis, axis + indices.ndim)
    _scatter(parameters, result, (indices,), np.moveaxis(updates, before, range(indices.ndim)))
    return np.moveaxis(result, 0, axis)


def scatter_nd(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A copy of the first input with updates at what the last dimension of the indices names."""
    result = inputs[0].copy()
    _scatter(parameters, result, _points(inputs[1]), inputs[2])
    return result


def _scatter(
    parameters: Parameters,
    result: FloatArray,
    indices: tuple[NDArray[np.int64], ...],
    updates: FloatArray,
) -> None:
    mode = parameters.integer("mode")
    if not 0 <= mode < len(_SCATTER_MODES):
        raise parameters.unsupported(f"with mode {mode}")
    if updates.shape != result[indices].shape:
        raise ValueError("the updates do not have the shape of the slices")
    function = _SCATTER_MODES[mode]
    if function is None:
        result[indices] = updates
    else:
        function.at(result, indices, updates)


def tile(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The array so often in each dimension, the last ones if there are fewer numbers."""
    if len(inputs) > 1:
        times = tuple(whole(inputs[1].reshape(-1)).tolist())
    else:
        times = parameters.integers("reps")
    if not 1 <= len(times) <= inputs[0].ndim:
        raise ValueError(f"{len(times)} numbers of repetitions do not fit")
    return np.tile(inputs[0], times)


def fill_static(parameters: Parameters, _: Sequence[FloatArray]) -> FloatArray:
    """One value everywhere."""
    return np.full(parameters.integers("targetShape"), parameters.number("value"))


def range_static(parameters: Parameters, _: Sequence[FloatArray]) -> FloatArray:
    """Numbers in steps, without the end."""
    names = ("startValue", "endValue", "stepSizeValue")
    return _range(*(float(parameters.number(name)) for name in names))


def range_dynamic(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The same; the end, the start and the step are inputs as far as they are there."""
    end, *others = (float(value.reshape(())) for value in inputs)
    names = ("startValue", "stepSizeValue")
    start, step = [*others, *(float(parameters.number(name)) for name in names[len(others) :])]
    return _range(start, end, step)


def _range(start: float, end: float, step: float) -> FloatArray:
    return np.arange(start, end, step).astype(np.float32)


def reverse(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Some dimensions from the end to the beginning."""
    flags = parameters.flags("reverseDim")
    if len(flags) != inputs[0].ndim:
        raise ValueError(f"{len(flags)} flags do not fit")
    return np.flip(inputs[0], [axis for axis, flag in enumerate(flags) if flag])


def constant_pad(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """One value before and behind; amounts are parameters or the second input."""
    amounts: NDArray[Any]
    if len(inputs) > 1:
        amounts = whole(inputs[1])
    else:
        amounts = np.array(parameters.integers("padAmounts"), np.int64)
    amounts = amounts.reshape(inputs[0].ndim, 2)
    if parameters.flag("padToGivenOutputSizeMode"):
        # Each amount is then the size that the dimension shall have, padded on that side.
        missing = np.maximum(amounts - np.array(inputs[0].shape)[:, None], 0)
        amounts = np.where(amounts > 0, missing, 0)
    return np.pad(inputs[0], amounts, constant_values=parameters.number("value"))


_PADDINGS: dict[str, Literal["reflect", "edge"]] = {
    "reflection": "reflect",
    "replication": "edge",
}


def padding(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The last two dimensions padded with a value, their reflection or their edges."""
    borders = [(0, 0)] * (inputs[0].ndim - 2)
    borders += border_amounts(parameters.nested("paddingAmounts", {"borderAmounts": 10}))
    for name, mode in _PADDINGS.items():
        if name in parameters:
            return np.pad(inputs[0], borders, mode)
    if "constant" not in parameters:
        raise parameters.unsupported("without a kind of padding")
    value = parameters.nested("constant", {"value": 1}).number("value")
    return np.pad(inputs[0], borders, constant_values=value)


def border_amounts(parameters: Parameters) -> list[tuple[int, int]]:
    """Sizes before and behind the height and the width, from a BorderAmounts."""
    sides = {"startEdgeSize": 1, "endEdgeSize": 2}
    found = [
        (edges.integer("startEdgeSize"), edges.integer("endEdgeSize"))
        for edges in parameters.all_nested("borderAmounts", sides)
    ]
    if len(found) not in (0, 2):
        raise parameters.unsupported(f"with {len(found)} border amounts")
    return found or [(0, 0), (0, 0)]


def cum_sum(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Sums of the elements up to each one along a dimension."""
    axis = parameters.integer("axis")
    if len(inputs) > 1:
        axis = int(whole(inputs[1]).reshape(()))
    value = np.moveaxis(inputs[0], axis, -1)
    value = value[..., ::-1] if parameters.flag("reverse") else value
    sums = np.cumsum(value, -1, dtype=np.float32)
    if parameters.flag("excludeFinalSum"):
        sums = np.concatenate([np.zeros_like(sums[..., :1]), sums[..., :-1]], -1)
    sums = sums[..., ::-1] if parameters.flag("reverse") else sums
    return np.moveaxis(sums, -1, axis)


def _log_sum_exp(value: FloatArray, axis: tuple[int, ...] | None, keepdims: bool) -> FloatArray:
    highest = value.max(axis, keepdims=True)
    sums = np.exp(value - highest).sum(axis, keepdims=True)
    result = np.log(sums) + highest
    return np.asarray(result if keepdims else result.squeeze(axis))


def _reduction(function: Callable[..., Any]) -> LayerKind:
    def compute(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
        axes: tuple[int, ...] | None = parameters.integers("axes")
        if parameters.flag("reduceAll"):
            axes = None
        elif not axes:
            raise parameters.unsupported("without axes")
        return np.asarray(function(inputs[0], axis=axes, keepdims=parameters.flag("keepDims")))

    return LayerKind(compute, {"axes": 1, "keepDims": 2, "reduceAll": 3})


_AXIS = {"axis": 1}
_TARGET = {"targetShape": 1}
_SCATTER = {"axis": 1, "mode": 2}
_SLICES = {
    "beginIds": 1,
    "beginMasks": 2,
    "endIds": 3,
    "endMasks": 4,
    "strides": 5,
    "squeezeMasks": 6,
}

SHAPES: dict[str, LayerKind] = {
    "transpose": LayerKind(transpose, {"axes": 1}),
    "reshape": LayerKind(reshape, {"targetShape": 1, "mode": 2}),
    "reshapeStatic": LayerKind(reshape_static, _TARGET),
    "reshapeDynamic": LayerKind(
        lambda _, inputs: inputs[0].reshape(whole(inputs[1].reshape(-1))), inputs=(2, 2)
    ),
    "reshapeLike": LayerKind(lambda _, inputs: inputs[0].reshape(inputs[1].shape), inputs=(2, 2)),
    "rankPreservingReshape": LayerKind(rank_preserving_reshape, _TARGET),
    "flattenTo2D": LayerKind(flatten_to_2d, _AXIS),
    "expandDims": LayerKind(expand_dims, {"axes": 1}),
    "squeeze": LayerKind(squeeze, {"axes": 1, "squeezeAll": 2}),
    "loadConstant": LayerKind(load_constant, {"shape": 1, "data": 2}, inputs=(0, 0)),
    "loadConstantND": LayerKind(load_constant_nd, {"shape": 1, "data": 2}, inputs=(0, 0)),
    "concat": LayerKind(concat, {"sequenceConcat": 100}, inputs=(1, ANY)),
    "concatND": LayerKind(concat_nd, {"axis": 1, "interleave": 2}, inputs=(1, ANY)),
    "stack": LayerKind(stack, _AXIS, inputs=(1, ANY)),
    "split": LayerKind(split, {"nOutputs": 1}, outputs=(1, ANY)),
    "splitND": LayerKind(split_nd, {"axis": 1, "numSplits": 2, "splitSizes": 3}, outputs=(1, ANY)),
    "slice": LayerKind(slice_axis, {"startIndex": 1, "endIndex": 2, "stride": 3, "axis": 4}),
    "sliceStatic": LayerKind(slice_static, _SLICES),
    "sliceDynamic": LayerKind(
        slice_dynamic,
        {name: number for name, number in _SLICES.items() if name != "beginIds"},
        inputs=(2, 7),
    ),
    "sliceBySize": LayerKind(slice_by_size, {"size": 2, "axis": 3}, inputs=(2, 2)),
    "gather": LayerKind(gather, _AXIS, inputs=(2, 2)),
    "gatherND": LayerKind(gather_nd, inputs=(2, 2)),
    "gatherAlongAxis": LayerKind(gather_along_axis, _AXIS, inputs=(2, 2)),
    "scatter": LayerKind(scatter, _SCATTER, inputs=(3, 3)),
    "scatterND": LayerKind(scatter_nd, {"mode": 1}, inputs=(3, 3)),
    "tile": LayerKind(tile, {"reps": 1}, inputs=(1, 2)),
    "fillStatic": LayerKind(fill_static, {"value": 1, "targetShape": 2}, inputs=(0, 0)),
    "fillDynamic": LayerKind(
        lambda parameters, inputs: np.full(
            whole(inputs[0].reshape(-1)), parameters.number("value")
        ),
        {"value": 1},
    ),
    "fillLike": LayerKind(
        lambda parameters, inputs: np.full(inputs[0].shape, parameters.number("value")),
        {"value": 1},
    ),
    "broadcastToStatic": LayerKind(
        lambda parameters, inputs: np.broadcast_to(inputs[0], parameters.integers("targetShape")),
        _TARGET,
    ),
    "broadcastToDynamic": LayerKind(
        lambda _, inputs: np.broadcast_to(inputs[0], tuple(whole(inputs[1].reshape(-1)))),
        inputs=(2, 2),
    ),
    "broadcastToLike": LayerKind(
        lambda _, inputs: np.broadcast_to(inputs[0], inputs[1].shape), inputs=(2, 2)
    ),
    "rangeStatic": LayerKind(
        range_static, {"endValue": 1, "startValue": 2, "stepSizeValue": 3}, inputs=(0, 0)
    ),
    "rangeDynamic": LayerKind(range_dynamic, {"startValue": 2, "stepSizeValue": 3}, inputs=(1, 3)),
    "getShape": LayerKind(lambda _, inputs: np.array(inputs[0].shape, np.float32)),
    "reverse": LayerKind(reverse, {"reverseDim": 1}),
    "constantPad": LayerKind(
        constant_pad, {"value": 1, "padAmounts": 2, "padToGivenOutputSizeMode": 3}, inputs=(1, 2)
    ),
    "padding": LayerKind(
        padding, {"constant": 1, "reflection": 2, "replication": 3, "paddingAmounts": 10}
    ),
    "cumSum": LayerKind(cum_sum, {"axis": 1, "excludeFinalSum": 2, "reverse": 3}, inputs=(1, 2)),
    "reduceSum": _reduction(np.sum),
    "reduceMean": _reduction(np.mean),
    "reduceMax": _reduction(np.max),
    "reduceMin": _reduction(np.min),
    "reduceProd": _reduction(np.prod),
    "reduceL1": _reduction(lambda x, **over: np.abs(x).sum(**over)),
    "reduceL2": _reduction(lambda x, **over: np.sqrt(np.square(x).sum(**over))),
    "reduceSumSquare": _reduction(lambda x, **over: np.square(x).sum(**over)),
    "reduceLogSumExp": _reduction(_log_sum_exp),
}
