"""Core ML's ops that read and write parts of arrays, in numpy.

An index that Core ML leaves undefined is refused, as its result would be a guess.

Source: the op definitions ``scatter_gather.py`` and ``tensor_transformation.py`` of coremltools.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dsconv.runtime.coreml.operations import IOS17, Array, Op, OpInfo

_Index = tuple[Any, ...]


def _checked(info: OpInfo, indices: Array, size: int) -> Array:
    """Indices into so many entries. Before iOS 17 those below zero count from the end."""
    least = -size if info.opset < IOS17 else 0
    if indices.size and not least <= int(indices.min()) <= int(indices.max()) < size:
        raise info.unsupported(f"with an index outside of {size} entries")
    return indices


def gather(
    info: OpInfo,
    x: Array,
    indices: Array,
    axis: Array | int = 0,
    batch_dims: Array | int = 0,
    validate_indices: Array | bool = False,  # noqa: ARG001 - they are validated always
) -> Array:
    """The slices of one dimension that `indices` names."""
    if batch_dims:
        raise info.unsupported("with batch_dims")
    return np.asarray(np.take(x, _checked(info, indices, x.shape[int(axis)]), axis=int(axis)))


def gather_along_axis(
    info: OpInfo,
    x: Array,
    indices: Array,
    axis: Array | int = 0,
    validate_indices: Array | bool = False,  # noqa: ARG001
) -> Array:
    """Along a dimension, the elements that `indices`, of the same rank, names."""
    along = int(axis) % x.ndim
    sizes = [size for dimension, size in enumerate(x.shape) if dimension != along]
    others = [size for dimension, size in enumerate(indices.shape) if dimension != along]
    if sizes != others:
        raise info.damaged(f"has indices {list(indices.shape)} for {list(x.shape)}")
    return np.take_along_axis(x, _checked(info, indices, x.shape[along]), along)


def gather_nd(
    info: OpInfo,
    x: Array,
    indices: Array,
    batch_dims: Array | int = 0,
    validate_indices: Array | bool = False,  # noqa: ARG001
) -> Array:
    """The slices that the last dimension of `indices` points to."""
    if batch_dims:
        raise info.unsupported("with batch_dims")
    return np.asarray(x[_points(info, x, indices)])


def _points(info: OpInfo, x: Array, indices: Array) -> _Index:
    """What the last dimension of `indices` points to, as numpy indexes it."""
    if not indices.ndim or indices.shape[-1] > x.ndim:
        raise info.damaged(f"has indices {list(indices.shape)} for {list(x.shape)}")
    columns = np.moveaxis(indices, -1, 0)
    sizes = x.shape[: len(columns)]
    return tuple(_checked(info, c, size) for c, size in zip(columns, sizes, strict=True))


_UPDATES: dict[str, Callable[..., None]] = {
    "add": np.add.at,
    "sub": np.subtract.at,
    "mul": np.multiply.at,
    "div": np.divide.at,
    "max": np.maximum.at,
    "min": np.minimum.at,
}


def _updated(
    info: OpInfo, data: Array, selection: _Index, updates: Array, mode: str | None
) -> Array:
    """A copy with other values at some indices."""
    expected = data[selection].shape
    if updates.shape != expected:
        raise info.damaged(f"has updates {list(updates.shape)} and not {list(expected)}")
    result = data.copy()
    if mode == "update":
        result[selection] = updates
    elif mode in _UPDATES and not (mode == "div" and data.dtype.kind != "f"):
        _UPDATES[mode](result, selection, updates)
    else:
        # Documentation and implementation name different modes as the default.
        raise info.unsupported("without a mode" if mode is None else f"with mode '{mode}'")
    return result


def scatter(
    info: OpInfo,
    data: Array,
    indices: Array,
    updates: Array,
    axis: Array | int = 0,
    mode: str | None = None,
    validate_indices: Array | bool = False,  # noqa: ARG001
) -> Array:
    """A copy with other slices of one dimension."""
    along = int(axis) % data.ndim
    at = _checked(info, indices, data.shape[along])
    return _updated(info, data, (slice(None),) * along + (at,), updates, mode)


def scatter_along_axis(
    info: OpInfo,
    data: Array,
    indices: Array,
    updates: Array,
    axis: Array | int = 0,
    mode: str | None = None,
    validate_indices: Array | bool = False,  # noqa: ARG001
) -> Array:
    """A copy with other elements along a dimension."""
    along = int(axis) % data.ndim
    at: list[Array] = list(np.indices(indices.shape, sparse=True))
    at[along] = _checked(info, indices, data.shape[along])
    return _updated(info, data, tuple(at), updates, mode)


def scatter_nd(
    info: OpInfo,
    data: Array,
    indices: Array,
    updates: Array,
    mode: str | None = None,
    validate_indices: Array | bool = False,  # noqa: ARG001
) -> Array:
    """A copy with other slices where the last dimension of `indices` points to."""
    return _updated(info, data, _points(info, data, indices), updates, mode)


def slice_by_index(
    info: OpInfo,
    x: Array,
    begin: Array,
    end: Array,
    stride: Array | None = None,
    begin_mask: Array | None = None,
    end_mask: Array | None = None,
    squeeze_mask: Array | None = None,
) -> Array:
    """A part of each dimension; masks leave an end open or drop the dimension."""
    selection = _slices(info, x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    return np.asarray(x[selection])


def slice_update(
    info: OpInfo,
    x: Array,
    update: Array,
    begin: Array,
    end: Array,
    stride: Array | None = None,
    begin_mask: Array | None = None,
    end_mask: Array | None = None,
    squeeze_mask: Array | None = None,
) -> Array:
    """A copy with another part, which is named as in `slice_by_index`."""
    selection = _slices(info, x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    return _updated(info, x, selection, update, "update")


def _slices(
    info: OpInfo,
    x: Array,
    begin: Array,
    end: Array,
    stride: Array | None,
    begin_mask: Array | None,
    end_mask: Array | None,
    squeeze_mask: Array | None,
) -> _Index:
    strides = np.ones(x.ndim, int) if stride is None else stride
    none = np.zeros(x.ndim, bool)
    masks = [none if mask is None else mask for mask in (begin_mask, end_mask, squeeze_mask)]
    if any(value.shape != (x.ndim,) for value in (begin, end, strides, *masks)):
        raise info.damaged(f"does not cut {x.ndim} dimensions")
    selection: list[int | slice] = []
    for axis, size in enumerate(x.shape):
        open_begin, open_end, squeezed = (bool(mask[axis]) for mask in masks)
        first = None if open_begin else int(begin[axis])
        if squeezed:
            index = first or 0
            if not -size <= index < size:
                raise info.unsupported(f"with an index outside of {size} entries")
            selection.append(index)
            continue
        selection.append(slice(first, None if open_end else int(end[axis]), int(strides[axis])))
    return tuple(selection)


def slice_by_size(info: OpInfo, x: Array, begin: Array, size: Array) -> Array:
    """So many elements of each dimension; -1 takes all that are left."""
    if begin.shape != (x.ndim,) or size.shape != (x.ndim,):
        raise info.damaged(f"does not cut {x.ndim} dimensions")
    selection = []
    for length, first, count in zip(x.shape, begin, size, strict=True):
        start = int(first) + (length if first < 0 else 0)
        stop = length if count == -1 else start + int(count)
        if not 0 <= start <= stop <= length:
            raise info.unsupported(f"that takes {start} to {stop} of {length} entries")
        selection.append(slice(start, stop))
    return np.asarray(x[tuple(selection)])


INDEXING: dict[str, Op] = {
    "gather": gather,
    "gather_along_axis": gather_along_axis,
    "gather_nd": gather_nd,
    "scatter": scatter,
    "scatter_along_axis": scatter_along_axis,
    "scatter_nd": scatter_nd,
    "slice_by_index": slice_by_index,
    "slice_by_size": slice_by_size,
    "slice_update": slice_update,
}
