"""The layers of neural networks that dsconv writes, in numpy; none but these are evaluated.

Source: the comments of the layers' parameters in ``NeuralNetwork.proto`` of coremltools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dsconv.formats.coreml import layers as schema
from dsconv.runtime.coreml.lstm import uni_directional_lstm
from dsconv.runtime.coreml.parameters import FloatArray, Parameters
from dsconv.speech.decode import softmax

Compute: TypeAlias = Callable[
    [Parameters, Sequence[FloatArray]], "FloatArray | tuple[FloatArray, ...]"
]


@dataclass(frozen=True)
class LayerKind:
    """How to compute a kind of layer, from its parameters and inputs.

    `fields` are all parameters that it may have, `inputs` and `outputs` the least and the largest
    number of each. Outputs may be of any type; they become float32, and what has no dimension gets
    one, as every array has in a neural network.
    """

    compute: Compute
    fields: type[IntEnum] = schema.NoFields
    inputs: tuple[int, int] = (1, 1)
    outputs: tuple[int, int] = (1, 1)


def activation(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A nonlinearity: ReLU, or alpha * x + beta."""
    kind = parameters.only()
    if kind == schema.Activation.RELU:
        parameters.nested(schema.Activation.RELU, schema.NoFields)
        return np.asarray(np.maximum(inputs[0], 0))
    if kind == schema.Activation.LINEAR:
        linear = parameters.nested(schema.Activation.LINEAR, schema.Linear)
        scaled = linear.number(schema.Linear.ALPHA) * inputs[0]
        return np.asarray(scaled + linear.number(schema.Linear.BETA))
    raise parameters.unsupported("is neither linear nor ReLU")


# What Core ML takes for an epsilon of 0.
_DEFAULT_EPSILON = np.float32(1e-6)

# Functions of x, alpha and epsilon.
_UNARY: dict[int, Callable[[FloatArray, np.float32, np.float32], Any]] = {
    schema.UnaryType.SQRT: lambda x, *_: np.sqrt(x),
    schema.UnaryType.RSQRT: lambda x, _, epsilon: 1 / np.sqrt(x + epsilon),
    schema.UnaryType.POWER: lambda x, alpha, _: np.power(x, alpha),
    schema.UnaryType.LOG: lambda x, *_: np.log(x),
}


