"""Core ML's ops that make, join, cut and rearrange arrays, in numpy.

Source: the op definitions ``tensor_transformation.py`` and ``tensor_operation.py`` of coremltools.
"""

from __future__ import annotations

import numpy as np

from dsconv.runtime.coreml.operations import IOS17, Array, Op, OpInfo


def reshape(info: OpInfo, x: Array, shape: Array) -> Array:
    """Another shape: -1 takes what is left, 0 the size of x there.

    Since iOS 17 the zeros count from the last dimension, and are 1 where x has none; before, the
    ranks are the same.
    """
    sizes = [int(size) for size in shape]
    if 0 in sizes and len(sizes) != x.ndim and info.opset < IOS17:
        raise info.damaged(f"takes sizes of {list(x.shape)} for {len(sizes)} dimensions")
    added = len(sizes) - x.ndim
    for axis, size in enumerate(sizes):
        if size == 0:
            sizes[axis] = x.shape[axis - added] if axis >= added else 1
    return x.reshape(sizes)


def expand_dims(info: OpInfo, x: Array, axes: Array) -> Array:
    """Dimensions of size 1 more, at these indices of the result."""
    rank = x.ndim + len(axes)
    added = {int(axis) % rank for axis in axes if -rank <= axis < rank}
    if len(added) != len(axes):
        raise info.damaged(f"has the axes {axes.tolist()} for {x.ndim} dimensions")
    return np.expand_dims(x, tuple(sorted(added)))


def squeeze(_: OpInfo, x: Array, axes: Array | None = None) -> Array:
    """Dimensions of size 1 less; one of another size stays."""
    chosen = range(x.ndim) if axes is None else (int(axis) for axis in axes)
    return np.squeeze(x, tuple({axis % x.ndim for axis in chosen if x.shape[axis] == 1}))


def transpose(_: OpInfo, x: Array, perm: Array) -> Array:
    """The dimensions in another order."""
    return x.transpose([int(axis) for axis in perm])


def concat(
    info: OpInfo, values: tuple[Array, ...], axis: Array, interleave: Array | bool = False
) -> Array:
    """Arrays one after the other along a dimension."""
    if interleave:
        raise info.unsupported("with interleave")
    if not values[0].ndim:
        return np.stack(values)
    return np.concatenate(values, axis=int(axis))


def split(
    info: OpInfo,
    x: Array,
    axis: Array,
    num_splits: Array | None = None,
    split_sizes: Array | None = None,
) -> tuple[Array, ...]:
    """Parts of a dimension, of equal or of given sizes."""
    length = x.shape[int(axis)]
    if split_sizes is None:
        if num_splits is None or num_splits < 1 or length % int(num_splits):
            raise info.damaged(f"cannot cut {length} into equal parts")
        return tuple(np.split(x, int(num_splits), axis=int(axis)))
    if int(split_sizes.sum()) != length or num_splits not in (None, len(split_sizes)):
        raise info.damaged(f"cuts {length} into {split_sizes.tolist()}")
    return tuple(np.split(x, np.cumsum(split_sizes)[:-1], axis=int(axis)))


def stack(_: OpInfo, values: tuple[Array, ...], axis: Array) -> Array:
    """Arrays of one shape along a new dimension."""
    return np.stack(values, axis=int(axis))


def shape_of(_: OpInfo, x: Array) -> Array:
    """The sizes of the dimensions."""
    return np.array(x.shape, np.int32)


def fill(info: OpInfo, shape: Array, value: Array | float = 0.0) -> Array:
    """One value everywhere."""
    if (shape < 0).any():
        raise info.damaged(f"has the shape {shape.tolist()}")
    dtype = np.float32 if isinstance(value, float) else value.dtype
    return np.full(tuple(shape), value, dtype)


def fill_like(info: OpInfo, ref_tensor: Array, value: Array | float = 0.0) -> Array:
    """One value everywhere, in the shape of an array."""
    return fill(info, np.array(ref_tensor.shape, np.int32), value)


