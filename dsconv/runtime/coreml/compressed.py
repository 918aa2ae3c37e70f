"""The constants that Core ML keeps compressed: quantized, in lookup tables, or sparse.

They are decompressed in float32, in both forms: of iOS 16, whose parameters are packed bytes, and
of iOS 18. Each function takes the parameters by the names that they have in the program.

Source: the op definitions ``iOS16/constexpr_ops.py`` and ``iOS18/compression.py`` of coremltools.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from dsconv.formats.coreml.values import unpack
from dsconv.runtime.coreml.operations import Array, Op, OpInfo

# The bits of an index, by the entries of the table: a shorter table would leave indices undefined.
_TABLE_SIZES = {2: 1, 4: 2, 16: 4, 64: 6, 256: 8}


def affine_dequantize(
    info: OpInfo, quantized_data: Array, zero_point: Array, scale: Array, axis: Array
) -> Array:
    """Scale * (data - zero point), with one of each or one for each entry of `axis`."""
    shape = [1] * quantized_data.ndim
    shape[int(axis)] = -1
    size = quantized_data.shape[int(axis)]
    values = []
    for name, value in (("zero_point", zero_point), ("scale", scale)):
        if value.ndim > 1 or (value.ndim == 1 and len(value) != size):
            raise info.damaged(f"has a {name} of shape {list(value.shape)} for {size} entries")
        values.append(value.reshape(shape) if value.ndim else value)
    return _shifted_and_scaled(quantized_data, values[0], values[1])


def lut_to_dense(
    info: OpInfo,
    indices: Array,
    lut: Array,
    shape: Array | None = None,
    vector_axis: Array | None = None,
) -> Array:
    """The entries of lookup tables that `indices` names.

    iOS 16: one table [entries], packed indices, and the shape of the result. iOS 18: tables
    [groups of each dimension of the indices..., entries, elements of an entry].
    """
    if shape is None:
        return _grouped_lookup(info, indices, lut, vector_axis)
    bits = _TABLE_SIZES.get(len(lut)) if lut.ndim == 1 else None
    count = _size(shape)
    if vector_axis is not None or bits is None or indices.shape != (-(-count * bits // 8),):
        raise info.damaged("has indices that do not fit its table")
    table = lut.reshape((1,) * len(shape) + (-1, 1))
    return _grouped_lookup(info, unpack(indices, bits, count).reshape(shape), table, None)


def _size(shape: Array) -> int:
    return math.prod(int(size) for size in shape)


def _grouped_lookup(info: OpInfo, indices: Array, lut: Array, vector_axis: Array | None) -> Array:
    """Each block of the indices looks up in its own table."""
    rank, groups = indices.ndim, lut.shape[:-2]
    if lut.ndim != rank + 2 or not _divides(groups, indices.shape):
        raise info.damaged(f"has tables {list(lut.shape)} for indices {list(indices.shape)}")
    entries, length = lut.shape[-2:]
    if indices.size and int(indices.max()) >= entries:
        raise info.damaged("has an index beyond the end of its table")
    found = np.empty((*indices.shape, length), lut.dtype)
    for group, block in _blocks(groups, indices.shape):
        # Row by row: numpy makes 8 bytes of each index.
        for into, rows in zip(found[block], indices[block], strict=True):
            into[...] = lut[group][rows]
    if length == 1:
        return found.reshape(indices.shape)
    if vector_axis is None:
        raise info.damaged("has vectors and no vector_axis")
    axis = int(vector_axis) % rank
    shape = list(indices.shape)
    shape[axis] *= length
    return np.moveaxis(found, -1, axis + 1).reshape(shape)


def _divides(parts: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a shape can be cut into so many equal parts along each dimension."""
    return len(parts) == len(shape) and all(
        part and size % part == 0 for part, size in zip(parts, shape, strict=True)
    )


