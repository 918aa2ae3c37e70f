"""Core ML's lists of arrays of one shape, and the ops on them.

A list never changes: writing gives another one that shares the arrays.

Source: the op definitions ``control_flow.py`` of coremltools.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dsconv.runtime.coreml.elementwise import CAST_TYPES
from dsconv.runtime.coreml.operations import Array, Op, OpInfo


@dataclass(frozen=True)
class ArrayList:
    """Arrays of one shape, None where none was written.

    A text in `shape` stands for a size that is known when something is written.
    """

    items: tuple[Array | None, ...]
    shape: tuple[int | str, ...]
    dtype: str
    is_dynamic: bool


def make_list(
    info: OpInfo,
    elem_shape: tuple[Array | str, ...] | None = None,
    init_length: Array | int = 1,
    dynamic_length: Array | bool = True,
    dtype: str = "fp32",
) -> ArrayList:
    """A list in which nothing was written yet."""
    if dtype not in CAST_TYPES:
        raise info.unsupported(f"with dtype '{dtype}'")
    if elem_shape is None:
        raise info.unsupported("without elem_shape")
    sizes = tuple(size if isinstance(size, str) else int(size) for size in elem_shape)
    return ArrayList((None,) * int(init_length), sizes, CAST_TYPES[dtype], bool(dynamic_length))


def list_length(_: OpInfo, ls: ArrayList) -> Array:
    """The number of arrays."""
    return np.array(len(ls.items), np.int32)


def list_write(info: OpInfo, ls: ArrayList, index: Array, value: Array) -> ArrayList:
    """A list with another array at one index."""
    return _written(info, ls, {int(index): value})


def list_scatter(info: OpInfo, ls: ArrayList, indices: Array, value: Array) -> ArrayList:
    """A list with other arrays at some indices."""
    if indices.shape != value.shape[:1]:
        raise info.damaged(f"writes {len(value)} arrays to {indices.size} indices")
    return _written(info, ls, {int(i): item for i, item in zip(indices, value, strict=True)})


def _written(info: OpInfo, ls: ArrayList, changes: dict[int, Array]) -> ArrayList:
    items = list(ls.items)
    for index, value in changes.items():
        fits = len(value.shape) == len(ls.shape) and all(
            isinstance(size, str) or size == actual
            for size, actual in zip(ls.shape, value.shape, strict=True)
        )
        if not fits:
            raise info.damaged(f"writes {list(value.shape)} to a list of {list(ls.shape)}")
        if index >= len(items) and ls.is_dynamic:
            items += [None] * (index + 1 - len(items))
        if not 0 <= index < len(items):
            raise info.unsupported(f"with index {index} in a list of {len(items)}")
        items[index] = value
    return replace(ls, items=tuple(items))


def list_read(info: OpInfo, ls: ArrayList, index: Array) -> Array:
    """The array at one index."""
    number = int(index)
    if not 0 <= number < len(ls.items):
        raise info.unsupported(f"with index {number} in a list of {len(ls.items)}")
    item = ls.items[number]
    if item is None:
        raise info.unsupported(f"of index {number}, where nothing was written")
    return item


def list_gather(info: OpInfo, ls: ArrayList, indices: Array) -> Array:
    """The arrays at some indices, stacked."""
    if not indices.size:
        raise info.unsupported("of no indices")
    return np.stack([list_read(info, ls, index) for index in indices])


LISTS: dict[str, Op] = {
    "list_gather": list_gather,
    "list_length": list_length,
    "list_read": list_read,
    "list_scatter": list_scatter,
    "list_write": list_write,
    "make_list": make_list,
}
