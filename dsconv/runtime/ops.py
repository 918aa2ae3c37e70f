"""TensorFlow's ops in numpy: those that the acoustic graphs hold.

Each takes a node and its input arrays, and gives the arrays of its outputs. Attributes that an op
here does not implement are refused by name, never ignored.

Source: the kernels in ``tensorflow/core/kernels`` and the op definitions of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsconv.acoustic.front_end import mfcc_settings, spectrogram_settings
from dsconv.errors import ConversionError
from dsconv.formats.graphdef.dtypes import DataType
from dsconv.formats.graphdef.node import Node
from dsconv.speech.decode import softmax
from dsconv.speech.features import mfcc, power_spectrum

Array: TypeAlias = NDArray[Any]
Op: TypeAlias = Callable[..., "Array | tuple[Array, ...]"]


def unsupported(node: Node, what: str) -> ConversionError:
    """The error for a node that is not computed here."""
    return ConversionError(
        f"'{node.name}' is a {node.op} {what}, which dsconv does not evaluate; "
        "pass --reference tensorflow."
    )


def audio_spectrogram(node: Node, samples: Array) -> Array:
    """[samples, channels] to [channels, frames, bins]."""
    settings = spectrogram_settings(node)
    if len(samples) < settings.window:
        none = power_spectrum(np.zeros((0, settings.window), np.float32), settings)
        return np.stack([none] * samples.shape[1])
    windows = np.lib.stride_tricks.sliding_window_view(samples.T, settings.window, axis=1)
    frames = windows[:, :: settings.stride]
    return np.stack([power_spectrum(channel, settings) for channel in frames])


def mel_coefficients(node: Node, spectrogram: Array, sample_rate: Array) -> Array:
    """[channels, frames, bins] to [channels, frames, coefficients]."""
    settings = mfcc_settings(node, float(sample_rate))
    return np.stack([mfcc(channel, settings) for channel in spectrogram])


def mat_mul(node: Node, a: Array, b: Array) -> Array:
    """A product of matrices, each transposed if asked for."""
    left = a.T if node.attribute_or("transpose_a", False) else a
    return left @ (b.T if node.attribute_or("transpose_b", False) else b)


def bias_add(node: Node, value: Array, bias: Array) -> Array:
    """The bias is added along the last dimension."""
    if node.attribute_or("data_format", b"NHWC") != b"NHWC":
        raise unsupported(node, "with data_format NCHW")
    return value + bias


def maximum_over(node: Node, value: Array, axes: Array) -> Array:
    """The largest value over some dimensions."""
    return np.asarray(value.max(axis=_axes(axes), keepdims=node.attribute_or("keep_dims", False)))


def mean(node: Node, value: Array, axes: Array) -> Array:
    """The mean over some dimensions."""
    keep = node.attribute_or("keep_dims", False)
    return np.asarray(value.mean(axis=_axes(axes), keepdims=keep, dtype=value.dtype))


def _axes(axes: Array) -> tuple[int, ...]:
    return tuple(int(axis) for axis in np.atleast_1d(axes))


def product(node: Node, value: Array, axes: Array) -> Array:
    """The product over some dimensions."""
    keep = node.attribute_or("keep_dims", False)
    return np.asarray(value.prod(axis=_axes(axes), keepdims=keep, dtype=value.dtype))


def all_of(node: Node, value: Array, axes: Array) -> Array:
    """Whether all are true over some dimensions."""
    return np.asarray(value.all(axis=_axes(axes), keepdims=node.attribute_or("keep_dims", False)))


def cast(node: Node, value: Array) -> Array:
    """Another type; numpy converts as TensorFlow does between the types here."""
    target = node.attribute("DstT", DataType)
    if target is DataType.BFLOAT16 or target.itemsize is None:
        raise unsupported(node, f"to {target.label}")
    return value.astype(target.label)


def expand_dims(_: Node, value: Array, axis: Array) -> Array:
    """A dimension of size 1 more."""
    return np.expand_dims(value, int(axis.reshape(())))


def strided_slice(node: Node, value: Array, begin: Array, end: Array, strides: Array) -> Array:
    """A part of each dimension; masks leave an end open or drop the dimension."""
    for mask in ("ellipsis_mask", "new_axis_mask"):
        if node.attribute_or(mask, 0):
            raise unsupported(node, f"with {mask}")
    slices: list[slice | int] = []
    for dimension, (first, last, stride) in enumerate(zip(begin, end, strides, strict=True)):
        bit = 1 << dimension
        if node.attribute_or("shrink_axis_mask", 0) & bit:
            slices.append(int(first))
            continue
        open_begin = node.attribute_or("begin_mask", 0) & bit
        open_end = node.attribute_or("end_mask", 0) & bit
        slices.append(
            slice(None if open_begin else int(first), None if open_end else int(last), int(stride))
        )
    return np.asarray(value[tuple(slices)])


def gather_nd(_: Node, parameters: Array, indices: Array) -> Array:
    """The slices that the last dimension of `indices` points to."""
    return np.asarray(parameters[tuple(np.moveaxis(indices, -1, 0))])


def gather(node: Node, parameters: Array, indices: Array, axis: Array | None = None) -> Array:
    """The slices of one dimension that `indices` names."""
    if node.attribute_or("batch_dims", 0):
        raise unsupported(node, "with batch_dims")
    return np.take(parameters, indices, axis=int(axis) if axis is not None else 0)


def pack(node: Node, *values: Array) -> Array:
    """Arrays of one shape stacked along a new dimension; one that is missing is repeated."""
    return np.stack(values, axis=node.attribute_or("axis", 0))


def concat(_: Node, *values: Array) -> Array:
    """Arrays one after the other along the dimension that the last input names."""
    return np.concatenate(values[:-1], axis=int(values[-1]))


def split(node: Node, axis: Array, value: Array) -> tuple[Array, ...]:
    """Equal parts along the dimension that the first input names."""
    return tuple(np.split(value, node.attribute("num_split", int), axis=int(axis)))


def split_into(node: Node, value: Array, sizes: Array, axis: Array) -> tuple[Array, ...]:
    """Parts of some sizes along one dimension; one size may be -1 for what is left."""
    length, parts = value.shape[int(axis)], [int(size) for size in sizes]
    if parts.count(-1) == 1:
        parts[parts.index(-1)] = length - sum(parts) - 1
    if min(parts) < 0 or sum(parts) != length:
        raise unsupported(node, f"of {length} into {sizes.tolist()}")
    return tuple(np.split(value, np.cumsum(parts)[:-1], axis=int(axis)))


def select(node: Node, condition: Array, then: Array, otherwise: Array) -> Array:
    """Elements of one array or the other; a vector of conditions chooses whole rows."""
    if condition.ndim == 1 and condition.shape == then.shape[:1]:
        condition = condition.reshape(-1, *[1] * (then.ndim - 1))
    elif condition.shape not in ((), then.shape):
        raise unsupported(node, f"by {list(condition.shape)} conditions of {list(then.shape)}")
    if then.shape != otherwise.shape:
        raise unsupported(node, f"from {list(then.shape)} and {list(otherwise.shape)}")
    return np.where(condition, then, otherwise)


def reverse_sequence(node: Node, value: Array, lengths: Array) -> Array:
    """The first elements along `seq_dim` backwards, as many as the batch's length says."""
    along, batch = node.attribute("seq_dim", int), node.attribute_or("batch_dim", 0)
    if along == batch:
        raise unsupported(node, f"whose seq_dim and batch_dim are {along}")
    rows = np.moveaxis(value, (along, batch), (0, 1))
    fits = lengths.shape == rows.shape[1:2]
    if not fits or (lengths < 0).any() or (lengths > len(rows)).any():
        raise ConversionError(
            f"'{node.name}' has {rows.shape[1]} sequences of {len(rows)} steps and the lengths "
            f"{lengths.tolist()}; feed one length for each sequence, not longer than that."
        )
    steps = np.arange(len(rows))[:, None]
    backwards = np.where(steps < lengths, lengths - 1 - steps, steps)
    return np.moveaxis(rows[backwards, np.arange(len(lengths))], (0, 1), (along, batch))