def _blocks(
    groups: tuple[int, ...], shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Each group with the part of the shape that belongs to it."""
    sizes = [size // count for size, count in zip(shape, groups, strict=True)]
    for group in np.ndindex(*groups):
        pairs = zip(group, sizes, strict=True)
        yield group, tuple(slice(index * size, (index + 1) * size) for index, size in pairs)


def blockwise_shift_scale(
    info: OpInfo, data: Array, scale: Array, offset: Array | None = None
) -> Array:
    """Scale * (data - offset), with one of each for every block of the data."""
    if not _divides(scale.shape, data.shape):
        raise info.damaged(f"has scales {list(scale.shape)} for data {list(data.shape)}")
    if offset is not None and offset.shape != scale.shape:
        raise info.damaged(f"has offsets {list(offset.shape)} for scales {list(scale.shape)}")
    # Each dimension becomes two, blocks and what is in a block, so that scales are broadcast.
    split, single = [], []
    for size, count in zip(data.shape, scale.shape, strict=True):
        split += [count, size // count]
        single += [count, 1]
    shift = None if offset is None else offset.reshape(single)
    result = _shifted_and_scaled(data.reshape(split), shift, scale.reshape(single))
    return result.reshape(data.shape)


def _shifted_and_scaled(data: Array, shift: Array | None, scale: Array) -> Array:
    result = data.astype(np.float32)
    if shift is not None:
        result -= shift.astype(np.float32)
    result *= scale.astype(np.float32)
    return result


def sparse_to_dense(
    info: OpInfo, nonzero_data: Array, mask: Array, shape: Array | None = None
) -> Array:
    """Values where the mask is set, zero elsewhere.

    iOS 16: the mask is packed bytes, and the shape of the result is given. iOS 18: the mask has it.
    """
    if shape is not None:
        count = _size(shape)
        bits = np.unpackbits(mask, bitorder="little")
        if mask.shape != (-(-count // 8),) or bits[count:].any():
            raise info.damaged("has a mask of another size")
        mask = bits[:count].reshape(shape)
    is_set = mask != 0
    if nonzero_data.shape != (np.count_nonzero(is_set),):
        raise info.damaged("has another number of values than its mask has bits")
    dense = np.zeros(mask.shape, nonzero_data.dtype)
    dense[is_set] = nonzero_data
    return dense


def lut_to_sparse(
    info: OpInfo,
    indices_mask: Array,
    indices_nonzero_data: Array,
    lut: Array,
    vector_axis: Array | None = None,
) -> tuple[Array, Array]:
    """The mask and the values of a sparse constant whose values are in lookup tables."""
    indices = sparse_to_dense(info, indices_nonzero_data, indices_mask)
    dense = lut_to_dense(info, indices, lut, vector_axis=vector_axis)
    mask, length = indices_mask, lut.shape[-1]
    if length > 1 and vector_axis is not None:
        mask = np.repeat(mask, length, axis=int(vector_axis))
    return mask, dense[mask != 0]


def sparse_blockwise_shift_scale(
    info: OpInfo, data_mask: Array, nonzero_data: Array, scale: Array, offset: Array | None = None
) -> tuple[Array, Array]:
    """The mask and the values of a sparse constant whose values are quantized."""
    data = sparse_to_dense(info, nonzero_data, data_mask)
    return data_mask, blockwise_shift_scale(info, data, scale, offset)[data_mask != 0]


def cast_constant(info: OpInfo, source_val: Array, output_dtype: str) -> Array:
    """A float16 constant as float32."""
    if output_dtype != "fp32":
        raise info.unsupported(f"with output_dtype '{output_dtype}'")
    return source_val.astype(np.float32)


COMPRESSED: dict[str, Op] = {
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
    "constexpr_cast": cast_constant,
    "constexpr_lut_to_dense": lut_to_dense,
    "constexpr_lut_to_sparse": lut_to_sparse,
    "constexpr_sparse_blockwise_shift_scale": sparse_blockwise_shift_scale,
    "constexpr_sparse_to_dense": sparse_to_dense,
}
