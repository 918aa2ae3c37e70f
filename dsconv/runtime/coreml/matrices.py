"""Core ML's ops with matrices and windows in numpy: dense layers, convolutions, pooling, the LSTM.

Source: the op definitions ``linear.py``, ``conv.py``, ``pool.py`` and ``recurrent.py`` of
coremltools.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dsconv.runtime.coreml.operations import Array, Op, OpInfo
from dsconv.runtime.ops import sigmoid


def linear(info: OpInfo, x: Array, weight: Array, bias: Array | None = None) -> Array:
    """X [..., inputs] times the transposed weight [outputs, inputs], plus the bias [outputs]."""
    if weight.ndim != 2:
        raise info.damaged(f"has a weight of shape {list(weight.shape)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise info.damaged(f"has a bias of shape {list(bias.shape)} for {len(weight)} outputs")
    product = x @ weight.T
    return product if bias is None else product + bias


def matmul(
    info: OpInfo,
    x: Array,
    y: Array,
    transpose_x: Array | bool = False,
    transpose_y: Array | bool = False,
) -> Array:
    """A product of matrices, their last two dimensions swapped if asked for."""
    if min(x.ndim, y.ndim) < 1:
        raise info.damaged("takes a number and not a matrix")
    # A vector has nothing to swap.
    left = np.swapaxes(x, -1, -2) if transpose_x and x.ndim > 1 else x
    right = np.swapaxes(y, -1, -2) if transpose_y and y.ndim > 1 else y
    return np.asarray(left @ right)


def conv(
    info: OpInfo,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    dilations: Array | None = None,
    groups: Array | int = 1,
) -> Array:
    """A convolution of x [batch, inputs, sizes...] by weight [outputs, inputs, sizes...]."""
    if groups != 1:
        raise info.unsupported(f"with groups {int(groups)}")
    rank = x.ndim - 2
    if rank not in (1, 2) or weight.ndim != x.ndim:
        raise info.unsupported(f"of {list(x.shape)} by {list(weight.shape)}")
    stride, apart = (np.ones(rank, int) if v is None else v for v in (strides, dilations))
    kernel = (np.array(weight.shape[2:]) - 1) * apart + 1
    widths = padding(info, np.array(x.shape[2:]), kernel, stride, pad_type, pad)
    padded = np.pad(x, [(0, 0), (0, 0), *widths])
    windows = sliding_windows(padded, kernel, (*stride, *apart))
    inner = [1, *range(2 + rank, 2 + 2 * rank)]
    product = np.tensordot(windows, weight, (inner, [1, *range(2, x.ndim)]))
    if bias is not None:
        if bias.shape != weight.shape[:1]:
            raise info.damaged(f"has a bias of shape {list(bias.shape)} for {len(weight)} outputs")
        product = product + bias
    return np.moveaxis(product, -1, 1)


def padding(
    info: OpInfo, sizes: Array, kernel: Array, stride: Array, pad_type: str, pad: Array | None
) -> list[tuple[int, int]]:
    """The zeros before and after each dimension."""
    if pad_type == "valid":
        return [(0, 0)] * len(sizes)
    if pad_type == "custom" and pad is not None and pad.shape == (2 * len(sizes),):
        return [(int(before), int(after)) for before, after in pad.reshape(-1, 2)]
    if pad_type not in ("same", "same_lower"):
        raise info.unsupported(f"with pad_type '{pad_type}'")
    total = np.maximum(0, -(-sizes // stride) * stride - sizes + kernel - stride)
    if (total % 2).any():
        # The documentation contradicts itself about the side that gets the odd one.
        raise info.unsupported(f"with pad_type '{pad_type}' and an odd number of zeros")
    return [(int(zeros) // 2, int(zeros) // 2) for zeros in total]


def sliding_windows(x: Array, kernel: Array, stride: Iterable[int]) -> Array:
    """Windows [batch, channels, positions..., sizes...] of x [batch, channels, sizes...].

    `stride` is that of the positions; its second half, if there is one, that inside of a window.
    """
    sliding: Any = np.lib.stride_tricks.sliding_window_view
    strided = [slice(None, None, int(every)) for every in (1, 1, *stride)]
    return np.asarray(sliding(x, tuple(kernel), axis=tuple(range(2, x.ndim)))[tuple(strided)])


def max_pool(
    info: OpInfo,
    x: Array,
    kernel_sizes: Array,
    strides: Array | None = None,
    pad_type: str = "valid",
    pad: Array | None = None,
    ceil_mode: Array | bool = False,
) -> Array:
    """The largest numbers of windows of x [batch, channels, sizes...]."""
    windows = _pool_windows(info, x, kernel_sizes, strides, pad_type, pad, ceil_mode, -np.inf)
    return np.asarray(windows.max(axis=_inner(x)))


def avg_pool(
    info: OpInfo,
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
    sums = _pool_windows(info, x, *given).sum(axis=_inner(x))
    if not exclude_padding_from_average:
        return np.asarray(sums / np.float32(np.prod(kernel_sizes)))
    return np.asarray(sums / _pool_windows(info, np.ones_like(x), *given).sum(axis=_inner(x)))


def _inner(x: Array) -> tuple[int, ...]:
    """The dimensions of the windows, which follow those of x."""
    return tuple(range(x.ndim, 2 * x.ndim - 2))


def _pool_windows(
    info: OpInfo,
    x: Array,
    kernel_sizes: Array,
    strides: Array | None,
    pad_type: str,
    pad: Array | None,
    ceil_mode: Array | bool,
    border: float,
) -> Array:
    """All windows [batch, channels, positions..., sizes...], with a number around x."""
    if ceil_mode:
        raise info.unsupported("with ceil_mode")
    rank = x.ndim - 2
    if rank not in (1, 2) or len(kernel_sizes) != rank:
        raise info.unsupported(f"of {list(x.shape)} by {kernel_sizes.tolist()}")
    stride = np.ones(rank, int) if strides is None else strides
    sizes = np.array(x.shape[2:])
    widths = padding(info, sizes, kernel_sizes, stride, pad_type, pad)
    padded = np.pad(x, [(0, 0), (0, 0), *widths], constant_values=border)
    return sliding_windows(padded, kernel_sizes, stride)


def lstm(
    info: OpInfo,
    x: Array,
    initial_h: Array,
    initial_c: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: Array | bool = False,
    recurrent_activation: str = "sigmoid",
    cell_activation: str = "tanh",
    activation: str = "tanh",
) -> tuple[Array, Array, Array]:
    """An LSTM over time: x [frames, batch, inputs] to the outputs [frames, batch, cells], h, c.

    Rows of the weights [4 * cells, inputs or cells] and of the bias are the gates i, f, o, z.
    """
    if direction != "forward":
        raise info.unsupported(f"with direction '{direction}'")
    functions = (recurrent_activation, cell_activation, activation)
    if functions != ("sigmoid", "tanh", "tanh"):
        raise info.unsupported(f"with the activations {', '.join(functions)}")
    frames, batch, inputs = x.shape
    cells = weight_hh.shape[-1]
    shapes = [weight_ih.shape, weight_hh.shape, initial_h.shape, initial_c.shape]
    if shapes != [(4 * cells, inputs), (4 * cells, cells), (batch, cells), (batch, cells)]:
        raise info.damaged("has weights and states of different sizes")
    if bias is not None and bias.shape != (4 * cells,):
        raise info.damaged(f"has a bias of shape {list(bias.shape)} for {cells} cells")
    projected = x.reshape(frames * batch, inputs) @ weight_ih.T
    if bias is not None:
        projected += bias
    outputs, h, c = _unroll(
        projected.reshape(frames, batch, 4 * cells), initial_h, initial_c, weight_hh
    )
    if output_sequence:
        return outputs, h, c
    return h[None], h, c


def _unroll(projected: Array, h: Array, c: Array, weight_hh: Array) -> tuple[Array, Array, Array]:
    """All frames, given what the inputs add to the gates [frames, batch, 4 * cells]."""
    outputs = np.empty((*projected.shape[:2], h.shape[1]), projected.dtype)
    for frame, gates in enumerate(projected):
        i, f, o, z = np.split(gates + h @ weight_hh.T, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
        h = sigmoid(o) * np.tanh(c)
        outputs[frame] = h
    return outputs, h, c


MATRICES: dict[str, Op] = {
    "avg_pool": avg_pool,
    "conv": conv,
    "linear": linear,
    "lstm": lstm,
    "matmul": matmul,
    "max_pool": max_pool,
}