def reverse(_: Node, value: Array, axes: Array) -> Array:
    """Some dimensions backwards, whole."""
    return np.flip(value, _axes(axes))


def check(node: Node, condition: Array, *data: Array) -> tuple[Array, ...]:
    """An Assert. Raises ConversionError with the data as its message if the condition is false."""
    if condition.all():
        return ()
    shown = node.attribute_or("summarize", 3)
    reason = " ".join(_summary(value, shown) for value in data)
    raise ConversionError(
        f"the check '{node.name}' of the graph fails: {reason}; feed other inputs."
    )


def _summary(value: Array, shown: int) -> str:
    """The first values as text; all of them if `shown` is negative."""
    first = value.ravel().tolist()
    texts = [
        item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in first
    ]
    more = "..." if 0 <= shown < len(texts) else ""
    return f"[{' '.join(texts[:shown] if more else texts)}{more}]"


def shape_of(node: Node, value: Array) -> Array:
    """The sizes of the dimensions."""
    return np.array(value.shape, node.attribute_or("out_type", DataType.INT32).label)


def block_lstm(
    node: Node,
    steps: Array,
    x: Array,
    state_c: Array,
    state_h: Array,
    kernel: Array,
    *peepholes_and_bias: Array,
) -> tuple[Array, ...]:
    """An LSTM over time: x [T, batch, inputs] to i, cs, f, o, ci, co, h, each [T, batch, cells].

    Rows of the kernel are the input's and then the state's, columns the gates i, ci, f, o. Steps
    from `steps` on are not computed and are zero.
    """
    *_, bias = peepholes_and_bias
    if node.attribute_or("use_peephole", False):
        raise unsupported(node, "with peepholes")
    # The op's own defaults; a clip of 0 or less is none.
    clip = node.attribute_or("cell_clip", 3.0)
    forget_bias = np.float32(node.attribute_or("forget_bias", 1.0))
    count, (frames, batch, inputs), cells = int(steps), x.shape, state_c.shape[1]
    if count > frames:
        raise ConversionError(
            f"'{node.name}' should run {count} steps but gets {frames}; feed at least as many."
        )
    outputs = tuple(np.zeros((frames, batch, cells), np.float32) for _ in range(7))
    rows = x[:count].reshape(count * batch, inputs)
    projected = (rows @ kernel[:inputs] + bias).reshape(count, batch, 4 * cells)
    recurrent = kernel[inputs:]
    for step in range(count):
        gates = projected[step] + state_h @ recurrent
        i, ci, f, o = np.split(gates, 4, axis=1)
        i, f, o, ci = sigmoid(i), sigmoid(f + forget_bias), sigmoid(o), np.tanh(ci)
        state_c = ci * i + state_c * f
        if clip > 0:
            state_c = np.clip(state_c, -clip, clip)
        co = np.tanh(state_c)
        state_h = co * o
        for output, value in zip(outputs, (i, state_c, f, o, ci, co, state_h), strict=True):
            output[step] = value
    return outputs