def unary(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A function of x, which is neither scaled nor shifted."""
    kind = parameters.integer(schema.Unary.TYPE)
    # A scale of 0 stands for 1.
    if kind not in _UNARY or parameters.number(schema.Unary.SCALE) not in (0, 1):
        raise parameters.unsupported(f"is of type {kind} or scales its input")
    epsilon = parameters.number(schema.Unary.EPSILON) or _DEFAULT_EPSILON
    return np.asarray(_UNARY[kind](inputs[0], parameters.number(schema.Unary.ALPHA), epsilon))


def clip(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Values within a least and a largest one."""
    least = parameters.number(schema.Clip.MIN_VAL)
    most = parameters.number(schema.Clip.MAX_VAL)
    return np.asarray(np.minimum(np.maximum(inputs[0], least), most))


def reduce_mean(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The mean over some dimensions."""
    axes = parameters.integers(schema.Reduce.AXES)
    if not axes:
        raise parameters.unsupported("has no axes")
    keep = parameters.flag(schema.Reduce.KEEP_DIMS)
    return np.asarray(np.mean(inputs[0], axis=axes, keepdims=keep))


def softmax_nd(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Probabilities of logits along a dimension."""
    axis = parameters.integer(schema.Axis.AXIS)
    found = softmax(np.moveaxis(inputs[0], axis, -1))
    return np.asarray(np.moveaxis(found, -1, axis), np.float32)


def load_constant(parameters: Parameters, _: Sequence[FloatArray]) -> FloatArray:
    """Weights."""
    shape = parameters.integers(schema.Constant.SHAPE)
    return parameters.weights(schema.Constant.DATA, shape)


def concat(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Arrays one after the other along a dimension."""
    return np.concatenate(inputs, parameters.integer(schema.Axis.AXIS))


def split(parameters: Parameters, inputs: Sequence[FloatArray]) -> tuple[FloatArray, ...]:
    """Equal parts of a dimension."""
    count = parameters.integer(schema.Split.NUM_SPLITS)
    return tuple(np.split(inputs[0], count, parameters.integer(schema.Split.AXIS)))


def reverse(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Some dimensions from the end to the beginning."""
    flags = parameters.integers(schema.Reverse.REVERSE_DIM)
    if len(flags) != inputs[0].ndim:
        raise ValueError(f"{len(flags)} flags do not fit")
    return np.flip(inputs[0], [axis for axis, flag in enumerate(flags) if flag])


def gather(_: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """The slices of the first dimension that the indices name."""
    return np.take(inputs[0], whole(inputs[1]), 0)


def range_dynamic(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Numbers from 0 in steps, without the end, which comes in."""
    end = float(inputs[0].reshape(()))
    step = float(parameters.number(schema.RangeDynamic.STEP_SIZE_VALUE))
    return np.arange(0.0, end, step).astype(np.float32)


def whole(values: FloatArray) -> NDArray[np.int64]:
    """Indices, which are floats in a neural network. Raises ValueError for a fraction."""
    numbers = values.astype(np.int64)
    if (numbers != values).any():
        raise ValueError("an index is no whole number")
    return numbers


def padding(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """Zeros around the last two dimensions."""
    if schema.Padding.CONSTANT not in parameters:
        raise parameters.unsupported("does not pad with a constant")
    parameters.nested(schema.Padding.CONSTANT, schema.NoFields)
    amounts = parameters.nested(schema.Padding.PADDING_AMOUNTS, schema.BorderAmounts)
    borders = [(0, 0)] * (inputs[0].ndim - 2)
    return np.pad(inputs[0], borders + border_amounts(amounts))


def border_amounts(parameters: Parameters) -> list[tuple[int, int]]:
    """Sizes before and after the height and the width, from a BorderAmounts."""
    edges = schema.EdgeSizes
    found = [
        (sizes.integer(edges.START_EDGE_SIZE), sizes.integer(edges.END_EDGE_SIZE))
        for sizes in parameters.all_nested(schema.BorderAmounts.BORDER_AMOUNTS, edges)
    ]
    if len(found) not in (0, 2):
        raise parameters.unsupported(f"has {len(found)} border amounts")
    return found or [(0, 0), (0, 0)]


def inner_product(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """A dense layer: rows [n, C_in] to [n, C_out]."""
    (x,), fields = inputs, schema.InnerProduct
    channels = parameters.integer(fields.INPUT_CHANNELS)
    count = parameters.integer(fields.OUTPUT_CHANNELS)
    if x.ndim != 2:
        raise parameters.unsupported(f"takes {x.ndim} dimensions")
    if x.shape[1] != channels:
        raise ValueError(f"{channels} input channels do not fit")
    rows = x @ parameters.weights(fields.WEIGHTS, (count, channels)).T
    if parameters.flag(fields.HAS_BIAS):
        rows = rows + parameters.weights(fields.BIAS, (count,))
    return rows


def convolution(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
    """[..., C_in, H, W] to [..., C_out, H_out, W_out]: one group, no dilation, no padding."""
    (x,), fields = inputs, schema.Convolution
    kernel, stride = (parameters.integers(f) for f in (fields.KERNEL_SIZE, fields.STRIDE))
    if parameters.integer(fields.N_GROUPS) > 1 or not _is_valid(parameters):
        raise parameters.unsupported("has groups, a dilation or padding")
    if len(kernel) != 2 or len(stride) != 2:
        raise parameters.unsupported("has no kernelSize or no stride")
    channels = parameters.integer(fields.KERNEL_CHANNELS)
    count = parameters.integer(fields.OUTPUT_CHANNELS)
    if x.ndim < 4 or x.shape[-3] != channels:
        raise ValueError(f"{channels} input channels do not fit")
    weights = parameters.weights(fields.WEIGHTS, (count, channels, *kernel))
    views: Any = sliding_window_view
    windows = views(x, kernel, (-2, -1))[..., :: stride[0], :: stride[1], :, :]
    # [..., C_in, H, W, kernel H, kernel W] and [C_out, C_in, kernel H, kernel W]
    result = np.einsum("...chwij,ocij->...ohw", windows, weights, optimize=True)
    if parameters.flag(fields.HAS_BIAS):
        result = result + parameters.weights(fields.BIAS, (count,))[:, None, None]
    return np.asarray(result)


def _is_valid(parameters: Parameters) -> bool:
    """Whether a convolution has no padding and no dilation."""
    fields = schema.Convolution
    if fields.VALID not in parameters or set(parameters.integers(fields.DILATION_FACTOR)) - {1}:
        return False
    valid = parameters.nested(fields.VALID, schema.ValidPadding)
    amounts = valid.nested(schema.ValidPadding.PADDING_AMOUNTS, schema.BorderAmounts)
    return not any(map(any, border_amounts(amounts)))


def _same_rank(function: Callable[..., Any]) -> LayerKind:
    """A function of two arrays of one rank, where the dimensions of one of them may be 1."""

    def compute(parameters: Parameters, inputs: Sequence[FloatArray]) -> FloatArray:
        shapes = [value.shape for value in inputs]
        if len(set(map(len, shapes))) > 1 or np.broadcast_shapes(*shapes) not in shapes:
            text = " and ".join(str(list(shape)) for shape in shapes)
            raise parameters.unsupported(f"takes inputs of shape {text}")
        return np.asarray(function(*inputs))

    return LayerKind(compute, inputs=(2, 2))


def _broadcast(function: Callable[..., Any]) -> LayerKind:
    """A function of two arrays that are broadcast as in numpy."""
    return LayerKind(lambda _, inputs: np.asarray(function(*inputs)), inputs=(2, 2))


def _reshaped(function: Callable[[FloatArray, tuple[int, ...]], Any], field: IntEnum) -> LayerKind:
    """A function of one array and the numbers of the one parameter."""
    return LayerKind(
        lambda parameters, inputs: np.asarray(function(inputs[0], parameters.integers(field))),
        type(field),
    )


LAYERS: dict[str, LayerKind] = {
    "activation": LayerKind(activation, schema.Activation),
    "add": _same_rank(np.add),
    "addBroadcastable": _broadcast(np.add),
    "clip": LayerKind(clip, schema.Clip),
    "concatND": LayerKind(concat, schema.Axis, inputs=(2, 3)),
    "convolution": LayerKind(convolution, schema.Convolution),
    "copy": LayerKind(lambda _, inputs: inputs[0]),
    "expandDims": _reshaped(np.expand_dims, schema.Axes.AXES),
    "gather": LayerKind(gather, inputs=(2, 2)),
    "getShape": LayerKind(lambda _, inputs: np.array(inputs[0].shape, np.float32)),
    "greaterEqual": _broadcast(np.greater_equal),
    "innerProduct": LayerKind(inner_product, schema.InnerProduct),
    "loadConstantND": LayerKind(load_constant, schema.Constant, inputs=(0, 0)),
    "maxBroadcastable": _broadcast(np.maximum),
    "multiply": _same_rank(np.multiply),
    "multiplyBroadcastable": _broadcast(np.multiply),
    "padding": LayerKind(padding, schema.Padding),
    "rangeDynamic": LayerKind(range_dynamic, schema.RangeDynamic),
    "reduceMean": LayerKind(reduce_mean, schema.Reduce),
    "reshapeStatic": _reshaped(np.reshape, schema.TargetShape.TARGET_SHAPE),
    "reverse": LayerKind(reverse, schema.Reverse),
    "softmaxND": LayerKind(softmax_nd, schema.Axis),
    "splitND": LayerKind(split, schema.Split, outputs=(2, 2)),
    "squeeze": _reshaped(np.squeeze, schema.Axes.AXES),
    "subtractBroadcastable": _broadcast(np.subtract),
    "transpose": _reshaped(np.transpose, schema.Axes.AXES),
    "unary": LayerKind(unary, schema.Unary),
    "uniDirectionalLSTM": LayerKind(
        uni_directional_lstm, schema.UniDirectionalLstm, inputs=(3, 3), outputs=(3, 3)
    ),
    "whereBroadcastable": LayerKind(
        lambda _, inputs: np.where(inputs[0] != 0, inputs[1], inputs[2]), inputs=(3, 3)
    ),
}