def tile(info: OpInfo, x: Array, reps: Array) -> Array:
    """An array repeated along each dimension."""
    if len(reps) != x.ndim or (reps < 1).any():
        raise info.damaged(f"repeats {x.ndim} dimensions {reps.tolist()} times")
    return np.asarray(np.tile(x, [int(times) for times in reps]))


def range_1d(info: OpInfo, start: Array, end: Array, step: Array) -> Array:
    """Numbers from `start` to before `end`."""
    if not step:
        raise info.damaged("has a step of zero")
    return np.arange(start, end, step, start.dtype)


def pad(
    info: OpInfo, x: Array, pad: Array, mode: str = "constant", constant_val: Array | float = 0.0
) -> Array:
    """More elements before and after each of the last dimensions."""
    if len(pad) % 2 or len(pad) > 2 * x.ndim or (pad < 0).any():
        raise info.damaged(f"pads {x.ndim} dimensions by {pad.tolist()}")
    widths = np.zeros((x.ndim, 2), int)
    widths[x.ndim - len(pad) // 2 :] = pad.reshape(-1, 2)
    if mode == "constant":
        return np.pad(x, widths, constant_values=x.dtype.type(constant_val))
    if mode == "reflect":
        return np.pad(x, widths, mode="reflect")
    if mode == "replicate":
        return np.pad(x, widths, mode="edge")
    raise info.unsupported(f"with mode '{mode}'")


def reverse(_: OpInfo, x: Array, axes: Array | None = None) -> Array:
    """The other way round along some dimensions, by default all."""
    return np.flip(x, None if axes is None else tuple(int(axis) for axis in axes))


def cumsum(
    _: OpInfo,
    x: Array,
    axis: Array | int = 0,
    exclusive: Array | bool = False,
    reverse: Array | bool = False,
) -> Array:
    """The sums of all elements up to each, without itself if `exclusive`, from the other end."""
    ordered = np.flip(x, int(axis)) if reverse else x
    sums = np.cumsum(ordered, axis=int(axis), dtype=x.dtype)
    if exclusive:
        sums = sums - ordered
    return np.flip(sums, int(axis)) if reverse else sums


def band_part(_: OpInfo, x: Array, lower: Array | int = -1, upper: Array | int = -1) -> Array:
    """The band around the diagonal of the last two dimensions, zero outside."""
    rows, columns = np.indices(x.shape[-2:])
    kept = np.ones(x.shape[-2:], bool)
    if lower >= 0:
        kept &= rows - columns <= lower
    if upper >= 0:
        kept &= columns - rows <= upper
    return np.where(kept, x, x.dtype.type(0))


def sliding_windows(
    info: OpInfo, x: Array, axis: Array, size: Array, stride: Array | int = 1
) -> Array:
    """All windows along a dimension; what is in a window becomes the dimension after it."""
    along = int(axis) % x.ndim
    if not 1 <= size <= x.shape[along] or stride < 1:
        raise info.damaged(f"takes windows of {int(size)} of {x.shape[along]}")
    windows = np.lib.stride_tricks.sliding_window_view(x, int(size), axis=along)
    every = (slice(None),) * along + (slice(None, None, int(stride)),)
    return np.moveaxis(windows[every], -1, along + 1)


SHAPING: dict[str, Op] = {
    "band_part": band_part,
    "concat": concat,
    "cumsum": cumsum,
    "expand_dims": expand_dims,
    "fill": fill,
    "fill_like": fill_like,
    "pad": pad,
    "range_1d": range_1d,
    "reshape": reshape,
    "reverse": reverse,
    "shape": shape_of,
    "sliding_windows": sliding_windows,
    "split": split,
    "squeeze": squeeze,
    "stack": stack,
    "tile": tile,
    "transpose": transpose,
}