def sigmoid(value: Array) -> Array:
    """The logistic function, rounded once."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-value.astype(np.float64))), value.dtype)


OPS: dict[str, Op] = {
    "Add": lambda _, a, b: a + b,
    "AddV2": lambda _, a, b: a + b,
    "All": all_of,
    "Assert": check,
    "AudioSpectrogram": audio_spectrogram,
    "BiasAdd": bias_add,
    "BlockLSTM": block_lstm,
    "Cast": cast,
    "ConcatV2": concat,
    "Equal": lambda _, a, b: a == b,
    "ExpandDims": expand_dims,
    "Fill": lambda _, shape, value: np.full(shape, value),
    "Gather": gather,
    "GatherNd": gather_nd,
    "GatherV2": gather,
    "GreaterEqual": lambda _, a, b: a >= b,
    "Identity": lambda _, value: value,
    "Less": lambda _, a, b: a < b,
    "LogicalAnd": lambda _, a, b: a & b,
    "MatMul": mat_mul,
    "Max": maximum_over,
    "Maximum": lambda _, a, b: np.maximum(a, b),
    "Mean": mean,
    "Mfcc": mel_coefficients,
    "Minimum": lambda _, a, b: np.minimum(a, b),
    "Mul": lambda _, a, b: a * b,
    "Pack": pack,
    "Prod": product,
    "Range": lambda _, start, limit, delta: np.arange(start, limit, delta, start.dtype),
    "Relu": lambda _, value: np.maximum(value, 0),
    "Reshape": lambda _, value, shape: value.reshape(shape),
    "ReverseSequence": reverse_sequence,
    "ReverseV2": reverse,
    "Rsqrt": lambda _, value: np.asarray(1 / np.sqrt(value), value.dtype),
    "Select": select,
    "Shape": shape_of,
    "Sigmoid": lambda _, value: sigmoid(value),
    "Softmax": lambda _, logits: softmax(logits),
    "Split": split,
    "SplitV": split_into,
    "SquaredDifference": lambda _, a, b: (a - b) ** 2,
    "StopGradient": lambda _, value: value,
    "StridedSlice": strided_slice,
    "Sub": lambda _, a, b: a - b,
    "Tanh": lambda _, value: np.tanh(value),
    "Tile": lambda _, value, multiples: np.tile(value, multiples),
    "Transpose": lambda _, value, order: value.transpose(order),
}
