"""Core ML's pooling ops in numpy, and the places of the largest and smallest numbers.

Source: the op definitions ``pool.py`` and ``reduction.py`` of coremltools.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dsconv.runtime.coreml.call import Array, Call, Op
from dsconv.runtime.coreml.products import padding, sliding_windows


def max_pool(
    call: Call,
    x: Array,
    kernel_sizes: Array,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    ceil_mode: Array | bool = False,
) -> Array:
    """The largest numbers of windows of x [batch, channels, sizes...]."""
    windows = _windows(call, x, kernel_sizes, strides, pad_type, pad, ceil_mode, -np.inf)
    return np.asarray(windows.max(axis=_inner(x)))


def avg_pool(
    call: Call,
    x: Array,
    kernel_sizes: Array,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    exclude_padding_from_average: Array | bool = False,
    ceil_mode: Array | bool = False,
) -> Array:
    """The means of windows of x [batch, channels, sizes...]; zeros around it count if so asked."""
    given = (kernel_sizes, strides, pad_type, pad, ceil_mode, 0)
    sums = _windows(call, x, *given).sum(axis=_inner(x))
    if not exclude_padding_from_average:
        return np.asarray(sums / np.float32(np.prod(kernel_sizes)))
    return np.asarray(sums / _windows(call, np.ones_like(x), *given).sum(axis=_inner(x)))


def _inner(x: Array) -> tuple[int, ...]:
    """The dimensions of the windows, which stand behind those of x."""
    return tuple(range(x.ndim, 2 * x.ndim - 2))


def _windows(
    call: Call,
    x: Array,
    kernel_sizes: Array,
    strides: Array | None,
    pad_type: str,
    pad: Array | None,
    ceil_mode: Array | bool,
    around: float,
) -> Array:
    """All windows [batch, channels, places..., sizes...], with a number around x."""
    if ceil_mode:
        raise call.unsupported("with ceil_mode")
    rank = x.ndim - 2
    if rank not in (1, 2) or len(kernel_sizes) != rank:
        raise call.unsupported(f"of {list(x.shape)} by {kernel_sizes.tolist()}")
    steps = np.ones(rank, int) if strides is None else strides
    sizes = np.array(x.shape[2:])
    widths = padding(call, sizes, kernel_sizes, steps, pad_type, pad)
    padded = np.pad(x, [(0, 0), (0, 0), *widths], constant_values=around)
    return sliding_windows(padded, kernel_sizes, steps)


def _place(find: Any) -> Op:
    def op(call: Call, x: Array, axis: Array | int = -1, keep_dims: Array | bool = False) -> Array:
        if call.dtypes[0] != "int32":
            raise call.unsupported(f"as {call.dtypes[0]}")
        return np.asarray(find(x, axis=int(axis), keepdims=bool(keep_dims)), np.int32)

    return op


POOLING: dict[str, Op] = {
    "avg_pool": avg_pool,
    "max_pool": max_pool,
    "reduce_argmax": _place(np.argmax),
    "reduce_argmin": _place(np.argmin),
}
