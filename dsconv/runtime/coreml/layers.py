"""The layers of neural networks that dsconv writes, in numpy; none but these are evaluated.

Source: the comments of the layers' parameters in ``NeuralNetwork.proto`` of coremltools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dsconv.formats.coreml import network_schema as schema
from dsconv.formats.protobuf.schema import TypedMessage
from dsconv.runtime.coreml.lstm import uni_directional_lstm
from dsconv.runtime.coreml.parameters import FloatArray, M, Parameters
from dsconv.speech.decode import softmax


@dataclass(frozen=True)
class LayerKind(Generic[M]):
    """How to compute a kind of layer, from its parameters and inputs.

    `fields` are all parameters that are computed, `inputs` and `outputs` the least and the largest
    number of each. Outputs may be of any type; they become float32, and what has no dimension gets
    one, as every array has in a neural network.
    """

    compute: Callable[[Parameters[M], Sequence[FloatArray]], FloatArray | tuple[FloatArray, ...]]
    fields: tuple[str, ...] = ()
    inputs: tuple[int, int] = (1, 1)
    outputs: tuple[int, int] = (1, 1)


def activation(
    parameters: Parameters[schema.ActivationParams], inputs: Sequence[FloatArray]
) -> FloatArray:
    """A nonlinearity: ReLU, or alpha * x + beta."""
    message = parameters.message
    if message.present == ["ReLU"]:
        parameters.nested(TypedMessage(message.ReLU))
        return np.asarray(np.maximum(inputs[0], 0))
    if message.present == ["linear"]:
        linear = parameters.nested(message.linear).message
        return np.asarray(linear.alpha * inputs[0] + linear.beta)
    raise parameters.unsupported("is neither linear nor ReLU")


# What Core ML takes for an epsilon of 0.
_DEFAULT_EPSILON = 1e-6

# Functions of x, alpha and epsilon, by UnaryFunctionLayerParams.Operation: SQRT, RSQRT, POWER, LOG.
_UNARY: dict[int, Callable[[FloatArray, float, float], Any]] = {
    0: lambda x, *_: np.sqrt(x),
    1: lambda x, _, epsilon: 1 / np.sqrt(x + epsilon),
    3: lambda x, alpha, _: np.power(x, alpha),
    5: lambda x, *_: np.log(x),
}


def unary(
    parameters: Parameters[schema.UnaryFunctionLayerParams], inputs: Sequence[FloatArray]
) -> FloatArray:
    """A function of x, which is neither scaled nor shifted."""
    message = parameters.message
    # A scale of 0 stands for 1.
    if message.type not in _UNARY or message.scale not in (0, 1):
        raise parameters.unsupported(f"is of type {message.type} or scales its input")
    epsilon = message.epsilon or _DEFAULT_EPSILON
    return np.asarray(_UNARY[message.type](inputs[0], message.alpha, epsilon))


def clip(
    parameters: Parameters[schema.ClipLayerParams], inputs: Sequence[FloatArray]
) -> FloatArray:
    """Values within a least and a largest one."""
    least, most = parameters.message.minVal, parameters.message.maxVal
    return np.asarray(np.minimum(np.maximum(inputs[0], least), most))


def reduce_mean(
    parameters: Parameters[schema.ReduceMeanLayerParams], inputs: Sequence[FloatArray]
) -> FloatArray:
    """The mean over some dimensions."""
    message = parameters.message
    if not message.axes:
        raise parameters.unsupported("has no axes")
    return np.asarray(np.mean(inputs[0], axis=tuple(message.axes), keepdims=message.keepDims))


def softmax_nd(
    parameters: Parameters[schema.SoftmaxNDLayerParams], inputs: Sequence[FloatArray]
) -> FloatArray:
    """Probabilities of logits along a dimension."""
    axis = parameters.message.axis
    found = softmax(np.moveaxis(inputs[0], axis, -1))
    return np.asarray(np.moveaxis(found, -1, axis), np.float32)


def load_constant(
    parameters: Parameters[schema.LoadConstantNDLayerParams], _: Sequence[FloatArray]
) -> FloatArray:
    """Weights."""
    return parameters.weights("data", tuple(parameters.message.shape))


def concat(
    parameters: Parameters[schema.ConcatNDLayerParams], inputs: Sequence[FloatArray]
) -> FloatArray:
    """Arrays one after the other along a dimension."""
    return np.concatenate(inputs, parameters.message.axis)


def split(
    parameters: Parameters[schema.SplitNDLayerParams], inputs: Sequence[FloatArray]
) -> tuple[FloatArray, ...]:
    """Equal parts of a dimension."""
    return tuple(np.split(inputs[0], parameters.message.numSplits, parameters.message.axis))


def reverse(
    parameters: Parameters[schema.ReverseLayerParams], inputs: Sequence[FloatArray]
) -> FloatArray:
    """Some dimensions from the end to the beginning."""
    flags = parameters.message.reverseDim
    if len(flags) != inputs[0].ndim:
        raise ValueError(f"{len(flags)} flags do not fit")
    return np.flip(inputs[0], [axis for axis, flag in enumerate(flags) if flag])


def gather(_: Parameters[TypedMessage], inputs: Sequence[FloatArray]) -> FloatArray:
    """The slices of the first dimension that the indices name."""
    return np.take(inputs[0], whole(inputs[1]), 0)


def range_dynamic(
    parameters: Parameters[schema.RangeDynamicLayerParams], inputs: Sequence[FloatArray]
) -> FloatArray:
    """Numbers from 0 in steps, without the end, which comes in."""
    end = float(inputs[0].reshape(()))
    return np.arange(0.0, end, parameters.message.stepSizeValue).astype(np.float32)


def whole(values: FloatArray) -> NDArray[np.int64]:
    """Indices, which are floats in a neural network. Raises ValueError for a fraction."""
    numbers = values.astype(np.int64)
    if (numbers != values).any():
        raise ValueError("an index is not a whole number")
    return numbers


def padding(
    parameters: Parameters[schema.PaddingLayerParams], inputs: Sequence[FloatArray]
) -> FloatArray:
    """Zeros around the last two dimensions."""
    message = parameters.message
    if not message.has("constant"):
        raise parameters.unsupported("does not pad with a constant")
    parameters.nested(message.constant, fields=())
    borders = [(0, 0)] * (inputs[0].ndim - 2)
    return np.pad(inputs[0], borders + border_amounts(parameters.nested(message.paddingAmounts)))


def border_amounts(parameters: Parameters[schema.BorderAmounts]) -> list[tuple[int, int]]:
    """Sizes before and after the height and the width."""
    edges = [parameters.nested(each).message for each in parameters.message.borderAmounts]
    found = [(sizes.startEdgeSize, sizes.endEdgeSize) for sizes in edges]
    if len(found) not in (0, 2):
        raise parameters.unsupported(f"has {len(found)} border amounts")
    return found or [(0, 0), (0, 0)]


def inner_product(
    parameters: Parameters[schema.InnerProductLayerParams], inputs: Sequence[FloatArray]
) -> FloatArray:
    """A dense layer: rows [n, C_in] to [n, C_out]."""
    (x,), message = inputs, parameters.message
    channels, count = message.inputChannels, message.outputChannels
    if x.ndim != 2:
        raise parameters.unsupported(f"takes {x.ndim} dimensions")
    if x.shape[1] != channels:
        raise ValueError(f"{channels} input channels do not fit")
    rows = x @ parameters.weights("weights", (count, channels)).T
    if message.hasBias:
        rows = rows + parameters.weights("bias", (count,))
    return rows


def convolution(
    parameters: Parameters[schema.ConvolutionLayerParams], inputs: Sequence[FloatArray]
) -> FloatArray:
    """[..., C_in, H, W] to [..., C_out, H_out, W_out]: one group, no dilation, no padding."""
    (x,), message = inputs, parameters.message
    kernel, stride = tuple(message.kernelSize), message.stride
    if message.nGroups > 1 or not _is_valid(parameters):
        raise parameters.unsupported("has groups, a dilation or padding")
    if len(kernel) != 2 or len(stride) != 2:
        raise parameters.unsupported("has no kernelSize or no stride")
    channels, count = message.kernelChannels, message.outputChannels
    if x.ndim < 4 or x.shape[-3] != channels:
        raise ValueError(f"{channels} input channels do not fit")
    weights = parameters.weights("weights", (count, channels, *kernel))
    views: Any = sliding_window_view
    windows = views(x, kernel, (-2, -1))[..., :: stride[0], :: stride[1], :, :]
    # [..., C_in, H, W, kernel H, kernel W] and [C_out, C_in, kernel H, kernel W]
    result = np.einsum("...chwij,ocij->...ohw", windows, weights, optimize=True)
    if message.hasBias:
        result = result + parameters.weights("bias", (count,))[:, None, None]
    return np.asarray(result)


def _is_valid(parameters: Parameters[schema.ConvolutionLayerParams]) -> bool:
    """Whether a convolution has no padding and no dilation."""
    message = parameters.message
    if not message.has("valid") or set(message.dilationFactor) - {1}:
        return False
    valid = parameters.nested(message.valid)
    amounts = valid.nested(valid.message.paddingAmounts)
    return not any(map(any, border_amounts(amounts)))


def _same_rank(function: Callable[..., Any]) -> LayerKind[TypedMessage]:
    """A function of two arrays of one rank, where the dimensions of one of them may be 1."""

    def compute(parameters: Parameters[TypedMessage], inputs: Sequence[FloatArray]) -> FloatArray:
        shapes = [value.shape for value in inputs]
        if len(set(map(len, shapes))) > 1 or np.broadcast_shapes(*shapes) not in shapes:
            text = " and ".join(str(list(shape)) for shape in shapes)
            raise parameters.unsupported(f"takes inputs of shape {text}")
        return np.asarray(function(*inputs))

    return LayerKind(compute, inputs=(2, 2))


def _broadcast(function: Callable[..., Any]) -> LayerKind[TypedMessage]:
    """A function of two arrays that are broadcast as in numpy."""
    return LayerKind(lambda _, inputs: np.asarray(function(*inputs)), inputs=(2, 2))


def _reshaped(
    function: Callable[[FloatArray, tuple[int, ...]], Any], name: str
) -> LayerKind[TypedMessage]:
    """A function of one array and the integers of the one parameter."""

    def compute(parameters: Parameters[TypedMessage], inputs: Sequence[FloatArray]) -> FloatArray:
        return np.asarray(function(inputs[0], tuple(getattr(parameters.message, name))))

    return LayerKind(compute, (name,))


_INNER_PRODUCT = ("inputChannels", "outputChannels", "hasBias", "weights", "bias")
_CONVOLUTION = (
    *("outputChannels", "kernelChannels", "nGroups", "kernelSize", "stride", "dilationFactor"),
    *("valid", "hasBias", "weights", "bias"),
)
_LSTM = ("inputVectorSize", "outputVectorSize", "activations", "params", "weightParams")

LAYERS: dict[str, LayerKind[Any]] = {
    "activation": LayerKind(activation, ("linear", "ReLU")),
    "add": _same_rank(np.add),
    "addBroadcastable": _broadcast(np.add),
    "clip": LayerKind(clip, ("minVal", "maxVal")),
    "concatND": LayerKind(concat, ("axis",), inputs=(2, 3)),
    "convolution": LayerKind(convolution, _CONVOLUTION),
    "copy": LayerKind(lambda _, inputs: inputs[0]),
    "expandDims": _reshaped(np.expand_dims, "axes"),
    "gather": LayerKind(gather, inputs=(2, 2)),
    "getShape": LayerKind(lambda _, inputs: np.array(inputs[0].shape, np.float32)),
    "greaterEqual": _broadcast(np.greater_equal),
    "innerProduct": LayerKind(inner_product, _INNER_PRODUCT),
    "loadConstantND": LayerKind(load_constant, ("shape", "data"), inputs=(0, 0)),
    "maxBroadcastable": _broadcast(np.maximum),
    "multiply": _same_rank(np.multiply),
    "multiplyBroadcastable": _broadcast(np.multiply),
    "padding": LayerKind(padding, ("constant", "paddingAmounts")),
    "rangeDynamic": LayerKind(range_dynamic, ("stepSizeValue",)),
    "reduceMean": LayerKind(reduce_mean, ("axes", "keepDims")),
    "reshapeStatic": _reshaped(np.reshape, "targetShape"),
    "reverse": LayerKind(reverse, ("reverseDim",)),
    "softmaxND": LayerKind(softmax_nd, ("axis",)),
    "splitND": LayerKind(split, ("axis", "numSplits"), outputs=(2, 2)),
    "squeeze": _reshaped(np.squeeze, "axes"),
    "subtractBroadcastable": _broadcast(np.subtract),
    "transpose": _reshaped(np.transpose, "axes"),
    "unary": LayerKind(unary, ("type", "alpha", "epsilon", "scale")),
    "uniDirectionalLSTM": LayerKind(uni_directional_lstm, _LSTM, inputs=(3, 3), outputs=(3, 3)),
    "whereBroadcastable": LayerKind(
        lambda _, inputs: np.where(inputs[0] != 0, inputs[1], inputs[2]), inputs=(3, 3)
    ),
}
